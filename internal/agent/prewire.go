// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agent

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/kuryr-go/kuryr/internal/agent/journal"
	"github.com/kuryr-go/kuryr/internal/lease"
)

// WireAhead is how many free leases of a pool are given to the switch before
// anybody needs them: each costs it, OVN and whoever talks to the port a little,
// and more are given as fast as they are taken.
const WireAhead = 16

// It is nobody's wait, so it is done by few hands and with patience.
const (
	wireWorkers = 4
	wireTimeout = 30 * time.Second
	wirePause   = 5 * time.Second
)

// wireLoop keeps the switch as the book says: enough free leases wired, and none
// that is on its way out. What was wired for an attachment stays so while it rests.
func (a *Agent) wireLoop(ctx context.Context) {
	var work sync.WaitGroup
	defer work.Wait()
	tick := time.NewTicker(wirePause)
	defer tick.Stop()
	for {
		a.wireSome(ctx, &work)
		select {
		case <-ctx.Done():
			return
		case <-a.book.rewire:
		case <-tick.C:
			a.suspectLost()
		}
	}
}

// suspectLost has the ports of free leases looked at that the switch has lost
// for longer than it takes to restart.
func (a *Agent) suspectLost() {
	lost := a.book.suspectLost(a.binder.WireLost)
	if len(lost) == 0 {
		return
	}
	for _, h := range lost {
		a.logSuspect(h.Lease)
	}
	if err := a.journal.Hold(lost...); err != nil {
		// The journal has them as free: they are so again at the next start.
		a.log.Error("lost leases not noted", "err", err)
	}
	a.book.poke()
}

// suspectLost makes the wired leases rest that were found lost twice in a row,
// and gives them. It is one step with the look: nobody takes them in between.
func (b *book) suspectLost(isLost func(portID string) bool) []journal.HeldLease {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []journal.HeldLease
	for _, p := range b.pools {
		for _, h := range p.held {
			was := h.lost
			h.lost = h.State == journal.Free && h.wired && !h.wiring && isLost(h.Lease.PortID)
			if was && h.lost {
				h.State, h.Since, h.settling = journal.Cooling, time.Now(), true
				out = append(out, h.HeldLease)
			}
		}
	}
	return out
}

// wireSome starts what there is to do, as far as there are hands.
func (a *Agent) wireSome(ctx context.Context, work *sync.WaitGroup) {
	for _, l := range a.book.toUnwire() {
		work.Go(func() {
			err := a.binder.Unwire(ctx, l.PortID)
			if err != nil && ctx.Err() == nil {
				a.log.Warn("switch does not let go of a lease yet", "port", l.PortID, "err", err)
			}
			a.book.unwired(l.PortID, err == nil)
		})
	}
	for _, w := range a.book.toWire(ctx, wireWorkers) {
		work.Go(func() { a.prewire(ctx, w) })
	}
	if a.cordoned.Load() && a.book.empty() {
		a.leave(ctx)
	}
}

// leave takes the last of a drained node off the switch.
func (a *Agent) leave(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, wireTimeout)
	defer cancel()
	if err := a.binder.Leave(bounded); err != nil && ctx.Err() == nil {
		a.log.Warn("drained node is not off the switch yet", "err", err)
	}
}

func (a *Agent) prewire(ctx context.Context, w wireOrder) {
	defer w.stop()
	l := w.lease
	done, err := a.binder.Prewire(w.ctx, l)
	free, stale := a.book.wired(l.PortID, done && err == nil, err != nil)
	// One that was taken meanwhile is its attachment's to wire.
	if err != nil && free && ctx.Err() == nil {
		a.log.Warn("switch does not take a free lease yet", "port", l.PortID, "network", l.Network.String(), "err", err)
	}
	if stale && done {
		// It was withdrawn meanwhile.
		if err := a.binder.Unwire(ctx, l.PortID); err != nil && ctx.Err() == nil {
			a.log.Warn("switch does not let go of a lease yet", "port", l.PortID, "err", err)
		}
	}
}

