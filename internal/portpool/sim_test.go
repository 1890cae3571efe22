// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package portpool_test

import (
	"container/heap"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/kuryr-go/kuryr/internal/portpool"
)

// sim is a small cloud and an agent that carry out what an engine orders, on a
// clock of their own. It fails the test when an order is not possible.
type sim struct {
	t      rapid.TB
	rand   *rand.Rand
	now    time.Time
	policy portpool.Policy
	engine *portpool.Engine
	keys   map[portpool.Key]*pool
	leases map[int]*lease // everything that exists or may exist
	lastID int
	events events
	seq    int
	next   time.Time

	// What goes wrong: chances in percent, and the quota of ports.
	chances chances
	quota   int
	// cooldown is how long a lease cools.
	cooldown time.Duration
	// watch sees each action before it is carried out.
	watch func(portpool.Action)
	steps int
}

type chances struct{ createFails, lost, deleteFails, moveFails, checkFails, notCarriedOut int }

// pool is the agent's side of a key.
type pool struct {
	family         string
	pinned, doomed bool
	fails          portpool.FailureKind // all creates, when set
	waiting        []time.Time
	taken          uint64
	asked          time.Time
	served         int
}

type phase int

const (
	creating phase = iota
	free
	inUse
	cooling
	cooled
	moving
	draining
	recycling
)

type lease struct {
	id    int
	key   portpool.Key
	phase phase
}

// become is the only way to another phase: a lease that is not in the phase
// expected would have two owners.
func (s *sim) become(l *lease, to phase, from ...phase) {
	s.t.Helper()
	if !slices.Contains(from, l.phase) || s.leases[l.id] != l {
		s.t.Fatalf("lease %d of %s goes from %d to %d", l.id, l.key, l.phase, to)
	}
	l.phase = to
}

func newSim(t rapid.TB, seed uint64, p portpool.Policy) *sim {
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	return &sim{
		t: t, rand: rand.New(rand.NewPCG(seed, 1)), now: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), policy: p, engine: portpool.New(p),
		keys: map[portpool.Key]*pool{}, leases: map[int]*lease{}, quota: 1 << 30, cooldown: 10 * time.Second,
	}
}

func (s *sim) pool(k portpool.Key) *pool {
	if s.keys[k] == nil {
		s.keys[k] = &pool{}
	}
	return s.keys[k]
}

// list gives the leases of a key in a phase, in order.
func (s *sim) list(k portpool.Key, ph phase) []*lease {
	var found []*lease
	for _, id := range slices.Sorted(maps.Keys(s.leases)) {
		if l := s.leases[id]; l.key == k && l.phase == ph {
			found = append(found, l)
		}
	}
	return found
}

func (s *sim) observe() map[portpool.Key]portpool.Observation {
	observed := map[portpool.Key]portpool.Observation{}
	for k, p := range s.keys {
		observed[k] = portpool.Observation{
			Family: p.family, Waiting: len(p.waiting), Taken: p.taken, Asked: p.asked, Pinned: p.pinned, Doomed: p.doomed,
		}
	}
	for _, l := range s.leases {
		o := observed[l.key]
		*map[phase]*int{
			creating: &o.Creating, free: &o.Free, inUse: &o.InUse, cooling: &o.Cooling, cooled: &o.Cooled,
			moving: &o.Moving, draining: &o.Draining, recycling: &o.Recycling,
		}[l.phase]++
		observed[l.key] = o
	}
	return observed
}

// step asks the engine and carries out what it says.
func (s *sim) step() []portpool.Action {
	s.t.Helper()
	s.steps++
	before := s.observe()
	actions, next := s.engine.Step(s.now, before)
	if !next.IsZero() && !next.After(s.now) {
		s.t.Fatalf("at %s told to come back at %s", s.now, next)
	}
	s.next = next
	s.checkActions(before, actions)
	for _, a := range actions {
		if s.watch != nil {
			s.watch(a)
		}
		n := a.N
		if s.chance(s.chances.notCarriedOut) {
			n = s.rand.IntN(a.N)
			s.at(time.Second, func() {})
		}
		for range n {
			s.carryOut(a)
		}
	}
	return actions
}

func (s *sim) chance(percent int) bool { return percent > 0 && s.rand.IntN(100) < percent }

// take gives the lease that a Delete or a Move takes: cooled before free.
func (s *sim) take(k portpool.Key, to phase) *lease {
	s.t.Helper()
	available := append(s.list(k, cooled), s.list(k, free)...)
	if len(available) == 0 {
		s.t.Fatalf("an action takes a lease of %s, which has none", k)
	}
	s.become(available[0], to, cooled, free)
	return available[0]
}

