// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package portpool_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kuryr-go/kuryr/internal/portpool"
)

var noon = time.Date(2025, 1, 1, 12, 0, 0, 0, time.UTC)

// plain keeps 4 warm and remembers no bursts.
func plain(change ...func(*portpool.Policy)) portpool.Policy {
	p := portpool.Policy{
		Min: 1, Warm: 4, Max: 20, Total: 40, IdleAfter: 10 * time.Minute,
		RetryMin: time.Second, RetryMax: time.Minute, RecycleEvery: time.Minute,
	}
	for _, c := range change {
		c(&p)
	}
	return p
}

type observations = map[portpool.Key]portpool.Observation

// used is a key that was asked for a minute ago.
func used(o portpool.Observation) portpool.Observation {
	o.Asked = noon.Add(-time.Minute)
	return o
}

// idle is a key that was asked for an hour ago.
func idle(o portpool.Observation) portpool.Observation {
	o.Asked = noon.Add(-time.Hour)
	return o
}

const create, del, move, recycle = portpool.Create, portpool.Delete, portpool.Move, portpool.Recycle

func total(n int) func(*portpool.Policy) { return func(p *portpool.Policy) { p.Total = n } }
func most(n int) func(*portpool.Policy)  { return func(p *portpool.Policy) { p.Max = n } }

// firstStep is what an engine does that sees some keys for the first time.
type firstStep struct {
	name   string
	policy portpool.Policy
	keys   observations
	want   []portpool.Action
}

