// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// start is when the clocks of these tests begin.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// planned is a schedule with what is to be known of it for a check.
type planned struct {
	schedule
	now     time.Time
	again   time.Time
	running []*ticket
	// last is the number of the ticket of a lane that started last.
	last [priorities][lanes]uint64
	done int
}

// advance starts what is due and checks that it is.
func (p *planned) advance(t *rapid.T) {
	started, again := p.due(p.now)
	p.again = again
	var starting *ticket // of the lowest priority
	for _, k := range started {
		if starting == nil || k.priority < starting.priority {
			starting = k
		}
		if k.number < p.last[k.priority][k.lane] && !k.sealed {
			t.Fatalf("%v: ticket %d of lane %d starts after ticket %d", k.priority, k.number, k.lane, p.last[k.priority][k.lane])
		}
		if !k.sealed {
			p.last[k.priority][k.lane] = k.number
		}
		if p.budgets[k.lane.api()].until.After(p.now) {
			t.Fatalf("%v is called while it is left alone", k.lane.api())
		}
		if k.lane == lanePorts && (len(k.items) < 1 || len(k.items) > largestBulk) {
			t.Fatalf("a request of %d ports", len(k.items))
		}
	}
	p.running = append(p.running, started...)
	p.check(t, starting)
	for _, k := range started {
		if q, _, _ := p.first(k.priority, p.now); q != nil && q.tickets[0].number < k.number {
			t.Fatalf("%v: ticket %d starts, and ticket %d waits", k.priority, k.number, q.tickets[0].number)
		}
	}
}

func (p *planned) check(t *rapid.T, starting *ticket) {
	limit := p.limit.current()
	if limit < p.limit.least || limit > p.limit.most {
		t.Fatalf("limit %d", limit)
	}
	if starting != nil && len(p.running) > limit {
		t.Fatalf("%d under way, limit %d", len(p.running), limit)
	}
	behind := 0
	for _, k := range p.running {
		if k.priority < Waiting {
			behind++
		}
	}
	if starting != nil && starting.priority < Waiting && limit > 1 && behind >= limit {
		t.Fatalf("no slot is free of the %d that nobody waits for", behind)
	}
	// A create that waits for others to join it holds back what comes behind.
	held := false
	for priority := Waiting; priority >= Collection; priority-- {
		ripe := func(q *queue) bool { return q.tickets[0].sealed || !q.ripe.After(p.now) }
		could := func(l lane) bool {
			q := &p.queues[priority][l]
			return len(q.tickets) > 0 && !p.budgets[l.api()].opens(p.now).After(p.now)
		}
		held = held || could(lanePorts) && !ripe(&p.queues[priority][lanePorts])
		for l := range lane(lanes) {
			if !could(l) {
				continue
			}
			if starting != nil && starting.priority < priority {
				t.Fatalf("%v starts while %v could", starting.priority, priority)
			}
			if !held && p.slot(priority, 0) {
				t.Fatalf("a %v request waits for nothing", priority)
			}
		}
	}
}

func (p *planned) finish(t *rapid.T, i int, r result) {
	k := p.running[i]
	p.running = append(p.running[:i], p.running[i+1:]...)
	p.schedule.finish(k, r, p.now)
	if k.lane == lanePorts && len(k.items) > 1 && r.verdict == silent {
		p.schedule.again(k, k.items[:len(k.items)/2], k.items[len(k.items)/2:])
	} else {
		p.done += k.objects()
	}
	p.advance(t)
}

// Whatever comes, ends, is refused and given up in whatever order: no
// priority is inverted, lanes keep their order, the limit holds and what is
// to be left alone is, and in the end everything was done.
func TestPrioritiesNeverInvert(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := Options{
			Concurrency: rapid.IntRange(1, 9).Draw(t, "concurrency"),
			ReadRate:    rapid.SampledFrom([]float64{0, 0.7, 20}).Draw(t, "readRate"),
			WriteRate:   rapid.SampledFrom([]float64{0, 3}).Draw(t, "writeRate"),
		}
		o.setDefaults()
		p := &planned{schedule: newSchedule(o), now: start}
		added := 0
		add := func(t *rapid.T) {
			for range rapid.IntRange(1, 12).Draw(t, "tickets") {
				k := &ticket{
					priority: Priority(rapid.IntRange(0, priorities-1).Draw(t, "priority")),
					lane:     lane(rapid.IntRange(0, lanes-1).Draw(t, "lane")), kind: "kind",
				}
				if k.lane == lanePorts {
					k.items = []*Creation{{priority: k.priority}}
				}
				p.add(k, p.now)
				added++
			}
			p.advance(t)
		}
		end := func(t *rapid.T) {
			if len(p.running) == 0 {
				t.Skip("nothing is under way")
			}
			r := result{verdict: verdict(rapid.IntRange(0, int(overloaded)).Draw(t, "verdict"))}
			if r.verdict == overloaded && rapid.Bool().Draw(t, "refused") {
				r.refused, r.retryAfter = true, time.Duration(rapid.IntRange(0, 3).Draw(t, "retryAfter"))*time.Second
			}
			p.finish(t, rapid.IntRange(0, len(p.running)-1).Draw(t, "which"), r)
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": add, "add more": add, "end": end, "end another": end,
			"time passes": func(t *rapid.T) {
				p.now = p.now.Add(time.Duration(rapid.IntRange(1, 2000).Draw(t, "ms")) * time.Millisecond)
				p.advance(t)
			},
			"give up": func(t *rapid.T) {
				priority, l := rapid.IntRange(0, priorities-1).Draw(t, "priority"), rapid.IntRange(0, lanes-1).Draw(t, "lane")
				q := &p.queues[priority][l]
				if len(q.tickets) == 0 {
					t.Skip("nobody waits")
				}
				k := q.tickets[rapid.IntRange(0, len(q.tickets)-1).Draw(t, "which")]
				if l == int(lanePorts) {
					if !p.removeItem(k.items[0]) {
						t.Fatal("a port that waits is not found")
					}
				} else if !p.remove(k) {
					t.Fatal("a ticket that waits is not found")
				}
				p.done++
				p.advance(t)
			},
		})
		p.drain(t)
		if p.done != added {
			t.Fatalf("%d of %d done", p.done, added)
		}
	})
}