func (s *sim) carryOut(a portpool.Action) {
	s.t.Helper()
	switch a.Kind {
	case portpool.Create:
		s.lastID++
		l := &lease{id: s.lastID, key: a.Key}
		s.leases[l.id] = l
		s.at(s.about(220*time.Millisecond), func() { s.created(l) })
	case portpool.Delete:
		s.delete(s.take(a.Key, draining))
	case portpool.Move:
		l := s.take(a.Key, moving)
		l.key = a.To
		s.at(s.about(150*time.Millisecond), func() { s.checked(l, s.chances.moveFails) })
	case portpool.Recycle:
		l := s.list(a.Key, cooled)[0]
		s.become(l, recycling, cooled)
		s.at(s.about(50*time.Millisecond), func() { s.checked(l, s.chances.checkFails) })
	}
}

func (s *sim) created(l *lease) {
	p := s.pool(l.key)
	fail := func(f portpool.Failure) {
		delete(s.leases, l.id)
		s.engine.Failed(s.now, l.key, f)
	}
	exist := 0
	for _, other := range s.leases {
		if other.phase != creating {
			exist++
		}
	}
	switch {
	case p.fails != 0:
		fail(portpool.Failure{Kind: p.fails})
	case exist >= s.quota:
		fail(portpool.Failure{Kind: portpool.Exhausted})
	case s.chance(s.chances.createFails):
		kinds := []portpool.FailureKind{portpool.Transient, portpool.Overloaded, portpool.Exhausted, portpool.Refused}
		fail(portpool.Failure{Kind: kinds[s.rand.IntN(4)], RetryAfter: time.Duration(s.rand.IntN(3)) * time.Second})
	case s.chance(s.chances.lost):
		s.engine.Failed(s.now, l.key, portpool.Failure{Kind: portpool.Transient})
		exists := s.chance(50)
		s.at(s.about(20*time.Second), func() {
			if exists {
				s.freed(l)
			} else {
				delete(s.leases, l.id)
			}
		})
	default:
		s.engine.Succeeded(s.now, l.key)
		s.freed(l)
	}
}

// checked ends a move or a check.
func (s *sim) checked(l *lease, fails int) {
	if s.chance(fails) {
		s.become(l, draining, moving, recycling)
		s.delete(l)
		return
	}
	s.freed(l)
}

func (s *sim) delete(l *lease) {
	s.at(s.about(150*time.Millisecond), func() {
		if s.chance(s.chances.deleteFails) {
			s.delete(l)
			return
		}
		s.become(l, draining, draining)
		delete(s.leases, l.id)
	})
}

// freed gives a lease to who waits longest.
func (s *sim) freed(l *lease) {
	s.become(l, free, creating, moving, recycling)
	if p := s.pool(l.key); len(p.waiting) > 0 {
		p.waiting = p.waiting[1:]
		s.use(l)
	}
}

func (s *sim) use(l *lease) {
	s.become(l, inUse, free)
	s.pool(l.key).taken++
	s.pool(l.key).served++
}

// attach asks for n leases.
func (s *sim) attach(k portpool.Key, n int) {
	p := s.pool(k)
	for range n {
		p.asked = s.now
		if available := s.list(k, free); len(available) > 0 {
			s.use(available[0])
		} else {
			p.waiting = append(p.waiting, s.now)
		}
	}
}

// release gives n leases back.
func (s *sim) release(k portpool.Key, n int) {
	for _, l := range s.list(k, inUse) {
		if n--; n < 0 {
			return
		}
		s.become(l, cooling, inUse)
		s.at(s.cooldown, func() { s.become(l, cooled, cooling) })
	}
}

// run lets time pass, stepping whenever something happened or it is due.
func (s *sim) run(d time.Duration) {
	s.t.Helper()
	end := s.now.Add(d)
	s.step()
	for {
		due := s.next
		if len(s.events) > 0 && (due.IsZero() || s.events[0].at.Before(due)) {
			due = s.events[0].at
		}
		if due.IsZero() || due.After(end) {
			s.now = end
			return
		}
		s.now = due
		for len(s.events) > 0 && !s.events[0].at.After(s.now) {
			heap.Pop(&s.events).(event).do()
		}
		s.step()
	}
}

