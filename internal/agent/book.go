// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agent

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/kuryr-go/kuryr/internal/agent/journal"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
)

// book is what the node holds of each pool, in memory: the same as the journal
// holds on disk, and who waits for it. What makes a lease free is in the journal
// before it is here; what takes it from the free ones is here first. So nobody is
// given what another is about to have.
type book struct {
	coolDown time.Duration
	// changed is poked whenever a supplier may have something to do.
	changed chan struct{}
	// rewire is poked whenever the switch may have something to do.
	rewire chan struct{}

	mu    sync.Mutex
	pools map[string]*pool // by key; guarded by mu
}

// pool is one class of leases. All fields are guarded by book.mu.
type pool struct {
	class lease.Class
	held  map[string]*held // by port id: all but those in use
	// used are the leases handed out and not yet back, by port id; true: on its
	// way back.
	used map[string]bool
	// waiters get a lease in the order in which they came.
	waiters []*waiter
	taken   uint64
	asked   time.Time
	// problem is why it cannot be supplied; nil when it can.
	problem error
	target  int
	// ordered are ports that are being made.
	ordered int
}

// held is a lease that no attachment has.
type held struct {
	journal.HeldLease
	// wired tells that the switch has taken it already; wiring, that it is
	// being asked to.
	wired, wiring bool
	// stop ends that the switch is asked to take it; nil: it is not.
	stop context.CancelFunc
	// lost tells that the switch had lost it when it was last looked at.
	lost bool
	// notBefore is when the switch is asked again after a failure.
	notBefore time.Time
	// unsaved tells that the journal does not know yet that it drains: its port
	// stays, because after a crash it would be free again.
	unsaved bool
	// checking tells that the supplier looks at it.
	checking bool
	// moved tells that it comes from another pool, and rests for that.
	moved bool
	// settling tells that its port was changed: it rests until the switches know.
	settling bool
}

// waiter is an attachment that waits for a lease. It is answered once.
type waiter struct {
	since  time.Time
	answer chan grant
}

type grant struct {
	lease lease.Lease
	// wired tells that the switch had taken it.
	wired bool
	err   error
}

func newBook(coolDown time.Duration) *book {
	return &book{coolDown: coolDown, changed: make(chan struct{}, 1), rewire: make(chan struct{}, 1), pools: map[string]*pool{}}
}

// poke tells the supplier and the switch's hand that something changed.
func (b *book) poke() {
	select {
	case b.changed <- struct{}{}:
	default:
	}
	b.pokeWires()
}

func (b *book) pokeWires() {
	select {
	case b.rewire <- struct{}{}:
	default:
	}
}

// pool finds a pool, or makes it. b.mu is held.
func (b *book) pool(c lease.Class) *pool {
	k := c.Key()
	p := b.pools[k]
	if p == nil {
		p = &pool{class: c, held: map[string]*held{}, used: map[string]bool{}}
		b.pools[k] = p
	}
	return p
}

// tidy forgets a pool that nothing is left of. b.mu is held.
func (b *book) tidy(key string) {
	if p := b.pools[key]; p != nil && len(p.held) == 0 && len(p.used) == 0 && len(p.waiters) == 0 && p.problem == nil && p.ordered == 0 {
		delete(b.pools, key)
	}
}

// load takes up what the journal holds.
func (b *book) load(leases []journal.HeldLease, records []journal.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range leases {
		b.pool(l.Class).held[l.Lease.PortID] = &held{HeldLease: l}
	}
	for _, r := range records {
		if r.Class != nil {
			b.pool(*r.Class).used[r.Lease.PortID] = r.State != journal.Attached
		}
	}
}

// take gives a lease of a class: a free one at once, else the next that comes.
// It waits until ctx ends or the supplier says that there will be none. The
// lease counts as in use from here on.
func (b *book) take(ctx context.Context, c lease.Class) (grant, error) {
	b.mu.Lock()
	p := b.pool(c)
	p.asked = time.Now()
	if len(p.waiters) == 0 {
		if h := p.next(); h != nil {
			g := p.handOut(h)
			b.mu.Unlock()
			b.poke()
			return g, nil
		}
	}
	w := &waiter{since: time.Now(), answer: make(chan grant, 1)}
	p.waiters = append(p.waiters, w)
	b.mu.Unlock()
	b.poke()
	select {
	case g := <-w.answer:
		return g, g.err
	case <-ctx.Done():
		return b.giveUp(c, w, ctx.Err())
	}
}

