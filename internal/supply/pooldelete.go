// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"context"
	"time"

	"github.com/kuryr-go/kuryr/internal/lease"
	"github.com/kuryr-go/kuryr/internal/neutron"
)

// The pauses after a deletion that failed.
const (
	deleteRetryMin = time.Second
	deleteRetryMax = time.Minute
)

// deleteDrained deletes the ports of the leases that the node has let go of.
// No create waits for it and it waits for none: the scheduler serves it when
// nobody else has anything more urgent.
func (p *Pool) deleteDrained(ctx context.Context, now time.Time) (next time.Time) {
	drained := p.book.Drained()
	live := map[string]bool{}
	for _, l := range drained {
		live[l.PortID] = true
		if p.busy[l.PortID] {
			continue
		}
		if at := p.later[l.PortID].next; now.Before(at) {
			next = sooner(next, at)
			continue
		}
		p.busy[l.PortID] = true
		p.start(func() { p.deleteLease(ctx, l) })
	}
	for id := range p.later {
		if !live[id] {
			delete(p.later, id)
		}
	}
	return next
}

func (p *Pool) deleteLease(ctx context.Context, l lease.Lease) {
	err := p.Release(neutron.WithPriority(ctx, neutron.Bookkeeping), l)
	if err == nil {
		err = p.book.Forget(l.PortID)
	}
	p.post(func(now time.Time) {
		delete(p.busy, l.PortID)
		if err == nil {
			delete(p.later, l.PortID)
			p.deleted = now
			p.metrics.deleted.Inc()
			return
		}
		r := p.later[l.PortID]
		r.next = now.Add(min(deleteRetryMin<<min(r.tries, 6), deleteRetryMax))
		r.tries++
		p.later[l.PortID] = r
		if ctx.Err() == nil {
			p.log.Warn("port of a lease not deleted, it will be tried again", "port", l.PortID, "network", l.Network.String(), "tries", r.tries, "err", err)
		}
	})
}

// move gives leases of one pool to another of the same network: their ports get
// its security groups when they have rested.
func (p *Pool) move(from, to string, n int) {
	s := p.keys[to]
	if s == nil {
		return
	}
	p.log.Debug("leases change their pool", "from", from, "to", to, "leases", n)
	if err := p.book.Reassign(from, s.class, n); err != nil {
		p.log.Error("leases have not changed their pool", "from", from, "to", to, "err", err)
	}
}
