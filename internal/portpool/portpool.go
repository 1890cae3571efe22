// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package portpool

import (
	"maps"
	"slices"
	"time"
)

// Engine is the supply of one node. It is not safe for concurrent use.
type Engine struct {
	policy Policy
	keys   map[Key]*state
	begun  time.Time
	// turns numbers what was granted to keys that wait, so that who was served
	// longest ago is known.
	turns uint64
}

// state is what the engine remembers of a key.
type state struct {
	bursts  bursts
	backoff backoff
	surplus surplus
	// seen is when the key was first observed; asked is when a lease was last
	// asked for, in any life of the agent that was observed.
	seen, asked time.Time
	// cooledSince is when cooled leases began to wait for a check; zero: there
	// are none.
	cooledSince time.Time
	// turn is when the key was last granted something while it waited.
	turn uint64
	// yieldsTo is the key for which this one gave leases up because of a
	// quota: it does not take the room back while that key waits.
	yieldsTo Key
	// target is what the last Step wanted to be free.
	target int
}

// New makes the engine of a node. The policy must be valid.
func New(p Policy) *Engine {
	return &Engine{policy: p, keys: map[Key]*state{}}
}

// SetPolicy changes the policy, which must be valid, from the next Step on.
// What is remembered of the keys stays.
func (e *Engine) SetPolicy(p Policy) { e.policy = p }

// Step says what to do now, given all keys of the node; one that is missing is
// forgotten. Actions are to be carried out in their order: deletes, moves,
// checks, creates, each in the order of the keys. None asks for more than
// exists. Next is when to step again although nothing is reported; zero: no need.
func (e *Engine) Step(now time.Time, keys map[Key]Observation) (actions []Action, next time.Time) {
	if e.begun.IsZero() {
		e.begun = now
	}
	maps.DeleteFunc(e.keys, func(k Key, _ *state) bool { _, known := keys[k]; return !known })
	p := e.plan(now, keys)
	p.drainDoomed()
	p.serveWaiting()
	p.makeRoom()
	p.moveSpare()
	p.relieveQuota()
	p.deleteSurplus()
	p.refill()
	p.recycle()
	return p.conclude()
}

// Failed notes that a create of a key failed. Failed checks, moves and deletes
// are the caller's own affair.
func (e *Engine) Failed(now time.Time, k Key, f Failure) {
	if s, known := e.keys[k]; known {
		s.backoff.failed(now, f, e.policy)
	}
}

// Succeeded notes that a create of a key succeeded: its backoff is over.
func (e *Engine) Succeeded(_ time.Time, k Key) {
	if s, known := e.keys[k]; known {
		s.backoff = backoff{}
	}
}

// Target is how many leases of a key should be free, by the last Step: what is
// wanted, within what Max and Total leave. Who waits comes on top.
func (e *Engine) Target(k Key) int {
	if s, known := e.keys[k]; known {
		return s.target
	}
	return 0
}

// Blocked reports whether creates of a key are held back after a failure, and
// until when.
func (e *Engine) Blocked(now time.Time, k Key) (until time.Time, blocked bool) {
	s, known := e.keys[k]
	if !known || s.backoff.allowance(now) > 0 {
		return time.Time{}, false
	}
	return s.backoff.until, true
}

// observe notes what a key looks like now, and gives what is remembered of it.
func (e *Engine) observe(now time.Time, k Key, o *Observation) *state {
	s, known := e.keys[k]
	if !known {
		s = &state{seen: now}
		e.keys[k] = s
	}
	s.asked = later(s.asked, o.Asked)
	s.bursts.observe(now, now.Sub(e.begun), o, e.policy.BurstMemory)
	switch {
	case o.Cooled == 0:
		s.cooledSince = time.Time{}
	case s.cooledSince.IsZero():
		s.cooledSince = now
	}
	return s
}

// nextTurn numbers a grant.
func (e *Engine) nextTurn() uint64 {
	e.turns++
	return e.turns
}

// sorted lists the keys in their order.
func sorted(keys map[Key]Observation) []Key { return slices.Sorted(maps.Keys(keys)) }
