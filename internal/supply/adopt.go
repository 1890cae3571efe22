// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"context"

	"github.com/kuryr-go/kuryr/internal/agent"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
	"github.com/kuryr-go/kuryr/internal/neutron"
)

// maxRaces is how often a port is read again that somebody else changed
// between our reading and our writing.
const maxRaces = 3

// adopt takes over an existing port. remembered tells that a resolved name
// came from the cache.
func (d *Direct) adopt(ctx context.Context, o agent.Order, want order) (l lease.Lease, remembered bool, err error) {
	r := resolver{Direct: d, order: want}
	if err := r.resolveProject(ctx); err != nil {
		return lease.Lease{}, r.remembered, err
	}
	if want.Network != "" {
		if err := r.resolveNetwork(ctx); err != nil {
			return lease.Lease{}, r.remembered, err
		}
	}
	for try := 1; ; try++ {
		port, err := r.findPort(ctx)
		if err == nil {
			err = checkAdoptable(port, r.network, o.Attachment, d.options.Node)
		}
		if err != nil {
			return lease.Lease{}, r.remembered, err
		}
		l, err = d.take(ctx, o, port)
		if !fault.Is(err, fault.Conflict) || try == maxRaces {
			return l, false, ofKey(err, "port", false)
		}
	}
}

func (r *resolver) findPort(ctx context.Context) (neutron.Port, error) {
	return query[neutron.Port]{
		kind: "port", field: "port", word: r.Port, project: r.project,
		list: func(ctx context.Context, f neutron.Filter) ([]neutron.Port, error) {
			return r.client.Ports(ctx, neutron.PortFilter{IDs: f.IDs, Name: f.Name, ProjectID: f.ProjectID})
		},
		about: func(p neutron.Port) candidate { return candidate{p.ID, p.ProjectID, false} },
	}.find(ctx)
}

// checkAdoptable refuses a port that is on another network than the one named
// (the zero Network: none was), used by somebody, or switched off.
func checkAdoptable(p neutron.Port, network neutron.Network, attachment, node string) error {
	if network.ID != "" && network.ID != p.NetworkID {
		return fault.InvalidField("port", "port %s is on network %s, not on %s", called(p.Name, p.ID), p.NetworkID, called(network.Name, network.ID))
	}
	if p.DeviceID == attachment {
		return nil
	}
	var e *fault.Error
	host := deref(p.HostID)
	switch {
	case p.DeviceID != "" || p.DeviceOwner != "":
		e = fault.New(fault.Conflict, "in use: port %s", describePort(p))
	case host != "" && host != node && p.Status == "ACTIVE":
		e = fault.New(fault.Conflict, "active on another host: port %s", describePort(p))
	case !p.AdminStateUp:
		e = fault.New(fault.Conflict, "switched off (admin_state_up is false): port %s", describePort(p))
		e.Hint = "openstack port set --enable " + p.ID
	default:
		return nil
	}
	e.Field = "port"
	return e
}

// take binds the port to the node in the attachment's name, after telling the
// order what is needed to give it back. An error of class Conflict means that
// the port was changed meanwhile, and not by us.
func (d *Direct) take(ctx context.Context, o agent.Order, p neutron.Port) (lease.Lease, error) {
	n, err := d.networkByID(ctx, p.NetworkID)
	if err != nil {
		return lease.Lease{}, err
	}
	before, err := d.describe(ctx, p, n, nil)
	if err != nil {
		return lease.Lease{}, err
	}
	before.Adopted = adoption(p, o.Attachment)
	before.DeviceID, before.Host = o.Attachment, d.options.Node
	if o.Prepared != nil {
		if err := o.Prepared(before); err != nil {
			return lease.Lease{}, err
		}
	}
	device, owner := o.Attachment, OwnerAdopted
	taken, err := d.client.UpdatePort(ctx, p.ID, neutron.PortUpdate{
		DeviceID: &device, DeviceOwner: &owner, HostID: &d.options.Node, IfRevision: &p.Revision,
	})
	if err != nil {
		return lease.Lease{}, err
	}
	l, err := d.describe(ctx, taken, n, nil)
	if err != nil {
		return lease.Lease{}, err
	}
	l.Adopted, l.Host = before.Adopted, d.options.Node
	if err := d.checkBound(ctx, l); err != nil {
		if undoErr := d.giveBack(context.WithoutCancel(ctx), l); undoErr != nil {
			d.options.Logger.Warn("adopted port left for later", "port", p.ID, "err", undoErr)
		}
		return lease.Lease{}, err
	}
	return l, nil
}

// adoption is how the port was. One that carries the attachment's mark already
// was free before: no other is taken.
func adoption(p neutron.Port, attachment string) *lease.Adoption {
	if p.DeviceID == attachment {
		return &lease.Adoption{}
	}
	return &lease.Adoption{DeviceID: p.DeviceID, DeviceOwner: p.DeviceOwner, Host: deref(p.HostID)}
}

func (d *Direct) networkByID(ctx context.Context, id string) (neutron.Network, error) {
	n, _, err := d.known.networks.get(ctx, "id/"+id, func(ctx context.Context) (neutron.Network, error) {
		found, err := d.client.Networks(ctx, neutron.Filter{IDs: []string{id}})
		if err == nil && len(found) == 0 {
			err = fault.New(fault.Unauthorized, "supply: network %s cannot be seen with these credentials", id)
		}
		if err != nil {
			return neutron.Network{}, err
		}
		return found[0], nil
	})
	return n, err
}
