// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"time"

	"github.com/kuryr-go/kuryr/internal/agent"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
	"github.com/kuryr-go/kuryr/internal/neutron"
	"github.com/kuryr-go/kuryr/internal/portpool"
)

// know has a state for every pool of the book and every class that is kept
// warm, and forgets those of pools that are gone.
func (p *Pool) know(states []agent.PoolState) {
	live := map[string]bool{}
	for _, s := range states {
		live[s.Key] = true
		p.key(s.Key, s.Class)
	}
	for _, c := range p.warm {
		live[c.Key()] = true
		p.key(c.Key(), c)
	}
	for k, s := range p.keys {
		if !live[k] && s.ordered() == 0 {
			delete(p.keys, k)
			p.metrics.forget(k)
		}
	}
}

func (p *Pool) key(k string, c lease.Class) *keyState {
	s := p.keys[k]
	if s == nil {
		s = &keyState{class: c, orders: map[string]*portOrder{}}
		p.keys[k] = s
	}
	return s
}

// observe tells the engine what there is, and when a cooling lease has rested.
func (p *Pool) observe(states []agent.PoolState, now time.Time) (map[portpool.Key]portpool.Observation, time.Time) {
	var next time.Time
	seen, none := map[portpool.Key]portpool.Observation{}, p.book.Cordoned() || p.options.Off
	for k, s := range p.keys {
		seen[portpool.Key(k)] = portpool.Observation{
			Family: family(s.class), Creating: s.ordered(), Pinned: p.pinned(k),
			// What a cordoned node is given it gives up at once, and without pools
			// what is held from before.
			Doomed: none,
		}
	}
	held := now.Before(p.checkAfter) || p.checking
	for _, s := range states {
		o := seen[portpool.Key(s.Key)]
		o.Free, o.InUse, o.Cooling, o.Cooled, o.Recycling = s.Free, s.InUse, s.Cooling, s.Cooled, s.Checking
		o.Draining, o.Moving, o.Waiting, o.Taken, o.Asked = s.Draining, s.Moving, s.Waiting, s.Taken, s.Asked
		if held {
			// They wait for the check, as if they had not rested yet.
			o.Cooling, o.Cooled = o.Cooling+o.Cooled, 0
		}
		seen[portpool.Key(s.Key)] = o
		p.promote(p.keys[s.Key], s.Waiting, s.Taken+uint64(s.Waiting))
		next = sooner(next, s.NextCooled)
	}
	if now.Before(p.checkAfter) {
		next = sooner(next, p.checkAfter)
	}
	return seen, next
}

// family is the classes between which leases can move. Which group a project
// calls its default only a port tells, so a class of that group has none.
func family(c lease.Class) string {
	if c.SecurityGroups == nil {
		return c.Key()
	}
	return c.Family()
}

func (p *Pool) pinned(k string) bool {
	for _, c := range p.warm {
		if c.Key() == k {
			return true
		}
	}
	return false
}

// failed notes that an order of a pool failed, and tells the engine how.
func (p *Pool) failed(k string, err error, now time.Time) {
	s := p.keys[k]
	if s == nil {
		return
	}
	f := failureOf(err)
	if s.problem == nil {
		s.since = now
		p.log.Warn("pool cannot be supplied", "pool", k, "class", s.class.String(), "fault", fault.ClassOf(err), "err", err)
	}
	s.problem, s.terminal, s.exhausted = err, f.Kind == portpool.Refused, f.Kind == portpool.Exhausted
	p.metrics.failure(k, s.class.Network, err)
	p.engine.Failed(now, portpool.Key(k), f)
}

// succeeded notes that a port of a pool came.
func (p *Pool) succeeded(k string, now time.Time) {
	if s := p.keys[k]; s != nil && s.problem != nil {
		p.relieved(k, s, now)
	}
	p.engine.Succeeded(now, portpool.Key(k))
}

// relieved notes that a pool is not in trouble any more.
func (p *Pool) relieved(k string, s *keyState, now time.Time) {
	p.log.Info("pool is supplied again", "pool", k, "class", s.class.String(), "after", now.Sub(s.since).Round(time.Millisecond))
	s.problem, s.terminal, s.exhausted = nil, false, false
}

