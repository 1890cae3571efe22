// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/kuryr-go/kuryr/internal/agent/journal"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
)

// maxLeases is how many leases an attachment tries before it fails: a port that
// somebody deleted, or that the switch does not take, shall not fail a
// container that any other port would do for. So each but the last has only a
// part of the time: what the switch will never take looks like what it is slow
// to take.
const maxLeases = 3

// wiredTry is the most that a lease may take that the switch had already: it
// takes milliseconds, on a busy node a second, and for ever if the port was deleted.
const wiredTry = 5 * time.Second

// attachPooled makes an attachment with a lease of a pool. With a free lease it
// asks nobody but the journal, the kernel and the switch.
func (a *Agent) attachPooled(ctx context.Context, r Request, nsID string, c lease.Class) (Attachment, error) {
	for try := 1; ; try++ {
		rec, wired, err := a.takeLease(ctx, newRecord(r, nsID), c)
		if err != nil {
			return Attachment{}, err
		}
		err = a.wireTry(ctx, &rec, wired, try == maxLeases)
		if err == nil {
			return attachment(rec), nil
		}
		a.abandon(rec, nil)
		if try == maxLeases || ctx.Err() != nil || !fault.Is(err, fault.Unavailable) {
			return Attachment{}, err
		}
		a.log.Warn("port could not be wired, the attachment takes another one", "sandbox", r.Sandbox, "interface", r.Interface,
			"port", rec.Lease.PortID, "try", try, "err", err)
	}
}

// wireTry is wire with the time that one of several leases may take.
func (a *Agent) wireTry(ctx context.Context, rec *journal.Record, wired, last bool) error {
	if !last {
		most := a.opts.AttachTimeout / (maxLeases + 1)
		if wired {
			most = min(most, wiredTry)
		}
		bounded, cancel := context.WithTimeout(ctx, most)
		defer cancel()
		ctx = bounded
	}
	return a.wire(ctx, rec)
}

// takeLease gives the record a lease: first out of the book, so that nobody
// else gets it, and then, in one transaction, out of the journal's held leases
// into the record. wired tells that the switch had it already.
func (a *Agent) takeLease(ctx context.Context, rec journal.Record, c lease.Class) (_ journal.Record, wired bool, err error) {
	var g grant
	err = a.step(ctx, "lease take", func(ctx context.Context) (err error) {
		began := time.Now()
		g, err = a.takeGood(ctx, c)
		a.metrics.waited(began, err)
		return err
	})
	if err != nil {
		return rec, false, err
	}
	rec.Class, rec.Lease = &c, &g.lease
	err = ctx.Err()
	if err == nil {
		err = a.step(ctx, "journal take", func(context.Context) error { return a.journal.Take(rec) })
	}
	if err != nil {
		// The journal still holds it as free.
		a.book.back(journal.HeldLease{Lease: g.lease, Class: c, State: journal.Free, Since: time.Now()}, g.wired)
		return rec, false, fmt.Errorf("agent: attach %s/%s: %w", rec.Sandbox, rec.Interface, err)
	}
	return rec, g.wired, nil
}

// takeGood takes a lease whose port still is, as far as the switch knows: it
// knows of those that it had taken.
func (a *Agent) takeGood(ctx context.Context, c lease.Class) (grant, error) {
	for {
		g, err := a.book.take(ctx, c)
		if err != nil || !g.wired || !a.binder.WireLost(g.lease.PortID) {
			return g, err
		}
		a.logSuspect(g.lease)
		if err := a.Rest(c, g.lease); err != nil {
			return grant{}, err
		}
		a.book.adoptWire(g.lease.PortID)
	}
}

// logSuspect tells that the port of a free lease is looked at before anybody has it.
func (a *Agent) logSuspect(l lease.Lease) {
	a.log.Info("switch has lost a free lease: its port is looked at", "port", l.PortID, "network", l.Network.String())
}

// recycle puts the lease of an ended attachment back into its pool, to cool
// down. It asks nobody but the switch.
func (a *Agent) recycle(ctx context.Context, r journal.Record) error {
	wired, err := a.binder.Rinse(ctx, r.Lease.PortID)
	if err != nil {
		return fmt.Errorf("agent: recycle port %s: %w", r.Lease.PortID, err)
	}
	l := journal.HeldLease{Lease: *r.Lease, Class: *r.Class, State: journal.Cooling, Since: r.Released}
	if a.cordoned.Load() {
		l.State = journal.Draining
	}
	if err := a.journal.Recycle(r, l); err != nil {
		return fmt.Errorf("agent: recycle port %s: %w", l.Lease.PortID, err)
	}
	a.book.back(l, wired)
	return nil
}
