// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package portpool

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// plan is one Step at work. Its entries are a ledger: what is decided is booked
// at once, so that each decision sees those before it.
type plan struct {
	*Engine
	now     time.Time
	entries []*entry // in the order of the keys
	byKey   map[Key]*entry
	// room is how many more leases Total allows; negative above it.
	room           int
	deletes, moves []Action
	// byIdleness is filled when it is asked for.
	byIdleness []*entry
}

// entry is a key in a plan.
type entry struct {
	// Observation is what will be when all that was decided is done.
	Observation
	*state
	key Key
	// active: asked for lately, waited for or pinned. idle: not for long. A key
	// that was never asked for is neither at first: after a restart it keeps
	// what it has.
	active, idle bool
	// want is how many leases should be free, within Max.
	want            int
	created, urgent int
	recycled        int
	recycleReason   string
}

func (e *Engine) plan(now time.Time, keys map[Key]Observation) *plan {
	p := &plan{Engine: e, now: now, byKey: make(map[Key]*entry, len(keys)), room: e.policy.Total}
	for _, k := range sorted(keys) {
		n := &entry{Observation: keys[k], key: k}
		n.state = e.observe(now, k, &n.Observation)
		n.active = n.Pinned || n.Waiting > 0 || (!n.asked.IsZero() && now.Sub(n.asked) < e.policy.IdleAfter)
		n.idle = !n.active && now.Sub(p.restingSince(n)) >= e.policy.IdleAfter
		p.room -= n.held()
		p.entries = append(p.entries, n)
		p.byKey[k] = n
	}
	for _, n := range p.entries {
		n.want = p.wanted(n)
	}
	return p
}

// restingSince is since when nothing was asked of a key.
func (p *plan) restingSince(n *entry) time.Time {
	if n.asked.IsZero() {
		return n.seen
	}
	return n.asked
}

// wanted is how many leases of a key should be free.
func (p *plan) wanted(n *entry) int {
	if n.Doomed {
		return 0
	}
	want := p.policy.Min
	if n.active {
		want = max(want, p.policy.Warm+n.bursts.expected(p.now, p.policy.BurstMemory))
	}
	if p.yields(n) {
		want = min(want, n.Free+n.Cooled+n.Creating+n.Recycling+n.Moving)
	}
	return max(0, min(want, p.policy.Max-n.InUse-n.Cooling-n.Waiting))
}

// yields reports whether an idle key leaves to another what it gave up for it.
func (p *plan) yields(n *entry) bool {
	if n.yieldsTo == "" {
		return false
	}
	to := p.byKey[n.yieldsTo]
	served := to == nil || to.Doomed || to.Waiting == 0 || (to.Creating == 0 && to.held() >= p.policy.Max)
	if n.active || served {
		n.yieldsTo = ""
		return false
	}
	return true
}

// creatable bounds creates of a key by its own ceiling and its failures. The
// node's ceiling is not regarded.
func (p *plan) creatable(n *entry, wanted int) int {
	if n.Doomed {
		return 0
	}
	allowance := n.backoff.allowance(p.now)
	if allowance == 1 && n.created > 0 {
		allowance = 0
	}
	return max(0, min(wanted, p.policy.Max-n.held(), allowance))
}

// create books one lease, if there is room.
func (p *plan) create(n *entry) {
	n.Creating++
	n.created++
	p.room--
}

// delete books leases of a key that go.
func (p *plan) delete(n *entry, count int, reason string) {
	if count <= 0 {
		return
	}
	n.take(count)
	n.Draining += count
	same := func(a Action) bool { return a.Key == n.key && a.Reason == reason }
	if at := slices.IndexFunc(p.deletes, same); at >= 0 {
		p.deletes[at].N += count
		return
	}
	p.deletes = append(p.deletes, Action{Kind: Delete, Key: n.key, N: count, Reason: reason})
}

// future is the room there will be when all deletes are done.
func (p *plan) future() int {
	room := p.room
	for _, n := range p.entries {
		room += n.Draining
	}
	return room
}

// longestIdleFirst lists the keys that may have to give something up for
// others, doomed ones left out: they give up everything anyway.
func (p *plan) longestIdleFirst() []*entry {
	if p.byIdleness != nil {
		return p.byIdleness
	}
	p.byIdleness = slices.DeleteFunc(slices.Clone(p.entries), func(n *entry) bool { return n.Doomed })
	slices.SortStableFunc(p.byIdleness, func(a, b *entry) int {
		if a.active != b.active {
			if b.active {
				return -1
			}
			return 1
		}
		return p.restingSince(a).Compare(p.restingSince(b))
	})
	return p.byIdleness
}

// share deals the room out to those who want something, one each in turn.
func (p *plan) share(takers []*entry, wants func(*entry) int, grant func(*entry)) {
	for p.room > 0 && len(takers) > 0 {
		takers = slices.DeleteFunc(takers, func(n *entry) bool { return wants(n) <= 0 })
		for _, n := range takers[:min(len(takers), p.room)] {
			grant(n)
		}
	}
}

// conclude makes actions of what was decided, and finds out when something
// will change by itself.
func (p *plan) conclude() (actions []Action, next time.Time) {
	byKey := func(a, b Action) int { return cmp.Compare(a.Key, b.Key) }
	slices.SortStableFunc(p.deletes, byKey)
	slices.SortStableFunc(p.moves, byKey)
	actions = slices.Concat(p.deletes, p.moves)
	for _, n := range p.entries {
		if n.recycled > 0 {
			actions = append(actions, Action{Kind: Recycle, Key: n.key, N: n.recycled, Reason: n.recycleReason})
		}
	}
	for _, n := range p.entries {
		if n.created > 0 {
			actions = append(actions, Action{Kind: Create, Key: n.key, N: n.created, Urgent: n.urgent, Reason: p.purpose(n)})
			n.backoff.ordered(p.now, p.policy)
		}
		for _, at := range p.changes(n) {
			if at.After(p.now) && (next.IsZero() || at.Before(next)) {
				next = at
			}
		}
	}
	return actions, next
}

// purpose says what leases of a key are wanted for.
func (p *plan) purpose(n *entry) string {
	switch {
	case n.urgent > 0:
		return fmt.Sprintf("%d wait", n.Waiting)
	case n.active && n.want > p.policy.Warm:
		return "burst"
	case n.active:
		return "warm"
	}
	return "min"
}

// changes lists when something about a key will change by itself.
func (p *plan) changes(n *entry) []time.Time {
	if n.Doomed {
		return nil
	}
	var at []time.Time
	if n.backoff.failures > 0 && (n.short(n.want) > 0 || n.shortNow() > 0) {
		at = append(at, n.backoff.until)
	}
	if !n.Pinned && n.Waiting == 0 && !n.idle {
		at = append(at, p.restingSince(n).Add(p.policy.IdleAfter))
	}
	if n.active {
		at = append(at, n.bursts.fades(p.now, p.policy.BurstMemory))
	}
	if n.Cooled > 0 {
		at = append(at, n.cooledSince.Add(p.policy.RecycleEvery))
	}
	if !n.surplus.since.IsZero() {
		at = append(at, n.surplus.since.Add(linger))
	}
	return at
}
