// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package portpool_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kuryr-go/kuryr/internal/portpool"
)

// failing is a key whose creates are ordered and answered one step at a time.
type failing struct {
	t      *testing.T
	engine *portpool.Engine
	now    time.Time
	keys   observations
}

func (f *failing) step(in time.Duration) []portpool.Action {
	f.now = f.now.Add(in)
	actions, _ := f.engine.Step(f.now, f.keys)
	return actions
}

func (f *failing) expect(what string, in time.Duration, want ...portpool.Action) {
	f.t.Helper()
	if diff := cmp.Diff(want, f.step(in)); diff != "" {
		f.t.Errorf("%s: %s", what, diff)
	}
}

func TestAFailingKeyIsTriedAtAGrowingDistanceOneAtATime(t *testing.T) {
	f := &failing{t, portpool.New(plain()), noon, observations{"a": {Waiting: 2}}}
	all := portpool.Action{Kind: portpool.Create, Key: "a", N: 6, Urgent: 2, Reason: "2 wait"}
	probe := portpool.Action{Kind: portpool.Create, Key: "a", N: 1, Urgent: 1, Reason: "2 wait"}
	f.expect("at first", 0, all)
	for range 6 { // a batch fails as one
		f.engine.Failed(f.now, "a", portpool.Failure{Kind: portpool.Transient})
	}
	distance := time.Second
	for range 9 {
		if until, blocked := f.engine.Blocked(f.now, "a"); !blocked || until != f.now.Add(distance) {
			t.Errorf("blocked %v until %s; it is %s", blocked, until, f.now)
		}
		if _, next := f.engine.Step(f.now, f.keys); next != f.now.Add(distance) {
			t.Errorf("to be stepped at %s; it is %s", next, f.now)
		}
		f.expect("just before", distance-1)
		f.expect("when it is time", 1, probe)
		f.expect("and no second one", 0)
		f.engine.Failed(f.now, "a", portpool.Failure{Kind: portpool.Exhausted})
		distance = min(2*distance, time.Minute)
	}
	f.expect("the probe", distance, probe)
	f.engine.Succeeded(f.now, "a")
	if _, blocked := f.engine.Blocked(f.now, "a"); blocked {
		t.Error("blocked after a success")
	}
	f.expect("all is well", 0, all)
}

func TestAProbeThatIsNeverAnsweredIsFollowedByAnother(t *testing.T) {
	f := &failing{t, portpool.New(plain()), noon, observations{"a": used(portpool.Observation{})}}
	f.step(0)
	f.engine.Failed(f.now, "a", portpool.Failure{Kind: portpool.Transient})
	probe := portpool.Action{Kind: portpool.Create, Key: "a", N: 1, Reason: "warm"}
	f.expect("the first", time.Second, probe)
	f.expect("the second", time.Second, probe)
}

func TestTheCloudIsGivenTheTimeItAskedFor(t *testing.T) {
	f := &failing{t, portpool.New(plain()), noon, observations{"a": {Waiting: 1}}}
	f.step(0)
	f.engine.Failed(f.now, "a", portpool.Failure{Kind: portpool.Overloaded, RetryAfter: 90 * time.Second})
	f.engine.Failed(f.now, "a", portpool.Failure{Kind: portpool.Overloaded})
	if until, _ := f.engine.Blocked(f.now, "a"); until != noon.Add(90*time.Second) {
		t.Errorf("until %s", until)
	}
}

func TestOfABatchTheWorstFailureCounts(t *testing.T) {
	f := &failing{t, portpool.New(plain()), noon, observations{"a": {Waiting: 2, Moving: 1}, "b": idle(portpool.Observation{Free: 1})}}
	f.step(0)
	f.engine.Failed(f.now, "a", portpool.Failure{Kind: portpool.Exhausted})
	f.engine.Failed(f.now, "a", portpool.Failure{Kind: portpool.Transient})
	f.expect("the quota is still known to be used up", 0, portpool.Action{Kind: portpool.Delete, Key: "b", N: 1, Reason: "quota needed by a"})
}

func TestNobodyGivesUpAQuotaForWhoIsServedByMoves(t *testing.T) {
	f := &failing{t, portpool.New(plain()), noon, observations{"a": {Waiting: 2, Moving: 2}, "b": idle(portpool.Observation{Free: 1})}}
	f.step(0)
	f.engine.Failed(f.now, "a", portpool.Failure{Kind: portpool.Exhausted})
	f.expect("two wait and two are on the way", 0)
}

