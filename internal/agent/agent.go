// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kuryr-go/kuryr/internal/agent/journal"
	"github.com/kuryr-go/kuryr/internal/binder"
)

// Options are what an Agent is made of. All fields without a default are required.
type Options struct {
	// Node is the Neutron host id of this node, Cluster the id of the
	// installation it belongs to, Version the program's version.
	Node, Cluster, Version string
	// Journal is the agent's memory. The agent does not close it.
	Journal *journal.Journal
	// Supply is where ports come from, Binder what wires them.
	Supply Supply
	Binder Binder
	// AttachTimeout bounds one Attach, in which everything must succeed.
	AttachTimeout time.Duration
	// CoolDown is how long a lease of a pool rests after an attachment gave it
	// back, before another can have it: at least as long as others remember who
	// had its address.
	CoolDown time.Duration
	// OrphanGrace is how long an attachment whose sandbox is gone keeps its
	// port; zero: until the engine says that it is not needed.
	OrphanGrace time.Duration
	// ReclaimHorizon is how long after a lost answer a port may still appear
	// in the cloud: longer than the cloud takes for its slowest create.
	ReclaimHorizon time.Duration
	// CollectInterval is the pause between two looks in the cloud for what is
	// nobody's, zero: none are made; CollectGrace spares what is younger.
	CollectInterval, CollectGrace time.Duration
	// Logger gets what the agent does in the background; what a request does
	// is its front end's to log.
	Logger *slog.Logger
	// Registerer gets the metrics; nil: none.
	Registerer prometheus.Registerer
}

// Agent attaches and detaches. Its methods may be called concurrently; calls
// for one key run one after the other.
type Agent struct {
	opts     Options
	log      *slog.Logger
	journal  *journal.Journal
	supply   Supply
	binder   Binder
	keys     keyLocks
	releases *releases
	book     *book
	// cordoned: no new attachments, and no leases are kept.
	cordoned atomic.Bool
	orphans  orphans
	health   health
	metrics  *metrics
	started  time.Time

	background sync.WaitGroup
	stop       context.CancelFunc
}

// New makes an agent over a journal. It serves once Start has returned.
func New(o Options) *Agent {
	a := &Agent{
		opts: o, log: o.Logger, journal: o.Journal, supply: o.Supply, binder: o.Binder, started: time.Now(),
		keys: keyLocks{held: map[Key]*keyLock{}}, orphans: orphans{since: map[string]time.Time{}},
	}
	a.releases = newReleases(a, o.Logger)
	a.book = newBook(o.CoolDown)
	a.metrics = newMetrics(o.Registerer, a)
	return a
}

// Start takes up what the journal says was left: attachments that were under
// way are undone, releases go on. It needs neither cloud nor switch; what
// they are needed for happens in the background until Close.
func (a *Agent) Start(ctx context.Context) error {
	records, err := a.journal.All()
	if err != nil {
		return fmt.Errorf("agent: read journal: %w", err)
	}
	if err := a.takeUpLeases(records); err != nil {
		return err
	}
	counts := map[journal.State]int{}
	for _, r := range records {
		counts[r.State]++
		switch r.State {
		case journal.Attaching:
			r.Released = time.Now()
			if err := a.journal.Release(r); err != nil {
				return fmt.Errorf("agent: undo attachment %s: %w", r.ID, err)
			}
			a.releases.add(r, false)
		case journal.Releasing:
			a.releases.add(r, false)
		case journal.Attached:
		}
	}
	a.log.Info("journal read", "attached", counts[journal.Attached], "interrupted", counts[journal.Attaching],
		"releasing", counts[journal.Releasing], "held", a.book.count(), "path", a.journal.Path())
	ctx, a.stop = context.WithCancel(context.WithoutCancel(ctx))
	a.background.Go(func() { a.releases.run(ctx) })
	a.background.Go(func() { a.sweepLoop(ctx) })
	a.background.Go(func() { a.wireLoop(ctx) })
	a.background.Go(func() { a.collectLoop(ctx) })
	return nil
}

// takeUpLeases reads what the node holds.
func (a *Agent) takeUpLeases(records []journal.Record) error {
	held, err := a.journal.Held()
	if err != nil {
		return fmt.Errorf("agent: read journal: %w", err)
	}
	cordoned, err := a.journal.Cordoned()
	if err != nil {
		return fmt.Errorf("agent: read journal: %w", err)
	}
	a.cordoned.Store(cordoned)
	a.book.load(held, records)
	return nil
}

// Close ends the background work and waits for it. What is not finished is
// in the journal and goes on at the next start.
func (a *Agent) Close() {
	if a.stop != nil {
		a.stop()
	}
	a.background.Wait()
}

// unbind implements releaseSteps.
func (a *Agent) unbind(ctx context.Context, r journal.Record) error {
	if err := a.binder.Unbind(ctx, ref(r)); err != nil {
		return fmt.Errorf("agent: unbind %s: %w", r.ID, err)
	}
	return nil
}

// giveBack implements releaseSteps.
func (a *Agent) giveBack(ctx context.Context, r journal.Record) error {
	if r.Class != nil {
		return a.recycle(ctx, r)
	}
	if err := a.returnPort(ctx, r); err != nil {
		return err
	}
	if err := a.journal.Delete(r); err != nil {
		return fmt.Errorf("agent: forget %s: %w", r.ID, err)
	}
	return nil
}

// errUncertain says that no port was found, but one may still appear.
var errUncertain = errors.New("agent: the order's answer was lost, and its port may still appear")

func (a *Agent) returnPort(ctx context.Context, r journal.Record) error {
	if r.Lease != nil {
		if err := a.supply.Release(ctx, *r.Lease); err != nil {
			return fmt.Errorf("agent: release port %s: %w", r.Lease.PortID, err)
		}
		return nil
	}
	found, err := a.supply.Reclaim(ctx, r.ID)
	switch {
	case err != nil:
		return fmt.Errorf("agent: reclaim port of attachment %s: %w", r.ID, err)
	case !found && time.Since(r.Released) < a.opts.ReclaimHorizon:
		return errUncertain
	}
	return nil
}

// ref names what the binder made for a record.
func ref(r journal.Record) binder.Ref {
	// The lease of a pool has a next attachment.
	f := binder.Ref{Attachment: r.ID, Sandbox: r.Sandbox, Netns: r.Netns, Interface: r.Interface, KeepWire: r.Class != nil}
	if r.Lease != nil {
		f.PortID = r.Lease.PortID
	}
	if r.Bound != nil {
		f.HostInterface = r.Bound.Host.Name
	}
	return f
}

// attachment is a record as the front ends see it.
func attachment(r journal.Record) Attachment {
	at := Attachment{
		ID: r.ID, Key: Key{Sandbox: r.Sandbox, Interface: r.Interface}, Scope: r.Scope, Netns: r.Netns, Since: r.Since,
	}
	if r.Lease != nil {
		at.Lease = *r.Lease
	}
	if r.Bound != nil {
		at.Bound = *r.Bound
	}
	return at
}
