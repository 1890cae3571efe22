// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"context"
	"fmt"
	"time"

	"github.com/kuryr-go/kuryr/internal/agent"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
	"github.com/kuryr-go/kuryr/internal/neutron"
)

// undoTimeout bounds the deletion of a port that turned out to be useless.
// The agent reclaims it otherwise.
const undoTimeout = 10 * time.Second

// Acquire implements agent.Supply. An error that names a key of the demand
// means that no port was made; after Unavailable, OverLimit and Internal there
// may be one, for Reclaim to find.
func (d *Direct) Acquire(ctx context.Context, o agent.Order) (lease.Lease, error) {
	want, err := complete(o.Demand, d.options.Defaults)
	if err != nil {
		return lease.Lease{}, err
	}
	get := d.make
	if want.Port != "" {
		get = d.adopt
	}
	l, remembered, err := get(ctx, o, want)
	if err != nil && remembered && mayBeStale(err) {
		// Something was deleted or made anew since it was resolved.
		d.known.forget()
		l, _, err = get(ctx, o, want)
	}
	return l, err
}

// Class implements agent.Supply: Direct has no pools.
func (d *Direct) Class(lease.Demand) (lease.Class, bool, error) { return lease.Class{}, false, nil }

// mayBeStale tells the errors that resolving again can mend.
func mayBeStale(err error) bool {
	return fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid)
}

// make creates a port. remembered tells that a resolved name came from the cache.
func (d *Direct) make(ctx context.Context, o agent.Order, want order) (l lease.Lease, remembered bool, err error) {
	r := resolver{Direct: d, order: want}
	if err := r.resolve(ctx); err != nil {
		return lease.Lease{}, r.remembered, nothingMade(err)
	}
	creation := d.client.StartPort(ctx, portSpec(d.options.Node, d.options.Cluster, o, want, r.resolved))
	d.creating.add(o.Attachment, creation.Done())
	port, err := creation.Wait(ctx)
	if err != nil {
		explained := d.explain(ctx, err, want, r.resolved)
		if !neutron.MayExist(err) {
			explained = nothingMade(explained)
		}
		return lease.Lease{}, r.remembered, explained
	}
	l, err = d.describe(ctx, port, r.network, r.groups)
	l.Host = d.options.Node
	if err == nil {
		err = d.checkBound(ctx, l)
	}
	if err != nil {
		d.undo(ctx, port.ID)
		return lease.Lease{}, false, err
	}
	return l, false, nil
}

// nothingMade tells the agent what the classes of a refusal say by themselves.
func nothingMade(err error) error {
	switch fault.ClassOf(err) {
	case fault.Unavailable, fault.OverLimit, fault.Internal:
		return fmt.Errorf("%w: %w", agent.ErrNothingMade, err)
	default:
		return err
	}
}

// undo deletes a port that was just made and is of no use.
func (d *Direct) undo(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if err := d.client.DeletePort(ctx, id); err != nil && !fault.Is(err, fault.NotFound) {
		d.options.Logger.Warn("useless port left for later", "port", id, "err", err)
	}
}

// describe makes the lease of a port. Its errors are Unavailable, whatever
// their cause: the port is there.
func (d *Direct) describe(ctx context.Context, p neutron.Port, n neutron.Network, groups []neutron.SecurityGroup) (lease.Lease, error) {
	subnets, remembered, err := d.subnetsOf(ctx, n.ID)
	if err == nil && remembered && !holdsAll(subnets, p.FixedIPs) {
		d.known.subnets.forget()
		subnets, _, err = d.subnetsOf(ctx, n.ID)
	}
	if err != nil {
		return lease.Lease{}, fault.New(fault.Unavailable, "supply: describe port %s: %w", p.ID, err)
	}
	return leaseOf(p, n, subnets, d.groupRefs(ctx, p.SecurityGroups, groups))
}

func holdsAll(subnets []neutron.Subnet, fixed []neutron.FixedIP) bool {
	for _, f := range fixed {
		if _, ok := subnetOf(f, subnets); !ok {
			return false
		}
	}
	return true
}

// groupRefs names a port's groups. Names are a service to the reader: where
// they cannot be had, the ids alone are given.
func (d *Direct) groupRefs(ctx context.Context, ids []string, groups []neutron.SecurityGroup) []lease.Ref {
	names := map[string]string{}
	for _, g := range groups {
		names[g.ID] = g.Name
	}
	var refs []lease.Ref
	for _, id := range ids {
		name, ok := names[id]
		if !ok {
			g, _, err := d.known.groups.get(ctx, "id/"+id, func(ctx context.Context) (neutron.SecurityGroup, error) {
				found, err := d.client.SecurityGroups(ctx, neutron.Filter{IDs: []string{id}})
				if err != nil || len(found) == 0 {
					return neutron.SecurityGroup{ID: id}, err
				}
				return found[0], nil
			})
			if err != nil {
				d.options.Logger.Debug("security group has no name to be seen", "group", id, "err", err)
			}
			name = g.Name
		}
		refs = append(refs, lease.Ref{ID: id, Name: name})
	}
	return refs
}
