// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agent

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/kuryr-go/kuryr/internal/agent/journal"
	"github.com/kuryr-go/kuryr/internal/lease"
)

// What a supplier of leases is told and may do is in this file. It decides how
// many leases the node has; the agent alone decides who gets which, and no
// lease is taken from the node but by its own hand.

// PoolState is what the node holds of one class of leases.
type PoolState struct {
	Key   string
	Class lease.Class
	// Free leases are ready to be taken, Wired of them taken by the switch already.
	Free, Wired int
	InUse       int
	// Leaving leases, of those in use, are on their way back.
	Leaving int
	// Cooling leases rest; Cooled have rested and wait to be checked; Checking
	// are being looked at by the supplier.
	Cooling, Cooled, Checking int
	// Moving leases come from another pool; they rest too.
	Moving int
	// Draining leases are on their way out.
	Draining int
	// Waiting attachments have no lease yet; the first of them since Oldest.
	Waiting int
	Oldest  time.Time
	// Taken counts the leases taken since the agent began.
	Taken uint64
	// Asked is when one was last asked for; zero: not since the agent began.
	Asked time.Time
	// NextCooled is when the next cooling lease has rested; zero: none cools.
	NextCooled time.Time
	// PoolReport is the supplier's last.
	PoolReport
}

// Held counts the leases of a pool, in whatever state.
func (p PoolState) Held() int {
	return p.Free + p.InUse + p.Cooling + p.Cooled + p.Checking + p.Moving + p.Draining
}

// PoolReport is what the supplier tells of a pool for others to see.
type PoolReport struct {
	// Target is how many free leases there shall be.
	Target int
	// Ordered ports are being made, or may have been.
	Ordered int
	// Problem is why there cannot be more; nil: there can.
	Problem error
}

// states are the counts of leases by the words of metrics and commands.
func (p PoolState) states() map[string]int {
	return map[string]int{
		"free": p.Free, "wired": p.Wired, "in-use": p.InUse, "cooling": p.Cooling, "cooled": p.Cooled,
		"checking": p.Checking, "draining": p.Draining,
	}
}

// Pools tells what the node holds, in the order of the keys.
func (a *Agent) Pools() []PoolState { return a.book.states(time.Now()) }

// Cordoned tells that the node keeps no leases, and takes none that are offered.
func (a *Agent) Cordoned() bool { return a.cordoned.Load() }

// PoolsChanged is poked when Pools may tell something new.
func (a *Agent) PoolsChanged() <-chan struct{} { return a.book.changed }

// Offer adds new leases to their pool. They are in the journal when it returns nil.
func (a *Agent) Offer(c lease.Class, leases ...lease.Lease) error {
	held := make([]journal.HeldLease, 0, len(leases))
	for _, l := range leases {
		held = append(held, journal.HeldLease{Lease: l, Class: c, State: journal.Free, Since: time.Now()})
	}
	return a.hold(held)
}

func (a *Agent) hold(held []journal.HeldLease) error {
	if a.cordoned.Load() {
		for i := range held {
			held[i].State = journal.Draining
		}
	}
	if err := a.journal.Hold(held...); err != nil {
		return fmt.Errorf("agent: hold leases: %w", err)
	}
	a.book.put(held...)
	return nil
}

// Withdraw takes up to n leases out of a pool for good: those that have rested
// first, then those that have been free for longest. Drained tells when their
// ports may be deleted.
func (a *Agent) Withdraw(key string, n int) error { return a.drain(a.book.spare(key, n)) }

// WithdrawPort is Withdraw for a certain lease, whose port is of no use any
// more. One that is in use, or unknown, stays.
func (a *Agent) WithdrawPort(portID string) error { return a.drain(a.book.find(portID)) }

func (a *Agent) drain(leases []journal.HeldLease) error {
	if len(leases) == 0 {
		return nil
	}
	if err := a.journal.Hold(leases...); err != nil {
		// The journal has them as they were before; at the next start they are so again.
		return fmt.Errorf("agent: withdraw leases: %w", err)
	}
	a.book.saved(leases)
	return nil
}

// Drained gives the leases whose ports are to be deleted: the switch has let go
// of them.
func (a *Agent) Drained() []lease.Lease { return a.book.drained() }

// Forget is told of leases whose ports are gone.
func (a *Agent) Forget(ports ...string) error {
	if err := a.journal.Drop(ports...); err != nil {
		return fmt.Errorf("agent: forget leases: %w", err)
	}
	a.book.drop(ports)
	return nil
}

// CheckOut hands the rested leases of a pool to the supplier, which looks at
// their ports and undoes what a user has changed. It then gives them back by
// CheckIn, or by Forget. After a restart they are rested again.
func (a *Agent) CheckOut(key string) []lease.Lease { return a.book.checkOut(key, time.Now()) }

