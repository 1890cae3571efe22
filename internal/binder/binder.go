// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package binder

import (
	"github.com/kuryr-go/kuryr/internal/lease"
)

// Request asks for a port to be wired into a sandbox.
type Request struct {
	// Attachment is the agent's id of the attachment (a UUID), written into
	// the owner mark.
	Attachment string
	// Sandbox is the container id as the engine gave it.
	Sandbox string
	// Netns is the path of the sandbox's network namespace.
	Netns string
	// Interface is the name of the interface inside the sandbox.
	Interface string
	// Lease is the port.
	Lease lease.Lease
	// MTU in bytes, when it shall be smaller than the lease's; zero: the lease's.
	MTU int
	// DefaultRoute says whether the gateways become default routes; nil: yes,
	// with a metric that grows with the number at the end of Interface, so
	// that eth0 wins over eth1 whatever the order of their attachment.
	DefaultRoute *bool
	// Made, if not nil, is told the result as soon as everything is made, while
	// the switch is still waited for. When it fails, so does the Bind.
	Made func(Result) error
}

// Result is what a binder made.
type Result struct {
	// Host is the interface on the node's side.
	Host Interface `json:"host"`
	// Container is the interface in the sandbox.
	Container Interface `json:"container"`
	// Wired tells that the local switch confirmed the port (OVN's
	// ovn-installed). False: the binder has no local signal, and the caller
	// must wait for the port's status in Neutron.
	Wired bool `json:"wired"`
	// Prewired tells that the port was made ready in the switch beforehand,
	// and the interface only had to be hung on.
	Prewired bool `json:"prewired,omitempty"`
	// DefaultRoutes are the default routes that were set, as they were set.
	DefaultRoutes []DefaultRoute `json:"defaultRoutes,omitempty"`
}

// Interface is a network device.
type Interface struct {
	Name string `json:"name"`
	MAC  string `json:"mac"`
	MTU  int    `json:"mtu"`
}

// DefaultRoute is a default route in the sandbox. Via is an address.
type DefaultRoute struct {
	Via string `json:"via"`
	// Metric is the kernel's route priority; zero: the kernel's default.
	Metric int `json:"metric,omitempty"`
}

// Ref names something a binder made, enough to remove it. Netns and
// Interface may be empty: the host side is found by the port.
type Ref struct {
	Attachment string
	PortID     string
	Sandbox    string
	Netns      string
	Interface  string
	// HostInterface is the device on the node's side; empty: derived from PortID.
	HostInterface string
	// KeepWire leaves in the switch what made the port ready before the sandbox
	// was there, for the next one.
	KeepWire bool
}

// Health is what a binder's Probe finds.
type Health struct {
	// Kind is the binder's name ("ovs").
	Kind string `json:"kind"`
	// Connected tells that the switch's database answers.
	Connected bool `json:"connected"`
	// Version of the switch, when it tells.
	Version string `json:"version,omitempty"`
	// Bridge is the integration bridge; Datapath its datapath_type
	// ("system" or "netdev").
	Bridge   string `json:"bridge,omitempty"`
	Datapath string `json:"datapath,omitempty"`
	// Chassis is OVN's system-id, Host the external_ids:hostname beside it.
	Chassis string `json:"chassis,omitempty"`
	Host    string `json:"host,omitempty"`
	// Ready says by what signal Bind knows that a port is wired: "ovn" or "neutron".
	Ready string `json:"ready,omitempty"`
	// Problem says in one sentence why nothing can be bound; empty when healthy.
	Problem string `json:"problem,omitempty"`
	// Ports is the number of interfaces with Kuryr's owner mark.
	Ports int `json:"ports"`
	// Prewired is the number of ports that are ready in the switch, whether a
	// sandbox uses them or not.
	Prewired int `json:"prewired"`
}
