// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Binder wires ports into Open vSwitch. It is safe for concurrent use.
type Binder struct {
	opts      Options
	log       *slog.Logger
	owner     owner
	session   *session
	underlays underlays
	ports     locks
	tags      tags
	// creating is held while a veth is made.
	creating sync.Mutex
	// wiring has the names of the host devices that a Bind is about to plug.
	wiring sync.Map
	// unrinsed tells that the last wire could not be kept.
	unrinsed atomic.Bool
	// host is the netlink handle in the process's namespace for all that is
	// quick. Removing a device is not, and has its own.
	host *netlink.Handle
}

// New starts a Binder. It does not wait for ovsdb-server: Probe tells whether
// that is there. Errors are about the options, the registerer, or netlink.
func New(o Options) (*Binder, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	host, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("ovs: open netlink: %w", err)
	}
	m := newMetrics()
	b := &Binder{
		opts:    o,
		log:     o.Logger,
		owner:   newOwner(o.Cluster, o.Node),
		session: startSession(&o, m),
		host:    host,
	}
	if err := m.register(o.Registerer, b.countWires); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// countWires is what the replica knows; zero without a connection.
func (b *Binder) countWires() float64 {
	c, err := b.session.current()
	if err != nil {
		return 0
	}
	return float64(len(c.wires(b.owner)))
}

// Close ends the session to ovsdb-server. What is bound stays bound. It must
// not be called while a Bind or Unbind runs, nor twice.
func (b *Binder) Close() {
	b.session.close()
	b.host.Close()
}
