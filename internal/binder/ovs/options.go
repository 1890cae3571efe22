// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// DefaultDatabase is where Open vSwitch's packages put the local database.
const DefaultDatabase = "unix:/run/openvswitch/db.sock"

// DefaultBridge is the integration bridge when neither the port nor the
// database names one.
const DefaultBridge = "br-int"

// Ready says by what signal Bind knows that a port is wired.
type Ready string

// The signals.
const (
	// ReadyAuto: ReadyOVN when the database has external_ids:ovn-remote, else
	// ReadyNeutron.
	ReadyAuto Ready = "auto"
	// ReadyOVN: ovn-controller sets external_ids:ovn-installed on the Interface.
	ReadyOVN Ready = "ovn"
	// ReadyNeutron: there is no local signal, Neutron's port status decides;
	// Bind then waits only until ovs-vswitchd has opened the device.
	ReadyNeutron Ready = "neutron"
)

// Offload says what to do with transmit checksum offload on the container's
// end.
type Offload string

// The choices.
const (
	// OffloadAuto: off on a bridge with the userspace datapath, untouched on
	// the kernel's.
	OffloadAuto Offload = "auto"
	// OffloadOff: always off.
	OffloadOff Offload = "off"
	// OffloadOn: never touched.
	OffloadOn Offload = "on"
)

// Options configure a Binder.
type Options struct {
	// Database is ovsdb-server's endpoint; empty: DefaultDatabase.
	Database string
	// Cluster and Node make the owner mark; both are required.
	Cluster, Node string
	// Ready is the signal that a port is wired; empty: ReadyAuto.
	Ready Ready
	// ChecksumOffload is for the container's end; empty: OffloadAuto.
	ChecksumOffload Offload
	// Logger; nil: nothing is logged.
	Logger *slog.Logger
	// Registerer takes the metrics; nil: none are exported.
	Registerer prometheus.Registerer
}

// complete fills in the defaults and refuses what makes no sense.
func (o *Options) complete() error {
	if o.Database == "" {
		o.Database = DefaultDatabase
	}
	if o.Ready == "" {
		o.Ready = ReadyAuto
	}
	if o.ChecksumOffload == "" {
		o.ChecksumOffload = OffloadAuto
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case o.Cluster == "" || o.Node == "":
		return fmt.Errorf("ovs: options: cluster and node are required for the owner mark")
	case !slices.Contains([]Ready{ReadyAuto, ReadyOVN, ReadyNeutron}, o.Ready):
		return fmt.Errorf("ovs: options: ready %q is none of auto, ovn, neutron", o.Ready)
	case !slices.Contains([]Offload{OffloadAuto, OffloadOff, OffloadOn}, o.ChecksumOffload):
		return fmt.Errorf("ovs: options: checksum offload %q is none of auto, off, on", o.ChecksumOffload)
	case !hasScheme(o.Database):
		return fmt.Errorf("ovs: options: database %q is none of unix:PATH, tcp:HOST:PORT", o.Database)
	}
	return nil
}

func hasScheme(database string) bool {
	return strings.HasPrefix(database, "unix:/") || strings.HasPrefix(database, "tcp:")
}
