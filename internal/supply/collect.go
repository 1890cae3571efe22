// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kuryr-go/kuryr/internal/agent"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/neutron"
)

// Collect implements agent.Supply: mark and sweep over what this cluster has in
// the cloud for this node. It asks by filtered lists alone, the cloud first and
// the node after: what is in the list and was made by us, is known to the node
// by then, or being made, or nobody's.
func (d *Direct) Collect(ctx context.Context, o agent.CollectOptions) ([]agent.Finding, error) {
	ctx = neutron.WithPriority(ctx, neutron.Collection)
	var all []agent.Finding
	for _, owner := range []string{OwnerMade, OwnerAdopted} {
		ports, err := d.client.Ports(ctx, neutron.PortFilter{DeviceOwner: owner, Host: d.options.Node})
		if err != nil {
			return all, err
		}
		known, err := o.Known()
		if err != nil {
			return all, err
		}
		for _, p := range ports {
			if f, ours := d.judge(p, known, o.Grace, time.Now()); ours {
				if o.Apply && f.Remove {
					f.Err = d.sweep(ctx, p)
				}
				all = append(all, f)
			}
		}
	}
	slices.SortFunc(all, func(a, b agent.Finding) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// judge says what is to become of a port, and why. ours is false for one of
// another cluster or node.
func (d *Direct) judge(p neutron.Port, known agent.Known, grace time.Duration, now time.Time) (f agent.Finding, ours bool) {
	f = agent.Finding{Kind: "port", ID: p.ID, Name: p.Name, Since: p.CreatedAt}
	adopted := p.DeviceOwner == OwnerAdopted
	if adopted {
		f.Kind = "adopted port"
	}
	// An adopted port says nothing of cluster and node but its host: it is
	// somebody's, and nothing of it may be written over.
	if host := deref(p.HostID); host != "" && host != d.options.Node {
		return f, false
	}
	if !adopted && !strings.HasPrefix(p.Description, mark(d.options.Cluster)+"node="+d.options.Node+" ") {
		return f, false
	}
	why, is := known(p.ID, p.DeviceID)
	switch {
	case is:
		f.Reason = why
	case adopted:
		// Its attachment may be that of another cluster's agent on this node.
		f.Reason = "adopted, but by no attachment of this agent"
	case p.CreatedAt.IsZero() && grace > 0:
		f.Reason = "nobody's, but the cloud does not say how old: a grace of 0 removes it"
	case now.Sub(p.CreatedAt) < grace:
		f.Reason = fmt.Sprintf("nobody's, but younger than %v", grace)
	default:
		f.Remove, f.Reason = true, "nobody's: neither an attachment nor a lease of this node"
	}
	return f, true
}

// sweep deletes a port of ours that is nobody's, if it still is what was listed.
func (d *Direct) sweep(ctx context.Context, p neutron.Port) error {
	now, err := d.client.Port(ctx, p.ID)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil
	case err != nil:
		return err
	case now.DeviceID != p.DeviceID || now.DeviceOwner != p.DeviceOwner:
		return fault.New(fault.Conflict, "port %s belongs to somebody else now", describePort(now))
	}
	d.options.Logger.Warn("port removed that was nobody's", "port", describePort(p), "created", p.CreatedAt)
	return d.delete(ctx, p.ID)
}

// Collect implements agent.Supply: as Direct's, and ports that are being made
// for a pool are known. It also notices leases whose ports somebody deleted.
func (p *Pool) Collect(ctx context.Context, o agent.CollectOptions) ([]agent.Finding, error) {
	before := p.keeping()
	ask := o.Known
	o.Known = func() (agent.Known, error) {
		// What is being made is asked first: what is not any more has come, and is
		// then in the agent's book.
		making := p.making()
		known, err := ask()
		if err != nil {
			return nil, err
		}
		return func(portID, deviceID string) (string, bool) {
			if making[deviceID] {
				return "being made for a pool", true
			}
			return known(portID, deviceID)
		}, nil
	}
	found, err := p.Direct.Collect(ctx, o)
	for _, f := range found {
		outcome := "kept"
		switch {
		case f.Err != nil:
			outcome = "failed"
		case f.Remove && o.Apply:
			outcome = "removed"
		case f.Remove:
			outcome = "found"
		}
		p.metrics.collected.WithLabelValues(f.Kind, outcome).Inc()
	}
	if err == nil && o.Apply {
		err = p.audit(ctx, before, found)
	}
	return found, err
}

// making gives the device ids of the ports that are being made.
func (p *Pool) making() map[string]bool {
	ids := map[string]bool{}
	p.ask(func() {
		for _, s := range p.keys {
			for id := range s.orders {
				ids[id] = true
			}
		}
	})
	return ids
}