func TestKindsHaveNames(t *testing.T) {
	for kind, want := range map[fmt.Stringer]string{
		portpool.Create: "create", portpool.Delete: "delete", portpool.Move: "move", portpool.Recycle: "recycle", portpool.Kind(0): "unknown",
		portpool.Transient: "transient", portpool.Overloaded: "overloaded", portpool.Exhausted: "exhausted", portpool.Refused: "refused",
		portpool.FailureKind(0): "unknown",
	} {
		if got := kind.String(); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

func TestWhatWasRefusedIsTriedAtTheLongestDistance(t *testing.T) {
	f := &failing{t, portpool.New(plain()), noon, observations{"a": {Waiting: 1}}}
	f.step(0)
	f.engine.Failed(f.now, "a", portpool.Failure{Kind: portpool.Transient})
	f.engine.Failed(f.now, "a", portpool.Failure{Kind: portpool.Refused})
	f.expect("before", time.Minute-1)
	f.expect("then", 1, portpool.Action{Kind: portpool.Create, Key: "a", N: 1, Urgent: 1, Reason: "1 wait"})
}

func TestAFailureHoldsBackNothingButCreates(t *testing.T) {
	f := &failing{t, portpool.New(plain()), noon, observations{"a": used(portpool.Observation{})}}
	f.step(0)
	f.engine.Failed(f.now, "a", portpool.Failure{Kind: portpool.Refused})
	f.keys = observations{
		"a": used(portpool.Observation{Family: "f", Cooled: 1}), "b": idle(portpool.Observation{Family: "f", Free: 3}), "c": {Waiting: 1},
	}
	f.expect("moves, checks and other keys", time.Second,
		portpool.Action{Kind: portpool.Move, Key: "b", To: "a", N: 2, Reason: "warm"},
		portpool.Action{Kind: portpool.Recycle, Key: "a", N: 1, Reason: "needed"},
		portpool.Action{Kind: portpool.Create, Key: "c", N: 5, Urgent: 1, Reason: "1 wait"},
	)
	f.keys = observations{"a": idle(portpool.Observation{Free: 3})}
	f.engine.SetPolicy(plain(func(p *portpool.Policy) { p.Max = 1; p.Warm = 1 }))
	f.expect("deletes", time.Second, portpool.Action{Kind: portpool.Delete, Key: "a", N: 2, Reason: "above the key's ceiling"})
}

func TestWhoWaitsForAQuotaGetsWhatOthersDoNotNeedOnceForEachFailure(t *testing.T) {
	f := &failing{t, portpool.New(plain()), noon, observations{
		"a": {Waiting: 5}, "b": idle(portpool.Observation{Free: 1, InUse: 2}), "c": used(portpool.Observation{Free: 4}), "d": used(portpool.Observation{Free: 6}),
	}}
	f.step(0)
	f.engine.Failed(f.now, "a", portpool.Failure{Kind: portpool.Exhausted})
	f.expect("the surplus of d and the minimum of b, who is idle; c stays warm", 0,
		portpool.Action{Kind: portpool.Delete, Key: "b", N: 1, Reason: "quota needed by a"},
		portpool.Action{Kind: portpool.Delete, Key: "d", N: 2, Reason: "quota needed by a"},
	)
	f.keys = observations{
		"a": {Waiting: 5}, "b": idle(portpool.Observation{InUse: 2}), "c": used(portpool.Observation{Free: 5}), "d": used(portpool.Observation{Free: 4}),
	}
	f.expect("b does not take back what it gave, and c gives nothing for the same failure", time.Millisecond)
	f.expect("the probe", time.Second, portpool.Action{Kind: portpool.Create, Key: "a", N: 1, Urgent: 1, Reason: "5 wait"})
	f.engine.Failed(f.now, "a", portpool.Failure{Kind: portpool.Exhausted})
	f.expect("the next failure", 0, portpool.Action{Kind: portpool.Delete, Key: "c", N: 1, Reason: "quota needed by a"})
	delete(f.keys, "a")
	f.keys["c"] = used(portpool.Observation{Free: 4})
	f.expect("nobody waits: b has its minimum again", 0, portpool.Action{Kind: portpool.Create, Key: "b", N: 1, Reason: "min"})
}
