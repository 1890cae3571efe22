// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package portpool_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kuryr-go/kuryr/internal/portpool"
)

func drawPolicy(t *rapid.T) portpool.Policy {
	maximum := rapid.IntRange(1, 12).Draw(t, "Max")
	return portpool.Policy{
		Min:          rapid.IntRange(0, min(3, maximum)).Draw(t, "Min"),
		Warm:         rapid.IntRange(0, min(6, maximum)).Draw(t, "Warm"),
		Max:          maximum,
		Total:        rapid.IntRange(1, 24).Draw(t, "Total"),
		IdleAfter:    time.Duration(rapid.IntRange(1, 300).Draw(t, "IdleAfter")) * time.Second,
		BurstMemory:  time.Duration(rapid.IntRange(0, 300).Draw(t, "BurstMemory")) * time.Second,
		RetryMin:     time.Second,
		RetryMax:     time.Duration(rapid.IntRange(1, 60).Draw(t, "RetryMax")) * time.Second,
		RecycleEvery: time.Duration(rapid.IntRange(0, 60).Draw(t, "RecycleEvery")) * time.Second,
	}
}

func drawKey(t *rapid.T) portpool.Key {
	return rapid.SampledFrom([]portpool.Key{"a", "b", "c", "d"}).Draw(t, "key")
}

// history is a life of a node: what may happen to it, for rapid to choose from.
func history(s *sim, families map[portpool.Key]string) map[string]func(*rapid.T) {
	key := func(t *rapid.T) (portpool.Key, *pool) {
		k := drawKey(t)
		p := s.pool(k)
		p.family = families[k]
		return k, p
	}
	percent := rapid.SampledFrom([]int{0, 0, 10, 50, 100})
	return map[string]func(*rapid.T){
		"attach": func(t *rapid.T) {
			k, _ := key(t)
			s.attach(k, rapid.SampledFrom([]int{1, 1, 2, 5, 20}).Draw(t, "n"))
		},
		"release": func(t *rapid.T) {
			k, _ := key(t)
			s.release(k, rapid.IntRange(1, 8).Draw(t, "n"))
		},
		"give up": func(t *rapid.T) {
			_, p := key(t)
			p.waiting = p.waiting[:rapid.IntRange(0, len(p.waiting)).Draw(t, "left")]
		},
		"pin":  func(t *rapid.T) { _, p := key(t); p.pinned = !p.pinned },
		"doom": func(t *rapid.T) { _, p := key(t); p.doomed = !p.doomed },
		"vanish": func(t *rapid.T) {
			k := drawKey(t)
			if held(s.observe()[k]) == 0 {
				delete(s.keys, k)
			}
		},
		"one key fails": func(t *rapid.T) {
			_, p := key(t)
			p.fails = rapid.SampledFrom([]portpool.FailureKind{0, 0, portpool.Transient, portpool.Overloaded, portpool.Exhausted, portpool.Refused}).Draw(t, "how")
		},
		"things go wrong": func(t *rapid.T) {
			s.chances = chances{
				createFails: percent.Draw(t, "create"), lost: percent.Draw(t, "lost"), deleteFails: min(50, percent.Draw(t, "delete")),
				moveFails: percent.Draw(t, "move"), checkFails: percent.Draw(t, "check"), notCarriedOut: min(50, percent.Draw(t, "given up")),
			}
		},
		"quota": func(t *rapid.T) { s.quota = rapid.SampledFrom([]int{3, 8, 1 << 30}).Draw(t, "quota") },
		"policy": func(t *rapid.T) {
			s.policy = drawPolicy(t)
			s.engine.SetPolicy(s.policy)
		},
		"agent restarts": func(t *rapid.T) {
			for _, p := range s.keys {
				p.taken, p.asked, p.waiting = 0, time.Time{}, nil
			}
			if rapid.Bool().Draw(t, "engine too") {
				s.engine = portpool.New(s.policy)
			}
		},
		"": func(t *rapid.T) {
			d := rapid.SampledFrom([]time.Duration{0, 10 * time.Millisecond, 200 * time.Millisecond, time.Second, 15 * time.Second, 5 * time.Minute}).Draw(t, "time")
			s.run(d)
		},
	}
}

