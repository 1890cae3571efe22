// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agent

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/kuryr-go/kuryr/internal/agent/journal"
	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
)

// probeTimeout is how long the cloud may take to give a sign of life.
const probeTimeout = 5 * time.Second

// health asks the cloud for a sign of life. Who asks while a question is under
// way shares its answer; nobody is given an older one.
type health struct{ asking singleflight.Group }

// sign is an answer with the time it came.
type sign struct {
	CloudHealth
	checked time.Time
}

func (a *Agent) cloudHealth(ctx context.Context) sign {
	v, _, _ := a.health.asking.Do("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
		defer cancel()
		return sign{CloudHealth: a.supply.Probe(ctx), checked: time.Now()}, nil
	})
	s, _ := v.(sign)
	return s
}

// Ready tells why no attachment can be made now: nil when one can. The error is
// classified. While there are free leases, attachments are made without the cloud.
func (a *Agent) Ready(ctx context.Context) error {
	return a.ready(ctx, func(p PoolState) bool { return p.Free > 0 })
}

// ReadyFor is Ready for attachments with a demand like d.
func (a *Agent) ReadyFor(ctx context.Context, d lease.Demand) error {
	c, pooled, err := a.supply.Class(d)
	if err != nil {
		return err
	}
	key := c.Key()
	for _, p := range a.Pools() {
		if pooled && p.Key == key && p.Free == 0 && p.Problem != nil {
			return p.Problem
		}
	}
	return a.ready(ctx, func(p PoolState) bool { return pooled && p.Key == key && p.Free > 0 })
}

func (a *Agent) ready(ctx context.Context, enough func(PoolState) bool) error {
	if a.cordoned.Load() {
		return errDrained()
	}
	if b := a.binder.Probe(ctx); b.Problem != "" {
		return fault.New(fault.Unavailable, "%s: %s", b.Kind, b.Problem)
	}
	if slices.ContainsFunc(a.Pools(), enough) {
		return nil
	}
	if c := a.cloudHealth(ctx); c.Err != nil {
		return c.Err
	}
	return nil
}

// errDrained refuses attachments on a drained node.
func errDrained() error {
	e := fault.New(fault.Unavailable, "this node is drained: it takes no new attachments")
	e.Hint = "`kuryr drain --undo` on the node ends that"
	return e
}

// Status is the operator's view.
func (a *Agent) Status(ctx context.Context) agentapi.Status {
	b := a.binder.Probe(ctx)
	c := a.cloudHealth(ctx)
	s := agentapi.Status{
		Node: a.opts.Node, Cluster: a.opts.Cluster, Version: a.opts.Version, Started: a.started,
		Cloud: agentapi.CloudStatus{
			AuthURL: c.AuthURL, Region: c.Region, Network: c.Endpoint, Project: c.Project,
			Reachable: c.Err == nil, Checked: c.checked, LatencySeconds: c.Latency.Seconds(),
		},
		Binder: agentapi.BinderStatus(b), Requests: c.Requests,
	}
	if c.Err != nil {
		s.Cloud.Problem = c.Err.Error()
		s.Problems = append(s.Problems, "cloud: "+s.Cloud.Problem)
	}
	if b.Problem != "" {
		s.Problems = append(s.Problems, b.Kind+": "+b.Problem)
	}
	if b.Host != "" && b.Host != a.opts.Node {
		s.Problems = append(s.Problems, fmt.Sprintf(
			"node: this agent binds ports to host %q, but the switch's external_ids:hostname is %q: ports will not be wired until both are the same", a.opts.Node, b.Host))
	}
	s.Problems = append(s.Problems, c.Notes...)
	counts, err := a.counts()
	if err != nil {
		s.Problems = append(s.Problems, "journal: "+err.Error())
	}
	s.Ports = counts
	s.Pools, s.Drained = a.poolRows(), a.cordoned.Load()
	if s.Drained {
		s.Problems = append(s.Problems, errDrained().Error())
	}
	for _, p := range a.Pools() {
		if p.Problem != nil {
			s.Problems = append(s.Problems, fmt.Sprintf("pool %s (%s): %v", p.Key, p.Class, p.Problem))
		}
	}
	s.Problems = append(s.Problems, a.strayProblems()...)
	return s
}

func (a *Agent) strayProblems() []string {
	a.orphans.mu.Lock()
	strays := slices.Clone(a.orphans.strays)
	a.orphans.mu.Unlock()
	return strayTexts(strays)
}

func strayTexts(strays []binder.Ref) []string {
	texts := make([]string, 0, len(strays))
	for _, r := range strays {
		texts = append(texts, fmt.Sprintf("interface %s (sandbox %s, port %s) has Kuryr's mark and is in use, but is not in the journal: it is left alone",
			r.HostInterface, r.Sandbox, r.PortID))
	}
	return texts
}