// CheckIn makes checked leases free, as they are described now.
func (a *Agent) CheckIn(c lease.Class, leases ...lease.Lease) error { return a.Offer(c, leases...) }

// CheckFailed tells that leases could not be checked: they are rested as before.
func (a *Agent) CheckFailed(ports ...string) { a.book.checkFailed(ports) }

// Rest makes checked leases rest once more: something about their ports was
// changed, and that takes time to reach the switches.
func (a *Agent) Rest(c lease.Class, leases ...lease.Lease) error {
	held := make([]journal.HeldLease, 0, len(leases))
	for _, l := range leases {
		held = append(held, journal.HeldLease{Lease: l, Class: c, State: journal.Cooling, Since: time.Now()})
	}
	if err := a.hold(held); err != nil {
		return err
	}
	a.book.settle(held)
	return nil
}

// Reassign gives up to n leases of a pool to another one of the same network.
// They rest, and are checked before anybody has them.
func (a *Agent) Reassign(from string, to lease.Class, n int) error {
	held := a.book.move(from, to, n)
	if len(held) == 0 {
		return nil
	}
	if err := a.journal.Hold(held...); err != nil {
		return fmt.Errorf("agent: reassign leases: %w", err)
	}
	a.book.poke()
	return nil
}

// Refuse fails those who wait for a lease of a pool. The error says why there
// is none, and is classified.
func (a *Agent) Refuse(key string, err error) { a.book.refuse(key, err) }

// Expect notes that ports are about to be made for a pool: a drain then waits
// for them. False: the node is drained, and none must be made.
func (a *Agent) Expect(c lease.Class, n int) bool {
	// First the note, then the look: a drain that this look misses sees the note.
	a.book.expect(c, n)
	return !a.cordoned.Load()
}

// Report notes how a pool is supplied. What was expected and is not ordered is
// expected no more.
func (a *Agent) Report(c lease.Class, r PoolReport) { a.book.report(c, r) }

// Leases gives every lease of every pool, by port id: those in use too.
func (a *Agent) Leases() (map[string]lease.Lease, error) {
	held, err := a.journal.Held()
	if err != nil {
		return nil, fmt.Errorf("agent: list leases: %w", err)
	}
	all := map[string]lease.Lease{}
	for _, h := range held {
		all[h.Lease.PortID] = h.Lease
	}
	// The records second: a lease may leave the first for the second meanwhile,
	// and one that goes the other way is then found in neither.
	records, err := a.journal.All()
	if err != nil {
		return nil, fmt.Errorf("agent: list leases: %w", err)
	}
	for _, r := range records {
		if r.Lease != nil {
			all[r.Lease.PortID] = *r.Lease
		}
	}
	return all, nil
}

// states tells the pools at a moment.
func (b *book) states(now time.Time) []PoolState {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]PoolState, 0, len(b.pools))
	for k, p := range b.pools {
		all = append(all, p.state(k, now, b.coolDown))
	}
	slices.SortFunc(all, func(x, y PoolState) int { return cmp.Compare(x.Key, y.Key) })
	return all
}

func (p *pool) state(key string, now time.Time, coolDown time.Duration) PoolState {
	s := PoolState{
		Key: key, Class: p.class, InUse: len(p.used), Waiting: len(p.waiters), Taken: p.taken, Asked: p.asked,
		PoolReport: PoolReport{Target: p.target, Ordered: p.ordered, Problem: p.problem},
	}
	if len(p.waiters) > 0 {
		s.Oldest = p.waiters[0].since
	}
	for _, leaving := range p.used {
		if leaving {
			s.Leaving++
		}
	}
	for _, h := range p.held {
		switch h.word(now, coolDown) {
		case "draining":
			s.Draining++
		case "checking":
			s.Checking++
		case "wired":
			s.Wired++
			s.Free++
		case "free":
			s.Free++
		case "cooled":
			s.Cooled++
		default:
			if h.moved {
				s.Moving++
			} else {
				s.Cooling++
			}
			if at := h.Since.Add(h.rest(coolDown)); s.NextCooled.IsZero() || at.Before(s.NextCooled) {
				s.NextCooled = at
			}
		}
	}
	return s
}

// settleTime is the least that a lease rests whose port was changed: OVN's
// daemons pass a change on within milliseconds, and within seconds when busy.
const settleTime = 5 * time.Second

// rest is how long a lease rests.
func (h *held) rest(coolDown time.Duration) time.Duration {
	if h.moved || h.settling {
		return max(coolDown, settleTime)
	}
	return coolDown
}

// rested tells whether a lease has cooled down. A clock that was set back does
// not keep it for longer than once more.
func (h *held) rested(now time.Time, coolDown time.Duration) bool {
	return h.State == journal.Cooling && now.Sub(h.Since).Abs() >= h.rest(coolDown)
}
