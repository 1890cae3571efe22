// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package portpool_test

import (
	"testing"
	"time"

	"github.com/kuryr-go/kuryr/internal/portpool"
)

func node() portpool.Policy {
	return portpool.Policy{
		Warm: 10, Max: 400, Total: 500, IdleAfter: 30 * time.Minute, BurstMemory: 10 * time.Minute,
		RetryMin: time.Second, RetryMax: time.Minute, RecycleEvery: 30 * time.Second,
	}
}

func TestAHundredStartsAtOnceWithTenWarm(t *testing.T) {
	s := newSim(t, 1, node())
	s.pool("a").pinned = true
	s.run(time.Minute)
	if o := s.observe()["a"]; o.Free != 10 || held(o) != 10 {
		t.Fatalf("before: %+v", o)
	}

	s.attach("a", 100)
	if o := s.observe()["a"]; o.InUse != 10 || o.Waiting != 90 {
		t.Errorf("ten start at once, ninety wait: %+v", o)
	}
	actions := s.step()
	if len(actions) != 1 || actions[0].Urgent != 90 || actions[0].N != 200 || actions[0].Reason != "90 wait" {
		t.Errorf("ninety are ordered for who waits, and behind them the next burst: %+v", actions)
	}
	s.run(time.Minute)
	o := s.observe()["a"]
	if o.InUse != 100 || o.Waiting != 0 || o.Free < 100 || o.Free > 110 {
		t.Errorf("all run, and a hundred are ready: %+v", o)
	}

	s.run(8 * time.Minute)
	ready := s.observe()["a"].Free
	s.attach("a", 60)
	if o := s.observe()["a"]; o.Waiting != 0 {
		t.Errorf("with %d ready, sixty more start at once: %+v", ready, o)
	}
}

func TestABurstIsForgottenByAndBy(t *testing.T) {
	s := newSim(t, 1, node())
	s.pool("a").pinned = true
	s.attach("a", 64)
	s.run(time.Minute)
	last := s.observe()["a"].Free
	if last < 64 {
		t.Errorf("at first %d are ready", last)
	}
	creates := 0
	s.watch = func(a portpool.Action) {
		if a.Kind == portpool.Create {
			creates++
		}
	}
	for _, want := range []int{32, 16, 8, 4, 2, 1} {
		s.run(10 * time.Minute)
		if got := s.observe()["a"].Free - 10; got < want-3 || got > want+want/8+3 { // a surplus goes when it has lasted
			t.Errorf("about %d were expected to be ready beside the warm ones, not %d", want, got)
		}
	}
	s.still()
	if o := s.observe()["a"]; o.Free != 10 || o.InUse != 64 || creates != 0 {
		t.Errorf("in the end: %+v, %d creates on the way", o, creates)
	}
}

func TestAnIdleNodeDrainsBack(t *testing.T) {
	for _, minimum := range []int{0, 2} {
		p := node()
		p.Min = minimum
		s := newSim(t, 1, p)
		s.attach("a", 50)
		s.attach("b", 5)
		s.run(time.Minute)
		s.release("a", 50)
		s.release("b", 5)
		s.still()
		for k, o := range s.observe() {
			if o.Free != minimum || held(o) != minimum {
				t.Errorf("%s: %+v, minimum %d", k, o, minimum)
			}
		}
	}
}

func TestABurstAfterTheAgentRestartedIsSeen(t *testing.T) {
	e := portpool.New(node())
	taken := func(in time.Duration, n uint64) {
		e.Step(noon.Add(in), observations{"a": {Taken: n, Asked: noon}})
	}
	taken(0, 1000)
	taken(time.Minute, 1000)
	taken(2*time.Minute, 40)
	if got := e.Target("a"); got != 10+40 {
		t.Errorf("after 40 leases in a new life of the agent %d free ones are wanted", got)
	}
}

func TestAnUnsatisfiableDemandMakesNothing(t *testing.T) {
	s := newSim(t, 1, node())
	s.pool("a").fails = portpool.Exhausted
	creates := 0
	s.watch = func(a portpool.Action) {
		if a.Kind == portpool.Create {
			creates += a.N
		}
	}
	// Each container gives up after ten seconds and comes back.
	for range 360 {
		s.attach("a", 3)
		s.run(10 * time.Second)
		s.pool("a").waiting = nil
	}
	if creates > 16+10+60 { // the first order, growing distances, then one a minute
		t.Errorf("%d creates within an hour", creates)
	}
	s.heal()
	s.attach("a", 3)
	s.run(2 * time.Minute)
	if o := s.observe()["a"]; o.InUse != 3 || o.Free > 10+3 {
		t.Errorf("who gives up and comes back is no burst: %+v", o)
	}
}

func TestASteadyComingAndGoingNeedsNoCreates(t *testing.T) {
	for _, every := range []time.Duration{500 * time.Millisecond, 3 * time.Second, 7 * time.Second, 20 * time.Second} {
		s := newSim(t, 1, node())
		orders := 0
		s.watch = func(a portpool.Action) {
			if a.Kind == portpool.Create || a.Kind == portpool.Delete {
				orders += a.N
			}
		}
		round := func() {
			s.attach("a", 1)
			s.run(s.about(every))
			s.release("a", 1)
		}
		for begun := s.now; s.now.Sub(begun) < 20*time.Minute; {
			round()
		}
		orders = 0
		for range 500 {
			round()
		}
		if orders > 20 {
			t.Errorf("%d creates and deletes for 500 starts, one every %s", orders, every)
		}
	}
}