func (a *Agent) counts() (agentapi.PortCounts, error) {
	var n agentapi.PortCounts
	records, err := a.journal.All()
	for _, r := range records {
		switch {
		case r.State == journal.Attaching:
			n.Attaching++
		case r.State == journal.Releasing:
			n.Releasing++
		case a.orphans.has(r.ID):
			n.Orphaned++
		default:
			n.Attached++
		}
	}
	return n, err
}

// Attachments lists all attachments and pending releases, the oldest first.
func (a *Agent) Attachments() ([]agentapi.Attachment, error) {
	records, err := a.journal.All()
	if err != nil {
		return nil, fmt.Errorf("agent: list attachments: %w", err)
	}
	slices.SortFunc(records, func(x, y journal.Record) int {
		return cmp.Or(x.Since.Compare(y.Since), cmp.Compare(x.ID, y.ID))
	})
	list := make([]agentapi.Attachment, 0, len(records))
	for _, r := range records {
		row := row(r)
		row.Waiting = a.releases.waitsFor(r.ID)
		if r.State == journal.Attached && a.orphans.has(r.ID) {
			row.State = "orphaned"
		}
		list = append(list, row)
	}
	return list, nil
}

func row(r journal.Record) agentapi.Attachment {
	at := agentapi.Attachment{
		ID: r.ID, State: string(r.State), Sandbox: r.Sandbox, Interface: r.Interface, Netns: r.Netns, Since: r.Since,
		Network: r.Demand.Network,
	}
	if r.Bound != nil {
		at.HostInterface = r.Bound.Host.Name
	}
	if r.Class != nil {
		at.Pool = r.Class.Key()
	}
	if l := r.Lease; l != nil {
		at.PortID, at.PortName, at.Adopted, at.MAC = l.PortID, l.PortName, l.Adopted != nil, l.MAC
		at.Network, at.NetworkID = l.Network.String(), l.Network.ID
		at.Addresses, at.SecurityGroups = addressesOf(l), groupsOf(l)
	}
	return at
}

func addressesOf(l *lease.Lease) []string {
	var out []string
	for _, ip := range l.Addresses {
		out = append(out, ip.Prefix.String())
	}
	return out
}

func groupsOf(l *lease.Lease) []string {
	var out []string
	for _, g := range l.SecurityGroups {
		out = append(out, g.String())
	}
	return out
}

// poolRows are the pools as the operator sees them.
func (a *Agent) poolRows() []agentapi.Pool {
	var rows []agentapi.Pool
	for _, p := range a.Pools() {
		row := agentapi.Pool{
			Key: p.Key, Project: p.Class.Project, Network: p.Class.Network, Subnets: p.Class.Subnets, SecurityGroups: p.Class.SecurityGroups,
			Free: p.Free, Wired: p.Wired, InUse: p.InUse, Cooling: p.Cooling + p.Cooled + p.Checking + p.Moving, Draining: p.Draining,
			Ordered: p.Ordered, Waiting: p.Waiting, Target: p.Target, Taken: p.Taken, Asked: p.Asked,
		}
		if p.Problem != nil {
			row.Problem = p.Problem.Error()
		}
		rows = append(rows, row)
	}
	return rows
}

// HeldLeases lists the leases that no attachment has, by pool and state.
func (a *Agent) HeldLeases() []agentapi.Lease { return a.book.rows(time.Now()) }

func (b *book) rows(now time.Time) []agentapi.Lease {
	b.mu.Lock()
	defer b.mu.Unlock()
	rows := []agentapi.Lease{}
	for k, p := range b.pools {
		for _, h := range p.held {
			rows = append(rows, agentapi.Lease{
				PortID: h.Lease.PortID, State: h.word(now, b.coolDown), Wired: h.wired, Since: h.Since, Pool: k, MAC: h.Lease.MAC,
				Addresses: addressesOf(&h.Lease), Network: h.Lease.Network.String(), NetworkID: h.Lease.Network.ID,
				SecurityGroups: groupsOf(&h.Lease),
			})
		}
	}
	slices.SortFunc(rows, func(x, y agentapi.Lease) int {
		return cmp.Or(cmp.Compare(x.Pool, y.Pool), cmp.Compare(x.State, y.State), x.Since.Compare(y.Since), cmp.Compare(x.PortID, y.PortID))
	})
	return rows
}

// word is the state of a held lease as metrics and commands call it.
func (h *held) word(now time.Time, coolDown time.Duration) string {
	switch {
	case h.State == journal.Draining:
		return "draining"
	case h.checking:
		return "checking"
	case h.State == journal.Free && h.wired:
		return "wired"
	case h.State == journal.Free:
		return "free"
	case h.rested(now, coolDown):
		return "cooled"
	default:
		return "cooling"
	}
}