// failureOf says what an error means for a pool. A conflict is nobody's wish
// here: no certain address was asked for, so another try may well succeed.
func failureOf(err error) portpool.Failure {
	var f portpool.Failure
	if e, ok := fault.As(err); ok {
		f.RetryAfter = e.RetryAfter
	}
	if neutron.ErrorType(err) == neutron.TypeAddressesExhausted {
		f.Kind = portpool.Exhausted
		return f
	}
	switch fault.ClassOf(err) {
	case fault.Quota:
		f.Kind = portpool.Exhausted
	case fault.Invalid, fault.NotFound, fault.Unauthorized:
		f.Kind = portpool.Refused
	case fault.OverLimit:
		f.Kind = portpool.Overloaded
	default:
		f.Kind = portpool.Transient
	}
	return f
}

// tell reports each pool to the book, and refuses those who wait in vain. It
// returns when somebody's patience ends.
func (p *Pool) tell(states []agent.PoolState, now time.Time) (next time.Time) {
	relief := p.relief(states)
	byKey := map[string]agent.PoolState{}
	for _, st := range states {
		byKey[st.Key] = st
	}
	for k, s := range p.keys {
		st, target := byKey[k], p.engine.Target(portpool.Key(k))
		if s.problem != nil && s.ordered() == 0 && st.Waiting == 0 && st.Free >= target {
			// It has what it shall have, if only because less is asked of it now:
			// nobody misses what could not be made, and nothing else would end the
			// problem.
			p.relieved(k, s, now)
		}
		p.book.Report(s.class, agent.PoolReport{Target: target, Ordered: s.ordered(), Problem: p.problem(s, st, states)})
		if st.Waiting == 0 || s.problem == nil {
			continue
		}
		if until := p.patience(s, st, relief, p.pending(s) > 0); now.Before(until) {
			next = sooner(next, until)
			continue
		}
		p.book.Refuse(k, s.problem)
	}
	return next
}

// problem is why a pool cannot have more ports: the last failure, or that it may
// not have more. Those who wait are then left to wait: a container may end.
func (p *Pool) problem(s *keyState, st agent.PoolState, states []agent.PoolState) error {
	if s.problem != nil || st.Waiting == 0 {
		return s.problem
	}
	policy, node := p.options.Policy, 0
	for _, each := range states {
		node += each.Held() + each.Ordered
	}
	switch {
	case st.InUse-st.Leaving >= policy.Max:
		e := fault.New(fault.Quota, "all %d ports that a pool may have are in use", policy.Max)
		e.Hint = "raise pool.max of the node"
		return e
	case node >= policy.Total && s.ordered() == 0 && !p.relief(states):
		e := fault.New(fault.Quota, "the node has all %d ports that its pools may have", policy.Total)
		e.Hint = "raise pool.nodeMax of the node"
		return e
	}
	return nil
}

// patience is until when those who wait for a pool that fails are left to wait.
// What only a human can mend is told at once; what passes by itself is given
// time, once: not to everybody who comes while it lasts.
// pending tells that ports of the pool are still on their way, of which one may
// come though another was refused: a quota that is used up refuses the last of
// several.
func (p *Pool) patience(s *keyState, st agent.PoolState, relief, pending bool) time.Time {
	switch {
	case (s.terminal || s.exhausted) && pending:
		return st.Oldest.Add(p.options.Patience)
	case s.terminal:
		return time.Time{}
	case s.exhausted && !relief && st.Leaving+st.Cooling+st.Cooled+st.Checking+st.Draining == 0:
		return time.Time{}
	case s.exhausted:
		return st.Oldest.Add(p.options.Patience)
	default:
		return s.since.Add(p.options.Patience)
	}
}

// pending counts the orders that are neither settled nor lost.
func (p *Pool) pending(s *keyState) int {
	n := s.resolving
	for id := range s.orders {
		if p.lost[id] == nil {
			n++
		}
	}
	return n
}

// relief tells whether ports are on their way out, or could be: then a quota
// that is used up may have room in a moment.
func (p *Pool) relief(states []agent.PoolState) bool {
	for _, s := range states {
		if s.Draining > 0 || s.Free > 0 {
			return true
		}
	}
	return false
}
