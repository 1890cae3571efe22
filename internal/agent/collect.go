// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/internal/fault"
)

// CollectOptions say how a Supply looks for what is nobody's.
type CollectOptions struct {
	// Apply removes it; without, it is only told.
	Apply bool
	// Grace spares what is younger.
	Grace time.Duration
	// Known reads what the node knows. It is called after the cloud was asked.
	Known func() (Known, error)
}

// Known tells whether a port is somebody's, and whose. deviceID is what the
// port carries.
type Known func(portID, deviceID string) (whose string, known bool)

// Finding is something of this cluster and node in the cloud.
type Finding struct {
	// Kind is "port", or another kind of thing that Kuryr makes.
	Kind, ID, Name string
	// Since is when it was made; zero when the cloud does not say.
	Since time.Time
	// Remove tells that it is nobody's; Reason why, or whose it is.
	Remove bool
	Reason string
	// Err is why it could not be removed.
	Err error
}

// Collect looks for what this node made in the cloud and nobody has: after a
// crash between a request and its answer, or the loss of the journal. A
// negative grace is the one of the options.
func (a *Agent) Collect(ctx context.Context, apply bool, grace time.Duration) ([]agentapi.Finding, error) {
	if grace < 0 {
		grace = a.opts.CollectGrace
	}
	found, err := a.supply.Collect(ctx, CollectOptions{Apply: apply, Grace: grace, Known: a.known})
	if err != nil {
		return nil, fmt.Errorf("agent: collect: %w", err)
	}
	rows := make([]agentapi.Finding, 0, len(found))
	for _, f := range found {
		row := agentapi.Finding{Kind: f.Kind, ID: f.ID, Name: f.Name, Since: f.Since, Remove: f.Remove, Reason: f.Reason}
		switch {
		case f.Err != nil:
			row.Error = f.Err.Error()
			a.log.Warn("nobody's thing not removed", "kind", f.Kind, "id", f.ID, "err", f.Err)
		case f.Remove && apply:
			row.Removed = true
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// known reads journal and switch.
func (a *Agent) known() (Known, error) {
	// Strays first: what the switch holds for a sandbox that the journal has lost.
	strays, looked := a.orphans.strayPorts()
	if !looked {
		return nil, fault.New(fault.Unavailable, "the switch has not been asked yet for interfaces that the journal does not know: their ports are somebody's")
	}
	held, err := a.journal.Held()
	if err != nil {
		return nil, fmt.Errorf("agent: read journal: %w", err)
	}
	// Records after the leases, and the leases once more: one that moves between
	// the two meanwhile is seen in one of them.
	records, err := a.journal.All()
	if err != nil {
		return nil, fmt.Errorf("agent: read journal: %w", err)
	}
	again, err := a.journal.Held()
	if err != nil {
		return nil, fmt.Errorf("agent: read journal: %w", err)
	}
	ports, devices := map[string]string{}, map[string]string{}
	for _, h := range append(held, again...) {
		ports[h.Lease.PortID] = "lease, " + string(h.State)
	}
	for _, r := range records {
		whose := fmt.Sprintf("%s of sandbox %s", r.State, r.Sandbox)
		devices[r.ID] = whose
		if r.Lease != nil {
			ports[r.Lease.PortID] = whose
		}
	}
	return func(portID, deviceID string) (string, bool) {
		if whose, ok := ports[portID]; ok {
			return whose, true
		}
		if device, ok := strays[portID]; ok {
			return fmt.Sprintf("used by interface %s, which the journal does not know", device), true
		}
		whose, ok := devices[deviceID]
		return whose, ok
	}, nil
}

// collectLoop collects on a schedule.
func (a *Agent) collectLoop(ctx context.Context) {
	if a.opts.CollectInterval == 0 {
		return
	}
	tick := time.NewTicker(a.opts.CollectInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if _, err := a.Collect(ctx, true, a.opts.CollectGrace); err != nil && ctx.Err() == nil {
			a.log.Warn("not collected this time", "err", err)
		}
	}
}

// Drain empties the node: no new attachments, no leases but those in use. It
// returns at once; Status tells how far it is. undo ends it.
func (a *Agent) Drain(undo bool) error {
	if err := a.journal.Cordon(!undo); err != nil {
		return fmt.Errorf("agent: drain: %w", err)
	}
	a.cordoned.Store(!undo)
	if undo {
		a.book.poke()
		return nil
	}
	a.log.Info("node is drained: no new attachments, and its leases go back")
	for _, p := range a.Pools() {
		a.book.refuse(p.Key, errDrained())
	}
	return a.drain(a.book.all())
}