// drain lets everything end well, as time passes.
func (p *planned) drain(t *rapid.T) {
	for range 100_000 {
		switch {
		case len(p.running) > 0:
			p.finish(t, 0, result{verdict: served})
		case p.again.After(p.now):
			p.now = p.again
			p.advance(t)
		default:
			for priority := range p.queues {
				if n := p.queued(Priority(priority)); n > 0 {
					t.Fatalf("%d of priority %v wait for ever", n, Priority(priority))
				}
			}
			return
		}
	}
	t.Fatal("it does not end")
}

func TestARateHoldsOnAverageAndLetsASecondsWorthThrough(t *testing.T) {
	r := newRate(10)
	now, passed := start, 0
	for now.Before(start.Add(10 * time.Second)) {
		if !r.opens().After(now) {
			r.take(now)
			passed++
			if passed == 10 && now != start {
				t.Errorf("the tenth passed at %v", now.Sub(start))
			}
			continue
		}
		now = r.opens()
	}
	if passed < 108 || passed > 110 {
		t.Errorf("%d in ten seconds, want ten and then ten a second", passed)
	}
	if newRate(0) != nil {
		t.Error("no rate bounds something")
	}
}

func TestARefusalThatNamesNoTimePausesLongerEachTime(t *testing.T) {
	var b budget
	now := start
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		if grew := b.pause(now, 0); grew != want*time.Second || b.opens(now) != now.Add(want*time.Second) {
			t.Errorf("paused for %v, want %v", grew, want*time.Second)
		}
		now = b.until
	}
	b.served()
	if grew := b.pause(now, 0); grew != time.Second {
		t.Errorf("after a success: %v", grew)
	}
	if grew := b.pause(now, time.Minute); grew != 59*time.Second {
		t.Errorf("a longer pause adds %v", grew)
	}
	if grew := b.pause(now, time.Second); grew != 0 || b.until != now.Add(time.Minute) {
		t.Errorf("a shorter one changes it: %v", grew)
	}
}

func TestTheSizeOfABulkFollowsTheServer(t *testing.T) {
	for _, tt := range []struct {
		request, each time.Duration
		least, most   int
	}{
		{20 * time.Millisecond, 100 * time.Millisecond, 8, 10},
		{200 * time.Millisecond, 20 * time.Millisecond, 35, 50},
		{0, time.Second, 1, 1},
		{100 * time.Millisecond, time.Minute, 1, 1},
		{time.Millisecond, time.Millisecond, largestBulk, largestBulk},
	} {
		s := newSizer(DefaultBulkTime)
		for range 60 {
			n := s.size()
			s.made(n, tt.request+time.Duration(n)*tt.each)
		}
		if n := s.size(); n < tt.least || n > tt.most {
			t.Errorf("%v and %v a port: %d, want %d to %d", tt.request, tt.each, n, tt.least, tt.most)
		}
	}
}

func TestABulkThatWasTooLargeIsNotTriedAgain(t *testing.T) {
	s := newSizer(DefaultBulkTime)
	for range 20 {
		s.made(s.size(), 10*time.Millisecond)
	}
	before := s.size()
	s.failed(before, time.Minute)
	if after := s.size(); before != largestBulk || after > before/5 {
		t.Errorf("%d, and after a minute without an answer %d", before, after)
	}
}

// server is a cloud of some workers, each of which takes its time for a
// request; what comes when all are busy shares them.
type server struct {
	workers int
	takes   time.Duration
	random  *rand.Rand
}