// heal ends all failures.
func (s *sim) heal() {
	s.chances, s.quota = chances{}, 1<<30
	for _, p := range s.keys {
		p.fails = 0
	}
}

func drawFamilies(t *rapid.T) map[portpool.Key]string {
	families := map[portpool.Key]string{}
	for _, k := range []portpool.Key{"a", "b", "c", "d"} {
		families[k] = rapid.SampledFrom([]string{"", "f", "f", "g"}).Draw(t, "family of "+string(k))
	}
	return families
}

func TestAfterAnyHistoryTheSupplyComesToRestAtItsTargets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSim(t, rapid.Uint64().Draw(t, "seed"), drawPolicy(t))
		t.Repeat(history(s, drawFamilies(t)))
		s.heal()
		s.run(time.Minute) // lost orders settle

		lastDelete := map[portpool.Key]string{}
		s.watch = func(a portpool.Action) {
			switch {
			case a.Kind == portpool.Delete:
				lastDelete[a.Key] = a.Reason
			case a.Kind == portpool.Create && (lastDelete[a.Key] == "surplus" || lastDelete[a.Key] == "idle"):
				t.Errorf("%+v; before, leases were deleted (%s)", a, lastDelete[a.Key])
			}
		}
		s.still()
		s.checkRest(t)
	})
}

// checkRest holds what must be when all has come to rest.
func (s *sim) checkRest(t *rapid.T) {
	observed := s.observe()
	total := 0
	for _, o := range observed {
		total += held(o)
	}
	for k, o := range observed {
		if target := s.engine.Target(k); o.Free != target || o.Cooled != 0 {
			t.Errorf("%s: %d free and %d cooled, target %d: %+v, policy %+v", k, o.Free, o.Cooled, target, o, s.policy)
		}
		// Full targets, unless a ceiling leaves less.
		want := s.policy.Min
		if o.Pinned || o.Waiting > 0 {
			want = max(want, s.policy.Warm)
		}
		if !o.Doomed && total < s.policy.Total && o.Free < min(want, max(0, s.policy.Max-o.InUse-o.Waiting)) {
			t.Errorf("%s: %d free, wanted %d: %+v, %d in all, policy %+v", k, o.Free, want, o, total, s.policy)
		}
		if o.Waiting == 0 || o.Doomed {
			continue
		}
		if o.InUse < s.policy.Max && total < s.policy.Total {
			t.Errorf("%s waits for nothing: %+v, %d in all, policy %+v", k, o, total, s.policy)
		}
		for other, x := range observed {
			if x.Free > 0 && o.InUse < s.policy.Max {
				t.Errorf("%s waits while %s has free leases: %+v, policy %+v", k, other, observed, s.policy)
			}
		}
	}
}

func TestWhoeverWaitsIsServedWhenRoomComes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSim(t, rapid.Uint64().Draw(t, "seed"), drawPolicy(t))
		t.Repeat(history(s, drawFamilies(t)))
		s.heal()
		for _, p := range s.keys {
			p.doomed = false
		}
		for waits := true; waits; {
			waits = false
			s.run(2 * time.Minute)
			for k, p := range s.keys {
				s.release(k, 1<<30)
				waits = waits || len(p.waiting) > 0
			}
			if s.steps > 50_000 {
				t.Fatalf("still wait: %+v, policy %+v", s.observe(), s.policy)
			}
		}
	})
}