// still lets everything come to rest and fails when it does not.
func (s *sim) still() {
	s.t.Helper()
	for begun := s.steps; ; {
		s.run(time.Hour)
		if len(s.events) == 0 && s.next.IsZero() {
			break
		}
		if s.steps > begun+20_000 {
			s.t.Fatalf("does not come to rest: %+v", s.observe())
		}
	}
	s.now = s.now.Add(24 * time.Hour)
	if actions := s.step(); len(actions) > 0 || !s.next.IsZero() {
		s.t.Fatalf("came to rest, and a day later: %v, next %s", actions, s.next)
	}
}

func (s *sim) at(in time.Duration, do func()) {
	s.seq++
	heap.Push(&s.events, event{s.now.Add(in), s.seq, do})
}

// about is a time between half and one and a half of another.
func (s *sim) about(d time.Duration) time.Duration {
	return d/2 + time.Duration(s.rand.Int64N(int64(d)))
}

type event struct {
	at  time.Time
	seq int
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func held(o portpool.Observation) int {
	return o.Free + o.InUse + o.Cooling + o.Cooled + o.Moving + o.Draining + o.Creating + o.Recycling
}

// checkActions holds what each Step must keep to, whatever happens.
func (s *sim) checkActions(before map[portpool.Key]portpool.Observation, actions []portpool.Action) {
	s.t.Helper()
	total, creates, lastKind := 0, 0, portpool.Kind(0)
	order := map[portpool.Kind]portpool.Kind{portpool.Delete: 1, portpool.Move: 2, portpool.Recycle: 3, portpool.Create: 4}
	after := maps.Clone(before)
	for i, a := range actions {
		if a.N < 1 || a.Reason == "" || order[a.Kind] < lastKind {
			s.t.Fatalf("action %+v among %+v", a, actions)
		}
		lastKind = order[a.Kind]
		creates += s.checkAction(after, a)
		if last := i+1 == len(actions) || actions[i+1].Kind != portpool.Delete; last && a.Kind == portpool.Delete {
			s.checkDeletes(after, actions[:i+1])
		}
	}
	for _, o := range after {
		total += held(o)
	}
	if creates > 0 && total > s.policy.Total {
		s.t.Fatalf("%d leases, at most %d: %+v on %+v", total, s.policy.Total, actions, before)
	}
}

func (s *sim) checkAction(after map[portpool.Key]portpool.Observation, a portpool.Action) (created int) {
	s.t.Helper()
	o := after[a.Key]
	grows := a.Key
	switch a.Kind {
	case portpool.Create:
		o.Creating += a.N
		created = a.N
		if a.Urgent > a.N || a.Urgent > o.Waiting {
			s.t.Fatalf("urgent: %+v with %+v", a, o)
		}
	case portpool.Delete, portpool.Move:
		taken := min(a.N, o.Cooled)
		o.Cooled -= taken
		o.Free -= a.N - taken
		if a.Kind == portpool.Delete {
			o.Draining += a.N
			break
		}
		to := after[a.To]
		if o.Family != to.Family || o.Family == "" {
			s.t.Fatalf("%+v leaves its family", a)
		}
		to.Moving += a.N
		after[a.To] = to
		grows = a.To
	case portpool.Recycle:
		if o.Cooled != a.N {
			s.t.Fatalf("%+v with %+v", a, o)
		}
		o.Cooled, o.Recycling = 0, o.Recycling+a.N
	}
	if o.Free < 0 || o.Cooled < 0 {
		s.t.Fatalf("%+v asks for more than there is: %+v", a, o)
	}
	after[a.Key] = o
	g := after[grows]
	if a.Kind != portpool.Delete && a.Kind != portpool.Recycle && (held(g) > s.policy.Max || g.Doomed) {
		s.t.Fatalf("%+v: %d leases of %s, at most %d", a, held(g), grows, s.policy.Max)
	}
	return created
}

// checkDeletes holds that nobody who waits loses a lease, unless another key
// waits too and nobody has anything to spare.
func (s *sim) checkDeletes(after map[portpool.Key]portpool.Observation, deletes []portpool.Action) {
	s.t.Helper()
	spare := false
	for _, o := range after {
		spare = spare || !o.Doomed && o.Free+o.Cooled > o.Waiting
	}
	for _, a := range deletes {
		o := after[a.Key]
		if o.Doomed || o.Free+o.Cooled >= o.Waiting {
			continue
		}
		var who portpool.Key
		if _, err := fmt.Sscanf(a.Reason, "evicted for %s", &who); spare || err != nil || after[who].Waiting == 0 {
			s.t.Fatalf("%+v starves %s: %+v", a, a.Key, after)
		}
	}
}
