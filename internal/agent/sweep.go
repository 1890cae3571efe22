// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agent

import (
	"context"
	"sync"
	"time"

	"github.com/kuryr-go/kuryr/internal/agent/journal"
	"github.com/kuryr-go/kuryr/internal/binder"
)

// The pause between two looks for what nobody told us of (a sandbox that died
// without a DEL, an interface that the journal does not know): half the grace
// time of orphans, within these bounds.
const (
	sweepMin = time.Second
	sweepMax = 30 * time.Second
)

func sweepInterval(grace time.Duration) time.Duration {
	if grace == 0 {
		return sweepMax
	}
	return min(max(grace/2, sweepMin), sweepMax)
}

// orphans remembers since when an attachment's sandbox has been gone.
type orphans struct {
	mu    sync.Mutex
	since map[string]time.Time // by attachment id; guarded by mu
	// strays are interfaces with our mark, unknown to the journal and in use, as
	// far as looked tells that the switch was ever asked; guarded by mu.
	strays []binder.Ref
	looked bool
}

// note records whether an attachment is an orphan now, and returns since when.
func (o *orphans) note(id string, orphan bool) (since time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !orphan {
		delete(o.since, id)
		return time.Time{}
	}
	if o.since[id].IsZero() {
		o.since[id] = time.Now()
	}
	return o.since[id]
}

func (o *orphans) has(id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.since[id].IsZero()
}

func (a *Agent) sweepLoop(ctx context.Context) {
	tick := time.NewTicker(sweepInterval(a.opts.OrphanGrace))
	defer tick.Stop()
	for {
		known := a.sweepStrays(ctx)
		a.sweepOrphans(ctx)
		if known {
			a.adoptWires(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sweepOrphans ends the attachments whose sandbox has been gone for longer
// than the grace time. A sandbox is gone when its namespace is, by path and
// by the kernel's word on the interface: one alone may deceive.
func (a *Agent) sweepOrphans(ctx context.Context) {
	records, err := a.journal.All()
	if err != nil {
		a.log.Error("journal cannot be read", "err", err)
		return
	}
	for _, rec := range records {
		if rec.State != journal.Attached || ctx.Err() != nil {
			continue
		}
		alive, err := a.sandboxAlive(ctx, rec)
		if err != nil {
			continue
		}
		since := a.orphans.note(rec.ID, !alive)
		if alive || a.opts.OrphanGrace == 0 || time.Since(since) < a.opts.OrphanGrace {
			continue
		}
		a.endOrphan(ctx, rec)
	}
}

func (a *Agent) endOrphan(ctx context.Context, rec journal.Record) {
	unlock, err := a.keys.lock(ctx, Key{rec.Sandbox, rec.Interface})
	if err != nil {
		return
	}
	defer unlock()
	now, found, err := a.journal.Get(rec.Sandbox, rec.Interface)
	if err != nil || !found || now.ID != rec.ID || now.NetnsID != rec.NetnsID {
		return
	}
	a.log.Warn("attachment ended: its sandbox has been gone without a DEL", "sandbox", rec.Sandbox, "interface", rec.Interface,
		"port", rec.Lease.PortID, "grace", a.opts.OrphanGrace)
	if err := a.end(ctx, rec); err != nil {
		a.log.Error("orphan not ended", "attachment", rec.ID, "err", err)
		return
	}
	a.orphans.note(rec.ID, false)
}

// sweepStrays looks for interfaces with our mark that the journal does not
// know, as after the loss of the journal. One whose sandbox is gone is removed
// with its port; one that is in use is left, and told to the operator. It
// reports whether the strays are known now.
func (a *Agent) sweepStrays(ctx context.Context) bool {
	// The order matters: what is listed before the journal is read, and is not
	// in it, was not begun in between.
	marked, err := a.binder.List(ctx)
	if err != nil {
		return false
	}
	records, err := a.journal.All()
	if err != nil {
		a.log.Error("journal cannot be read", "err", err)
		return false
	}
	known := make(map[string]bool, len(records))
	for _, rec := range records {
		known[rec.ID] = true
	}
	var inUse []binder.Ref
	for _, m := range marked {
		// A device that tells no attachment is of a bind that was cut short; its
		// record names it by the port, and undoes it.
		if m.Attachment == "" || known[m.Attachment] {
			continue
		}
		if alive, err := a.binder.Alive(ctx, m); err != nil || alive {
			inUse = append(inUse, m)
			continue
		}
		a.removeStray(m)
	}
	a.orphans.mu.Lock()
	a.orphans.strays, a.orphans.looked = inUse, true
	a.orphans.mu.Unlock()
	return true
}

// strayPorts gives the host interfaces of strays by port; looked is false while
// the switch could not be asked for them.
func (o *orphans) strayPorts() (ports map[string]string, looked bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	ports = make(map[string]string, len(o.strays))
	for _, s := range o.strays {
		ports[s.PortID] = s.HostInterface
	}
	return ports, o.looked
}

// removeStray makes a release of something the journal lost.
func (a *Agent) removeStray(m binder.Ref) {
	now := time.Now()
	rec := journal.Record{ID: m.Attachment, Sandbox: m.Sandbox, Interface: m.Interface, State: journal.Releasing, Since: now, Released: now}
	rec.Bound = &binder.Result{Host: binder.Interface{Name: m.HostInterface}}
	if err := a.journal.Release(rec); err != nil {
		a.log.Error("stray interface not removed", "attachment", m.Attachment, "host interface", m.HostInterface, "err", err)
		return
	}
	a.log.Warn("stray interface is removed: it has our mark, no sandbox, and the journal does not know it",
		"attachment", m.Attachment, "host interface", m.HostInterface, "port", m.PortID)
	a.releases.add(rec, false)
}