func TestAtTheCeilingAllKeysThatWaitAreServedInTurn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t)
		s := newSim(t, rapid.Uint64().Draw(t, "seed"), p)
		s.cooldown = time.Duration(rapid.IntRange(0, 10).Draw(t, "cooldown")) * time.Second
		n := rapid.IntRange(2, 5).Draw(t, "keys")
		life := 5 * time.Second
		// One key after the other comes, so that the first has everything.
		for i := range n {
			s.attach(portpool.Key(fmt.Sprint(i)), 200)
			s.run(30 * time.Second)
		}
		// A container that ends is followed by another that waits.
		for range 100 {
			s.run(s.about(life))
			for i := range n {
				k := portpool.Key(fmt.Sprint(i))
				for _, l := range s.list(k, inUse) {
					if s.chance(50) {
						s.become(l, cooling, inUse)
						s.at(s.cooldown, func() { s.become(l, cooled, cooling) })
						s.attach(k, 1)
					}
				}
			}
		}
		least, most := 1<<30, 0
		for i := range n {
			served := s.keys[portpool.Key(fmt.Sprint(i))].served
			least, most = min(least, served), max(most, served)
		}
		if least < 3 || most > 3*least {
			t.Errorf("one key was served %d times, another %d: %d keys, policy %+v", least, most, n, p)
		}
	})
}

// drawObservation is a key as it may look, whatever went before.
func drawObservation(t *rapid.T, family string, now time.Time) portpool.Observation {
	n := func(name string) int { return max(0, rapid.IntRange(-6, 6).Draw(t, name)) }
	return portpool.Observation{
		Family: family, Free: n("free"), InUse: n("in use"), Cooling: n("cooling"), Cooled: n("cooled"), Moving: n("moving"),
		Draining: n("draining"), Creating: n("creating"), Recycling: n("recycling"), Waiting: n("waiting"), Taken: uint64(n("taken")),
		Asked: now.Add(-time.Duration(n("asked")) * time.Minute), Pinned: rapid.Bool().Draw(t, "pinned"),
	}
}

func TestFailuresOfOneKeyChangeNothingForAnother(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t)
		p.Total = 10_000
		calm, failing := portpool.New(p), portpool.New(p)
		now := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
		kind := rapid.SampledFrom([]portpool.FailureKind{portpool.Transient, portpool.Overloaded, portpool.Exhausted, portpool.Refused}).Draw(t, "kind")
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 40_000).Draw(t, "ms")) * time.Millisecond)
			observed := map[portpool.Key]portpool.Observation{
				"fails": drawObservation(t, "", now), "x": drawObservation(t, "f", now), "y": drawObservation(t, "f", now), "z": drawObservation(t, "", now),
			}
			if kind == portpool.Exhausted { // others would give up leases for who waits
				o := observed["fails"]
				o.Waiting = 0
				observed["fails"] = o
			}
			want, _ := calm.Step(now, observed)
			got, _ := failing.Step(now, observed)
			if diff := cmp.Diff(ofOthers(want), ofOthers(got)); diff != "" {
				t.Fatal(diff)
			}
			if rapid.Bool().Draw(t, "fail") {
				failing.Failed(now, "fails", portpool.Failure{Kind: kind})
			}
		}
	})
}

// ofOthers leaves out what concerns the failing key's creates.
func ofOthers(actions []portpool.Action) []portpool.Action {
	var others []portpool.Action
	for _, a := range actions {
		if a.Key != "fails" || a.Kind != portpool.Create {
			others = append(others, a)
		}
	}
	return others
}

func TestTheSameHistoryGivesTheSameActions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t)
		one, two := portpool.New(p), portpool.New(p)
		now := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
		for range rapid.IntRange(1, 10).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 40_000).Draw(t, "ms")) * time.Millisecond)
			observed := map[portpool.Key]portpool.Observation{}
			for _, k := range []portpool.Key{"a", "b", "c", "d", "e"} {
				if rapid.IntRange(0, 9).Draw(t, "there") > 0 {
					observed[k] = drawObservation(t, "f", now)
				}
			}
			want, wantNext := one.Step(now, observed)
			got, gotNext := two.Step(now, observed)
			if diff := cmp.Diff(want, got); diff != "" || wantNext != gotNext {
				t.Fatalf("next %s and %s: %s", wantNext, gotNext, diff)
			}
			if k := drawKey(t); rapid.Bool().Draw(t, "fail") {
				one.Failed(now, k, portpool.Failure{Kind: portpool.Exhausted})
				two.Failed(now, k, portpool.Failure{Kind: portpool.Exhausted})
			}
		}
	})
}
