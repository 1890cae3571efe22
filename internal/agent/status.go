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

// Ready tells why no attachment can be made now: nil when one can. The error is classified.
func (a *Agent) Ready(ctx context.Context) error {
	if b := a.binder.Probe(ctx); b.Problem != "" {
		return fault.New(fault.Unavailable, "%s: %s", b.Kind, b.Problem)
	}
	if c := a.cloudHealth(ctx); c.Err != nil {
		return c.Err
	}
	return nil
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
		Binder: agentapi.BinderStatus(b),
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
	if l := r.Lease; l != nil {
		at.PortID, at.PortName, at.Adopted, at.MAC = l.PortID, l.PortName, l.Adopted != nil, l.MAC
		at.Network, at.NetworkID = l.Network.String(), l.Network.ID
		for _, ip := range l.Addresses {
			at.Addresses = append(at.Addresses, ip.Prefix.String())
		}
		for _, g := range l.SecurityGroups {
			at.SecurityGroups = append(at.SecurityGroups, g.String())
		}
	}
	return at
}