func (v *server) latency(running int) time.Duration {
	scatter := 0.7 + 0.6*v.random.Float64()
	return time.Duration(float64(v.takes) * scatter * max(1, float64(running)/float64(v.workers)))
}

// saturate has n requests answered while more wait than the limit lets through.
func (v *server) saturate(l *limiter, now time.Time, n int) time.Time {
	for range n {
		took := v.latency(l.current())
		now = now.Add(took / time.Duration(l.current()))
		l.observe(sample{kind: "k", objects: 1, started: now.Add(-took), ended: now, running: l.current(), starved: true, verdict: served})
	}
	return now
}

// calm has n requests answered one after the other.
func (v *server) calm(l *limiter, now time.Time, n int) time.Time {
	for range n {
		took := v.latency(1)
		l.observe(sample{kind: "k", objects: 1, started: now, ended: now.Add(took), running: 1, verdict: served})
		now = now.Add(took)
	}
	return now
}

func TestTheLimitFindsWhatTheServerBears(t *testing.T) {
	for _, tt := range []struct{ workers, most, from, to int }{
		{1, 8, 2, 3},
		{4, 16, 4, 10},
		{8, 8, 8, 8},
		{16, 32, 16, 32},
		{1, 1, 1, 1},
	} {
		t.Run(fmt.Sprintf("%d workers", tt.workers), func(t *testing.T) {
			v := &server{workers: tt.workers, takes: 200 * time.Millisecond, random: rand.New(rand.NewPCG(1, 2))}
			l := newLimiter(tt.most)
			now := v.saturate(&l, v.calm(&l, start, 100), 600)
			if n := l.current(); n < tt.from || n > tt.to {
				t.Errorf("%d, want %d to %d", n, tt.from, tt.to)
			}
			// And it is found again after a time without much to do.
			v.saturate(&l, v.calm(&l, now, 100), 600)
			if n := l.current(); n < tt.from || n > tt.to {
				t.Errorf("later %d, want %d to %d", n, tt.from, tt.to)
			}
		})
	}
}

func TestTheLimitIsHalvedOncePerRoundAndGrowsAgain(t *testing.T) {
	v := &server{workers: 8, takes: 100 * time.Millisecond, random: rand.New(rand.NewPCG(1, 2))}
	l := newLimiter(8)
	now := v.saturate(&l, start, 300)
	if l.current() != 8 {
		t.Fatalf("limit %d, want 8", l.current())
	}
	for range 8 { // all that were under way
		l.observe(sample{kind: "k", objects: 1, started: now, ended: now.Add(time.Second), running: 8, verdict: overloaded})
	}
	if l.current() != 4 {
		t.Errorf("after an overload %d, want 4", l.current())
	}
	for i := range 10 {
		from := now.Add(time.Duration(i+1) * time.Second)
		l.observe(sample{kind: "k", objects: 1, started: from, ended: from.Add(time.Second), running: 4, verdict: overloaded})
	}
	if l.current() != 2 {
		t.Errorf("after many %d, want 2", l.current())
	}
	v.saturate(&l, now.Add(time.Minute), 300)
	if l.current() != 8 {
		t.Errorf("when all is well again %d, want 8", l.current())
	}
}

func TestTheLimitGrowsForNobodyWhoDoesNotWait(t *testing.T) {
	v := &server{workers: 8, takes: 100 * time.Millisecond, random: rand.New(rand.NewPCG(1, 2))}
	l := newLimiter(8)
	v.calm(&l, start, 500)
	if l.current() != firstLimit {
		t.Errorf("limit %d, want %d", l.current(), firstLimit)
	}
}

// What a bulk takes for its ports is no reason to make fewer requests.
func TestABulkIsNotTakenForASlowRequest(t *testing.T) {
	l := newLimiter(8)
	now := start
	for i := range 400 {
		n := 1 + i%10
		took := 50*time.Millisecond + time.Duration(n)*100*time.Millisecond
		l.observe(sample{kind: "k", objects: n, started: now, ended: now.Add(took), running: l.current(), starved: true, verdict: served})
		now = now.Add(took)
	}
	if l.current() != 8 {
		t.Errorf("limit %d, want 8", l.current())
	}
}

func TestADeadlineOfTheCallerSaysSomethingOnlyWhenItWasLong(t *testing.T) {
	l := newLimiter(8)
	now := start
	v := &server{workers: 8, takes: 100 * time.Millisecond, random: rand.New(rand.NewPCG(1, 2))}
	now = v.calm(&l, now, 10)
	l.observe(sample{kind: "k", objects: 1, started: now, ended: now.Add(200 * time.Millisecond), running: 1, verdict: late})
	if l.current() != firstLimit {
		t.Errorf("after 200 ms: %d", l.current())
	}
	l.observe(sample{kind: "k", objects: 1, started: now, ended: now.Add(5 * time.Second), running: 1, verdict: late})
	if l.current() != firstLimit/2 {
		t.Errorf("after 5 s: %d", l.current())
	}
}