// giveUp ends a wait. A lease that was granted meanwhile is taken after all.
func (b *book) giveUp(c lease.Class, w *waiter, cause error) (grant, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pool(c)
	if i := slices.Index(p.waiters, w); i >= 0 {
		p.waiters = slices.Delete(p.waiters, i, i+1)
		problem := p.problem
		b.tidy(c.Key())
		b.poke()
		if problem != nil {
			return grant{}, fmt.Errorf("agent: wait for a port of %s: %w", c, problem)
		}
		return grant{}, fault.New(fault.Unavailable, "no port of %s came in time: %w", c, cause)
	}
	g := <-w.answer
	return g, g.err
}

// next is the lease to be handed out: a wired one before any other, and the
// longest free first. b.mu is held.
func (p *pool) next() *held {
	var best *held
	for _, h := range p.held {
		if h.State != journal.Free {
			continue
		}
		if best == nil || h.rank() < best.rank() || h.rank() == best.rank() && h.order(best) < 0 {
			best = h
		}
	}
	return best
}

// order is that in which leases of one rank are handed out.
func (h *held) order(other *held) int {
	return cmp.Or(h.Since.Compare(other.Since), cmp.Compare(h.Lease.PortID, other.Lease.PortID))
}

// rank puts leases in the order of how soon they can be used.
func (h *held) rank() int {
	switch {
	case h.wired:
		return 0
	case !h.wiring:
		return 1
	default:
		return 2
	}
}

// handOut takes a lease out. b.mu is held.
func (p *pool) handOut(h *held) grant {
	delete(p.held, h.Lease.PortID)
	p.used[h.Lease.PortID] = false
	p.taken++
	return grant{lease: h.Lease, wired: h.wired && !h.wiring}
}

// serve gives free leases to those who wait. b.mu is held.
func (p *pool) serve() {
	for len(p.waiters) > 0 {
		h := p.next()
		if h == nil {
			return
		}
		w := p.waiters[0]
		p.waiters = p.waiters[1:]
		w.answer <- p.handOut(h)
	}
}

// put holds leases as their journal entries say, and serves who waits. What the
// switch has of those that were held before it still has.
func (b *book) put(leases ...journal.HeldLease) {
	b.mu.Lock()
	for _, l := range leases {
		p := b.pool(l.Class)
		h := &held{HeldLease: l}
		if was := p.held[l.Lease.PortID]; was != nil {
			h.wired, h.wiring, h.stop, h.notBefore = was.wired, was.wiring, was.stop, was.notBefore
		}
		p.hold(h)
	}
	b.mu.Unlock()
	b.poke()
}

// back holds a lease that an attachment had; wired tells that the switch still
// has it.
func (b *book) back(l journal.HeldLease, wired bool) {
	b.mu.Lock()
	b.pool(l.Class).hold(&held{HeldLease: l, wired: wired})
	b.mu.Unlock()
	b.poke()
}

// hold takes a lease, and serves who waits. b.mu is held.
func (p *pool) hold(h *held) {
	delete(p.used, h.Lease.PortID)
	p.held[h.Lease.PortID] = h
	p.serve()
}

// leaving notes that a lease is on its way back from its attachment.
func (b *book) leaving(r journal.Record) {
	if r.Class == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.pools[r.Class.Key()]; p != nil {
		if _, ok := p.used[r.Lease.PortID]; ok {
			p.used[r.Lease.PortID] = true
		}
	}
}

// refuse tells those who wait for a class that there will be no port.
func (b *book) refuse(key string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pools[key]
	if p == nil {
		return
	}
	for _, w := range p.waiters {
		w.answer <- grant{err: err}
	}
	p.waiters = nil
	b.tidy(key)
}
