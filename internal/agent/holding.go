// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agent

import (
	"slices"
	"time"

	"github.com/kuryr-go/kuryr/internal/agent/journal"
	"github.com/kuryr-go/kuryr/internal/lease"
)

// count is the number of held leases.
func (b *book) count() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.pools {
		n += len(p.held)
	}
	return n
}

// empty tells that there is no lease, held or in use.
func (b *book) empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.pools {
		if len(p.held)+len(p.used) > 0 {
			return false
		}
	}
	return true
}

// spare marks up to n leases of a pool as draining and gives them.
func (b *book) spare(key string, n int) []journal.HeldLease {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pools[key]
	if p == nil {
		return nil
	}
	return mark(p.spare(n, time.Now(), b.coolDown))
}

// spare gives up to n leases that nobody needs most: those that have rested
// first, then those that have been free for longest. b.mu is held.
func (p *pool) spare(n int, now time.Time, coolDown time.Duration) []*held {
	var can []*held
	for _, h := range p.held {
		if !h.checking && (h.State == journal.Free || h.rested(now, coolDown)) {
			can = append(can, h)
		}
	}
	slices.SortFunc(can, func(x, y *held) int {
		if x.State != y.State {
			if x.State == journal.Cooling {
				return -1
			}
			return 1
		}
		return x.Since.Compare(y.Since)
	})
	return can[:min(n, len(can))]
}

// move gives spare leases of a pool to that of another class, to rest there.
func (b *book) move(from string, to lease.Class, n int) []journal.HeldLease {
	b.mu.Lock()
	defer b.mu.Unlock()
	source := b.pools[from]
	if source == nil {
		return nil
	}
	var out []journal.HeldLease
	target := b.pool(to)
	for _, h := range source.spare(n, time.Now(), b.coolDown) {
		h.Class, h.State, h.Since, h.moved = to, journal.Cooling, time.Now(), true
		delete(source.held, h.Lease.PortID)
		target.held[h.Lease.PortID] = h
		out = append(out, h.HeldLease)
	}
	b.tidy(from)
	return out
}

// settle notes that the ports of leases were changed just now.
func (b *book) settle(leases []journal.HeldLease) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range leases {
		if h := b.pool(l.Class).held[l.Lease.PortID]; h != nil {
			h.settling = true
		}
	}
	b.pokeWires()
}

// find marks a held lease as draining and gives it.
func (b *book) find(portID string) []journal.HeldLease {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.pools {
		// One that is being looked at is the supplier's to judge.
		if h := p.held[portID]; h != nil && h.State != journal.Draining && !h.checking {
			return mark([]*held{h})
		}
	}
	return nil
}

// all marks every held lease as draining and gives those that were not.
func (b *book) all() []journal.HeldLease {
	b.mu.Lock()
	defer b.mu.Unlock()
	var can []*held
	for _, p := range b.pools {
		for _, h := range p.held {
			if h.State != journal.Draining && !h.checking {
				can = append(can, h)
			}
		}
	}
	return mark(can)
}

// saved notes that the journal knows of draining leases.
func (b *book) saved(leases []journal.HeldLease) {
	b.mu.Lock()
	for _, l := range leases {
		if h := b.pool(l.Class).held[l.Lease.PortID]; h != nil {
			h.unsaved = false
		}
	}
	b.mu.Unlock()
	b.poke()
}

// mark makes leases draining. b.mu is held.
func mark(leases []*held) []journal.HeldLease {
	out := make([]journal.HeldLease, 0, len(leases))
	for _, h := range leases {
		h.State, h.Since, h.unsaved = journal.Draining, time.Now(), true
		if h.stop != nil {
			// The switch may take long for a port that is gone already.
			h.stop()
		}
		out = append(out, h.HeldLease)
	}
	return out
}

// drained gives the draining leases that the switch has let go of.
func (b *book) drained() []lease.Lease {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []lease.Lease
	for _, p := range b.pools {
		for _, h := range p.held {
			if h.State == journal.Draining && !h.unsaved && !h.wired && !h.wiring {
				out = append(out, h.Lease)
			}
		}
	}
	return out
}

// drop forgets held leases.
func (b *book) drop(ports []string) {
	b.mu.Lock()
	for k, p := range b.pools {
		for _, id := range ports {
			delete(p.held, id)
		}
		b.tidy(k)
	}
	b.mu.Unlock()
	b.poke()
}

// checkOut gives the rested leases of a pool, and marks them.
func (b *book) checkOut(key string, now time.Time) []lease.Lease {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pools[key]
	if p == nil {
		return nil
	}
	var out []lease.Lease
	for _, h := range p.held {
		if !h.checking && h.rested(now, b.coolDown) {
			h.checking = true
			out = append(out, h.Lease)
		}
	}
	return out
}

func (b *book) checkFailed(ports []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.pools {
		for _, id := range ports {
			if h := p.held[id]; h != nil {
				h.checking = false
			}
		}
	}
}

// expect notes ports that are about to be made.
func (b *book) expect(c lease.Class, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pool(c).ordered += n
}

func (b *book) report(c lease.Class, r PoolReport) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pools[c.Key()]
	if p == nil && r.Ordered > 0 {
		p = b.pool(c)
	}
	if p != nil {
		p.target, p.problem, p.ordered = r.Target, r.Problem, r.Ordered
		b.tidy(c.Key())
	}
}
