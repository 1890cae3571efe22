// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"log/slog"
	"time"

	"github.com/kuryr-go/kuryr/internal/agent"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/neutron"
)

// The values of device_owner by which Kuryr's ports are told from others.
const (
	// OwnerMade is that of a port that Kuryr made and will delete.
	OwnerMade = "compute:kuryr"
	// OwnerAdopted is that of a port that Kuryr uses and will give back.
	OwnerAdopted = "compute:kuryr-adopted"
)

// Options say for whom Direct works.
type Options struct {
	// Node is the binding:host_id of the ports: the host name that the node's
	// OVN controller or Neutron agent reports. Required.
	Node string
	// Cluster is the name of this installation. It is written into each port,
	// and ports of another cluster are left alone. Required.
	Cluster string
	// Defaults are used for what a demand leaves out.
	Defaults Defaults
	// TTL is how long a resolved network, subnet, security group, QoS policy or
	// project is believed. Some 30 s are enough that a node under load asks
	// once for many ports. Zero: not at all.
	TTL time.Duration
	// Logger gets what goes wrong without being anybody's error. nil: nothing
	// is logged.
	Logger *slog.Logger
}

// Defaults are names or ids, as in a demand.
type Defaults struct {
	// Project owns the ports, and names are looked for in it. Empty: the
	// project of the credentials.
	Project string
	// Network is the ports' network. Empty: a demand must name one.
	Network string
	// Subnets are subnets of Network, one address being taken from each. They
	// hold for demands that name neither network nor subnets. Empty: Neutron
	// chooses.
	Subnets []string
	// SecurityGroups are the ports' groups. nil: the project's group
	// "default"; empty but not nil: none.
	SecurityGroups []string
}

// Direct is an agent.Supply that speaks with Neutron itself. It is safe for
// concurrent use.
type Direct struct {
	client   *neutron.Client
	options  Options
	known    known
	creating creations
	checks   checks
}

var _ agent.Supply = (*Direct)(nil)

// New makes a Direct. It makes no request. An error is Invalid.
func New(client *neutron.Client, o Options) (*Direct, error) {
	if o.Node == "" || o.Cluster == "" {
		return nil, fault.New(fault.Invalid, "supply: node and cluster must be named")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Direct{client: client, options: o, known: newKnown(o.TTL)}, nil
}