// adoptWires takes up what an earlier agent left on the switch: the wires of
// free leases serve on, and those that are nobody's go. One on which a sandbox
// hangs that the journal has lost is that sandbox's.
func (a *Agent) adoptWires(ctx context.Context) {
	strays, _ := a.orphans.strayPorts()
	ports, err := a.binder.Wires(ctx)
	if err != nil {
		return // the switch is away: its own log tells
	}
	for _, id := range ports {
		if _, stray := strays[id]; stray || a.book.adoptWire(id) {
			continue
		}
		if err := a.binder.Unwire(ctx, id); err != nil && ctx.Err() == nil {
			a.log.Warn("wire of an earlier lease not removed", "port", id, "err", err)
		}
	}
}

// wireOrder is a free lease that the switch is asked to take.
type wireOrder struct {
	lease lease.Lease
	// ctx ends when it has taken too long, or when the lease is on its way out.
	ctx  context.Context
	stop context.CancelFunc
}

// toWire gives free leases that the switch shall take, as long as fewer than
// most are under way. Each must be stopped in the end.
func (b *book) toWire(ctx context.Context, most int) []wireOrder {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, under := time.Now(), 0
	var can []*held
	for _, p := range b.pools {
		ahead, of := 0, []*held(nil)
		for _, h := range p.held {
			switch {
			case h.wiring:
				under++
				ahead++
			case h.State != journal.Free:
			case h.wired:
				ahead++
			case !now.Before(h.notBefore):
				of = append(of, h)
			}
		}
		slices.SortFunc(of, (*held).order)
		can = append(can, of[:max(0, min(len(of), WireAhead-ahead))]...)
	}
	var out []wireOrder
	for _, h := range can[:max(0, min(len(can), most-under))] {
		w := wireOrder{lease: h.Lease}
		w.ctx, w.stop = context.WithTimeout(ctx, wireTimeout)
		h.wiring, h.stop = true, w.stop
		out = append(out, w)
	}
	return out
}

// wired notes how a Prewire ended, and tells whether the lease is still free.
// stale tells that it is not, and in nobody's use either.
func (b *book) wired(portID string, wired, failed bool) (free, stale bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.pokeWires()
	for _, p := range b.pools {
		if _, ok := p.used[portID]; ok {
			return false, false
		}
		h := p.held[portID]
		if h == nil {
			continue
		}
		h.wiring, h.stop = false, nil
		switch {
		case failed:
			h.notBefore = time.Now().Add(wirePause)
		case !wired:
			h.notBefore = time.Now().Add(noWiring)
		}
		if h.State == journal.Free {
			h.wired = wired
			return true, false
		}
		return false, true
	}
	return false, true
}

// noWiring is the pause after which a switch that takes no port ahead is asked
// again: its configuration may have changed.
const noWiring = 10 * time.Minute

// toUnwire gives the wired leases that are on their way out, or of which it is
// not known any more what the switch makes of them.
func (b *book) toUnwire() []lease.Lease {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []lease.Lease
	for _, p := range b.pools {
		for _, h := range p.held {
			if h.wired && (h.State == journal.Draining || h.State == journal.Cooling && h.settling) && !h.wiring && !time.Now().Before(h.notBefore) {
				h.wiring = true
				out = append(out, h.Lease)
			}
		}
	}
	return out
}

func (b *book) unwired(portID string, done bool) {
	b.mu.Lock()
	for _, p := range b.pools {
		if h := p.held[portID]; h != nil {
			h.wiring = false
			if done {
				h.wired = false
			} else {
				h.notBefore = time.Now().Add(wirePause)
			}
		}
	}
	b.mu.Unlock()
	b.poke()
}

// adoptWire notes that a lease is wired; it is false when nobody has the port.
func (b *book) adoptWire(portID string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.pools {
		if _, ok := p.used[portID]; ok {
			return true
		}
		if h := p.held[portID]; h != nil {
			h.wired = true // toUnwire sees to those that must not be
			b.pokeWires()
			return true
		}
	}
	return false
}