func check(t *testing.T, steps []firstStep) {
	for _, tt := range steps {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.policy.Validate(); err != nil {
				t.Fatal(err)
			}
			got, _ := portpool.New(tt.policy).Step(noon, tt.keys)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestADeficitIsMetTheCheapestWay(t *testing.T) {
	check(t, []firstStep{
		{
			"a key in use is kept warm", plain(),
			observations{"a": used(portpool.Observation{Free: 1, InUse: 3})},
			[]portpool.Action{{Kind: create, Key: "a", N: 3, Reason: "warm"}},
		},
		{
			"a pinned key is kept warm though nobody asks", plain(),
			observations{"a": {Pinned: true}},
			[]portpool.Action{{Kind: create, Key: "a", N: 4, Reason: "warm"}},
		},
		{
			"a key that is only known has its minimum", plain(),
			observations{"a": {}},
			[]portpool.Action{{Kind: create, Key: "a", N: 1, Reason: "min"}},
		},
		{
			"who waits comes on top, and is urgent", plain(),
			observations{"a": {Waiting: 3}},
			[]portpool.Action{{Kind: create, Key: "a", N: 7, Urgent: 3, Reason: "3 wait"}},
		},
		{
			"what is on its way is not ordered again", plain(),
			observations{"a": used(portpool.Observation{Waiting: 2, Creating: 3, Recycling: 1, Moving: 2})},
			nil,
		},
		{
			"who waits does not wait for a lease that moves", plain(),
			observations{"a": {Waiting: 2, Moving: 9}},
			[]portpool.Action{{Kind: create, Key: "a", N: 2, Urgent: 2, Reason: "2 wait"}},
		},
		{
			"who waits gets a cooled lease, however many are moving", plain(),
			observations{"a": {Waiting: 1, Cooled: 1, Moving: 9}},
			[]portpool.Action{{Kind: recycle, Key: "a", N: 1, Reason: "needed"}},
		},
		{
			"cooled leases are checked before any are made", plain(),
			observations{"a": used(portpool.Observation{Cooled: 3})},
			[]portpool.Action{{Kind: recycle, Key: "a", N: 3, Reason: "needed"}, {Kind: create, Key: "a", N: 1, Reason: "warm"}},
		},
		{
			"cooled leases that nobody needs wait for company", plain(),
			observations{"a": used(portpool.Observation{Free: 4, Cooled: 1})},
			nil,
		},
		{
			"what a relative has to spare is moved", plain(),
			observations{"a": used(portpool.Observation{Family: "f", Free: 1}), "b": idle(portpool.Observation{Family: "f", Free: 2, Cooled: 1})},
			[]portpool.Action{{Kind: move, Key: "b", To: "a", N: 2, Reason: "warm"}, {Kind: create, Key: "a", N: 1, Reason: "warm"}},
		},
		{
			"who waits gets a lease of his own, and what is moved fills up behind", plain(),
			observations{"a": {Family: "f", Waiting: 2}, "b": idle(portpool.Observation{Family: "f", Free: 9})},
			[]portpool.Action{
				{Kind: del, Key: "b", N: 4, Reason: "idle"},
				{Kind: move, Key: "b", To: "a", N: 4, Reason: "2 wait"},
				{Kind: create, Key: "a", N: 2, Urgent: 2, Reason: "2 wait"},
			},
		},
		{
			"strangers' leases are not moved", plain(),
			observations{"a": used(portpool.Observation{Family: "f"}), "b": idle(portpool.Observation{Family: "g", Free: 3}), "c": idle(portpool.Observation{Free: 1})},
			[]portpool.Action{{Kind: del, Key: "b", N: 2, Reason: "idle"}, {Kind: create, Key: "a", N: 4, Reason: "warm"}},
		},
	})
}

func TestWhatNobodyNeedsGoes(t *testing.T) {
	check(t, []firstStep{
		{
			"an idle key drains to its minimum, its containers left alone", plain(),
			observations{"a": idle(portpool.Observation{Free: 3, Cooled: 2, InUse: 5, Cooling: 2})},
			[]portpool.Action{{Kind: del, Key: "a", N: 4, Reason: "idle"}},
		},
		{
			"after a restart a key keeps what it has until it was idle", plain(),
			observations{"a": {Free: 6}},
			nil,
		},
		{
			"a doomed key gives up what is free, and gets nothing", plain(),
			observations{"a": {Free: 2, Cooled: 2, InUse: 1, Cooling: 1, Creating: 1, Waiting: 3, Doomed: true}},
			[]portpool.Action{{Kind: del, Key: "a", N: 4, Reason: "doomed"}},
		},
	})
}

func TestTheCeilingsHold(t *testing.T) {
	check(t, []firstStep{
		{
			"a key's ceiling counts leases in every state", plain(most(10)),
			observations{"a": {Waiting: 9, InUse: 2, Cooling: 1, Draining: 1, Creating: 1, Moving: 1, Recycling: 1}},
			[]portpool.Action{{Kind: create, Key: "a", N: 3, Urgent: 3, Reason: "9 wait"}},
		},
		{
			"above a lowered ceiling of a key the free go, and nothing is made", plain(most(4)),
			observations{"a": {InUse: 3, Free: 6, Pinned: true}},
			[]portpool.Action{{Kind: del, Key: "a", N: 5, Reason: "above the key's ceiling"}},
		},
		{
			"above a lowered ceiling of the node the longest idle give up first", plain(total(8)),
			observations{"a": {InUse: 3, Free: 4, Pinned: true}, "b": idle(portpool.Observation{Free: 4}), "c": used(portpool.Observation{Free: 4})},
			[]portpool.Action{{Kind: del, Key: "a", N: 1, Reason: "above the node's ceiling"}, {Kind: del, Key: "b", N: 3, Reason: "above the node's ceiling"}, {Kind: del, Key: "c", N: 3, Reason: "above the node's ceiling"}},
		},
		{
			"at the node's ceiling who waits comes before who is warm", plain(total(12)),
			observations{"a": {Waiting: 3}, "b": used(portpool.Observation{InUse: 6, Free: 4})},
			[]portpool.Action{{Kind: del, Key: "b", N: 1, Reason: "evicted for a"}, {Kind: create, Key: "a", N: 2, Urgent: 2, Reason: "3 wait"}},
		},
		{
			"room that deletes will make is waited for", plain(total(12)),
			observations{"a": {Waiting: 3}, "b": used(portpool.Observation{InUse: 4, Free: 4, Draining: 4})},
			nil,
		},
		{
			"a minimum is given up only when there is nothing else", plain(total(10)),
			observations{"a": {Waiting: 3}, "b": idle(portpool.Observation{Free: 1, InUse: 4}), "c": used(portpool.Observation{Free: 2, InUse: 3})},
			[]portpool.Action{{Kind: del, Key: "b", N: 1, Reason: "evicted for a"}, {Kind: del, Key: "c", N: 2, Reason: "evicted for a"}},
		},
		{
			"nothing is evicted for a key at its own ceiling", plain(total(12), most(6)),
			observations{"a": {Waiting: 3, InUse: 6}, "b": used(portpool.Observation{InUse: 2, Free: 4})},
			nil,
		},
		{
			"for who gets room no more is moved than is kept free", plain(total(12)),
			observations{"a": {Family: "f", Waiting: 2}, "b": idle(portpool.Observation{Family: "f", Free: 12})},
			[]portpool.Action{
				{Kind: del, Key: "b", N: 2, Reason: "evicted for a"},
				{Kind: del, Key: "b", N: 5, Reason: "idle"},
				{Kind: move, Key: "b", To: "a", N: 4, Reason: "warm"},
			},
		},
		{
			"minimums come before what is warm", plain(total(2)),
			observations{"a": {Pinned: true, Free: 1}, "b": {}},
			[]portpool.Action{{Kind: create, Key: "b", N: 1, Reason: "min"}},
		},
		{
			"scarce room is dealt out one each", plain(total(13)),
			observations{"a": {Waiting: 9}, "b": {Waiting: 1}, "c": {Waiting: 5, InUse: 8}},
			[]portpool.Action{{Kind: create, Key: "a", N: 2, Urgent: 2, Reason: "9 wait"}, {Kind: create, Key: "b", N: 1, Urgent: 1, Reason: "1 wait"}, {Kind: create, Key: "c", N: 2, Urgent: 2, Reason: "5 wait"}},
		},
	})
}

func TestASurplusOfAKeyInUseMustLastBeforeItGoes(t *testing.T) {
	e := portpool.New(plain())
	step := func(after time.Duration, free int) []portpool.Action {
		actions, _ := e.Step(noon.Add(after), observations{"a": used(portpool.Observation{Free: free})})
		return actions
	}
	for _, c := range []struct {
		after time.Duration
		free  int
	}{{0, 7}, {40 * time.Second, 6}, {80 * time.Second, 8}} {
		if got := step(c.after, c.free); got != nil {
			t.Errorf("after %s: %v", c.after, got)
		}
	}
	want := []portpool.Action{{Kind: portpool.Delete, Key: "a", N: 2, Reason: "surplus"}}
	if diff := cmp.Diff(want, step(2*time.Minute, 8)); diff != "" {
		t.Errorf("the least of two minutes: %s", diff)
	}
}

func TestCooledLeasesAreCheckedTogetherWhenTheyWaitedLongEnough(t *testing.T) {
	e := portpool.New(plain(func(p *portpool.Policy) { p.Warm, p.RecycleEvery = 9, 20*time.Second }))
	keys := observations{"a": used(portpool.Observation{Free: 9, Cooled: 1})}
	if actions, next := e.Step(noon, keys); actions != nil || next != noon.Add(20*time.Second) {
		t.Fatalf("%v, next %s", actions, next)
	}
	keys["a"] = used(portpool.Observation{Free: 8, InUse: 1, Creating: 1, Cooled: 3})
	if actions, _ := e.Step(noon.Add(19*time.Second), keys); actions != nil {
		t.Fatalf("%v", actions)
	}
	actions, _ := e.Step(noon.Add(20*time.Second), keys)
	want := []portpool.Action{{Kind: portpool.Recycle, Key: "a", N: 3, Reason: "cooled"}}
	if diff := cmp.Diff(want, actions); diff != "" {
		t.Error(diff)
	}
}

func TestTheTargetIsWhatTheCeilingsLeave(t *testing.T) {
	e := portpool.New(plain(func(p *portpool.Policy) { p.Max, p.Total = 6, 10 }))
	for _, c := range []struct {
		o    portpool.Observation
		want int
	}{
		{portpool.Observation{Pinned: true}, 4},
		{portpool.Observation{Pinned: true, InUse: 3, Cooling: 1}, 2},
		{portpool.Observation{InUse: 3, Waiting: 2}, 1},
		{portpool.Observation{InUse: 3, Waiting: 5}, 0},
	} {
		if e.Step(noon, observations{"a": c.o}); e.Target("a") != c.want {
			t.Errorf("%+v: target %d, not %d", c.o, e.Target("a"), c.want)
		}
	}
	e.Step(noon, observations{"a": {Pinned: true, Free: 1}, "b": {InUse: 7, Free: 1}})
	if got := e.Target("a"); got != 2 {
		t.Errorf("with room for one more beside the one: target %d", got)
	}
}

func TestRoomGoesToWhoWasServedLongestAgo(t *testing.T) {
	e := portpool.New(plain(func(p *portpool.Policy) { p.Total = 3 }))
	served := map[portpool.Key]int{}
	for held := 2; held < 11; held++ { // one more lease has gone each time
		actions, _ := e.Step(noon, observations{"a": {Waiting: 9}, "b": {Waiting: 9}, "c": {Waiting: 9}, "d": {InUse: 2}})
		for _, a := range actions {
			served[a.Key] += a.N
		}
	}
	if diff := cmp.Diff(map[portpool.Key]int{"a": 3, "b": 3, "c": 3}, served); diff != "" {
		t.Error(diff)
	}
}

func TestWhoWaitsThemselvesShareWhatCooled(t *testing.T) {
	e := portpool.New(plain(func(p *portpool.Policy) { p.Total = 5 }))
	e.Step(noon, observations{"a": {Waiting: 4}, "b": {InUse: 1}})
	actions, _ := e.Step(noon, observations{"a": {Waiting: 9, Cooled: 4}, "b": {InUse: 1, Waiting: 9}})
	want := []portpool.Action{{Kind: del, Key: "a", N: 2, Reason: "evicted for b"}, {Kind: recycle, Key: "a", N: 2, Reason: "needed"}}
	if diff := cmp.Diff(want, actions); diff != "" {
		t.Error(diff)
	}
}

func TestAKeyThatVanishedIsForgotten(t *testing.T) {
	e := portpool.New(plain())
	e.Step(noon, observations{"a": {Waiting: 1}})
	e.Failed(noon, "a", portpool.Failure{Kind: portpool.Refused})
	if _, blocked := e.Blocked(noon, "a"); !blocked || e.Target("a") != 4 {
		t.Errorf("blocked %v, target %d", blocked, e.Target("a"))
	}
	e.Step(noon, nil)
	if _, blocked := e.Blocked(noon, "a"); blocked || e.Target("a") != 0 {
		t.Errorf("after it vanished: blocked %v, target %d", blocked, e.Target("a"))
	}
	e.Failed(noon, "a", portpool.Failure{Kind: portpool.Refused})
	e.Succeeded(noon, "a")
	if actions, _ := e.Step(noon, observations{"a": {Waiting: 1}}); len(actions) != 1 || actions[0].N != 5 {
		t.Errorf("when it is back: %v", actions)
	}
}

func TestAPolicyTellsAllThatIsWrongWithIt(t *testing.T) {
	if err := plain().Validate(); err != nil {
		t.Error(err)
	}
	err := portpool.Policy{Min: -1, Warm: 3, Max: 2, RetryMin: 2, RetryMax: 1, BurstMemory: -1, RecycleEvery: -1}.Validate()
	if err == nil {
		t.Fatal("valid")
	}
	for _, want := range []string{"Min is -1", "Warm is 3, more than Max", "Total is 0", "IdleAfter is 0s", "RetryMax is 1ns", "BurstMemory is -1ns", "RecycleEvery is -1ns"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %s", want, err)
		}
	}
}
