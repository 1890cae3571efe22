// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// rinseTimeout bounds a Rinse: it is milliseconds of work for a switch that
// lives, and one that does not shall not hold up others.
const rinseTimeout = 5 * time.Second

// keyZone begins the external ids of the integration bridge in which
// ovn-controller keeps the conntrack zone of each port; the port's id follows.
const keyZone = "ct-zone-"

// Rinse makes a port's wire, whose sandbox is gone, as good as new for the next
// one: the switch forgets the connections that it tracked for the port, so that
// none of the one before passes any more. wired is false when there is no wire
// to be used again: there was none, or it was removed because the connections
// cannot be forgotten here, or because it is broken.
//
// Errors: Conflict while a sandbox hangs on the wire, Unavailable when the
// switch or its database does not answer. The wire is then as it was.
func (b *Binder) Rinse(ctx context.Context, portID string) (wired bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, rinseTimeout)
	defer cancel()
	if wired, err = b.rinse(ctx, portID); err != nil {
		return false, fmt.Errorf("ovs: rinse port %s: %w", portID, err)
	}
	return wired, nil
}

func (b *Binder) rinse(ctx context.Context, portID string) (bool, error) {
	c, unlock, err := b.holdPort(ctx, portID)
	if err != nil {
		return false, err
	}
	defer unlock()
	w := c.wireOf(b.owner, portID)
	if w == nil {
		return false, nil
	}
	// What the sandbox still sends would be tracked anew.
	if err := b.session.awaitSeen(ctx, hostName(portID)); err != nil {
		return false, err
	}
	if on := c.ofPort(portID); len(on) > 0 {
		return false, fault.New(fault.Conflict, "interface %s of a sandbox hangs on the wire", on[0].Name)
	}
	if w.whole() && w.near.taken(true) && w.far.taken(false) {
		err := b.forgetConnections(ctx, c, portID)
		if err == nil {
			b.unrinsed.Store(false)
			return true, nil
		}
		b.tellUnrinsed(ctx, portID, err)
	}
	return false, b.removeAll(ctx, nearName(portID), w.ports)
}

// tellUnrinsed says why a wire is not kept: loudly the first time in a row,
// because each container then costs OVN and Neutron a claim and a release.
func (b *Binder) tellUnrinsed(ctx context.Context, portID string, err error) {
	level := slog.LevelWarn
	if b.unrinsed.Swap(true) {
		level = slog.LevelDebug
	}
	b.log.Log(ctx, level, "wire of a port is not kept for the next container: the switch cannot be told to forget its connections",
		"port", portID, "error", err)
}

// forgetConnections has the switch forget what it tracked for a port.
func (b *Binder) forgetConnections(ctx context.Context, c *conn, portID string) error {
	name := integrationBridge(c.theSwitch())
	br, ok := c.bridge(name)
	if !ok {
		return noBridge(name, b.opts.Database)
	}
	zone, err := strconv.ParseUint(br.ExternalIDs[keyZone+portID], 10, 16)
	if err != nil {
		return fault.New(fault.Unavailable, "bridge %s does not tell the conntrack zone of the port", name)
	}
	socket, ok := b.managementSocket(name)
	if !ok {
		return fault.New(fault.Unavailable, "bridge %s can be reached over a unix socket only, and the database is %s", name, b.opts.Database)
	}
	return flushZone(ctx, socket, uint16(zone))
}

// managementSocket is where a bridge answers OpenFlow: ovs-vswitchd puts it
// beside the database's socket.
func (b *Binder) managementSocket(bridge string) (path string, ok bool) {
	db, ok := strings.CutPrefix(b.opts.Database, "unix:")
	return filepath.Join(filepath.Dir(db), bridge+".mgmt"), ok
}
