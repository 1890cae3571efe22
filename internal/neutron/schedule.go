// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"slices"
	"time"
)

// lane is where a request waits. Creates of ports have a lane of their own,
// in which those next to each other become one request.
type lane int

const (
	lanePorts = lane(apis)
	lanes     = apis + 1
)

func (l lane) api() api {
	if l == lanePorts {
		return apiCreates
	}
	return api(l)
}

// ticket is a request that waits, or is under way.
type ticket struct {
	priority Priority
	lane     lane
	// kind is the operation, by which latencies are compared.
	kind string
	// number is the order of arrival.
	number uint64
	// queued is when it came.
	queued time.Time
	// items are the ports of the lane of ports: one while it waits.
	items []*Creation
	// sealed tells that items is a part of a bulk that was refused. It goes as
	// it is, lest an item that is at fault fail others again.
	sealed bool
	// granted is closed when a request of another lane may be sent.
	granted chan struct{}

	// Set when it starts.
	started time.Time
	running int
}

// objects is how many objects the request is about.
func (t *ticket) objects() int { return max(1, len(t.items)) }

// queue is a lane of one priority, the first come first.
type queue struct {
	tickets []*ticket
	// ripe is when creates of ports have waited for others to join them.
	ripe time.Time
}

// schedule decides which request starts when. It is a function of what it is
// told: it has no clock, waits for nothing and sends nothing.
type schedule struct {
	// window is how long a create of a port waits for others.
	window  time.Duration
	limit   limiter
	sizes   sizer
	budgets [apis]budget

	queues  [priorities][lanes]queue
	arrived uint64
	// running are the requests under way; behind are those of them that
	// nobody waits for.
	running, behind int
	// starved tells that a request could start but for a slot.
	starved bool
}

func newSchedule(o Options) schedule {
	s := schedule{window: bulkWindow, limit: newLimiter(o.Concurrency), sizes: newSizer(o.BulkTime)}
	writes := newRate(o.WriteRate)
	for a := range s.budgets {
		s.budgets[a].rate = writes
	}
	s.budgets[apiReads].rate, s.budgets[apiKeystone].rate = newRate(o.ReadRate), newRate(o.ReadRate)
	return s
}

// add queues a ticket.
func (s *schedule) add(t *ticket, now time.Time) {
	q := &s.queues[t.priority][t.lane]
	s.arrived++
	t.number, t.queued = s.arrived, now
	if len(q.tickets) == 0 {
		q.ripe = now.Add(s.window)
	}
	q.tickets = append(q.tickets, t)
}

// remove takes a ticket out of its queue. It is false when the ticket is not
// there: it has started.
func (s *schedule) remove(t *ticket) bool {
	q := &s.queues[t.priority][t.lane]
	i := slices.Index(q.tickets, t)
	if i >= 0 {
		q.tickets = slices.Delete(q.tickets, i, i+1)
	}
	return i >= 0
}

// removeItem takes one port out of whatever ticket it waits in. It is false
// when it waits in none.
func (s *schedule) removeItem(item *Creation) bool {
	q := &s.queues[item.priority][lanePorts]
	for _, t := range q.tickets {
		i := slices.Index(t.items, item)
		switch {
		case i < 0:
			continue
		case len(t.items) == 1:
			return s.remove(t)
		}
		t.items = slices.Delete(t.items, i, i+1)
		return true
	}
	return false
}

// due starts all that may start now, and says when to ask again if nothing
// happens until then; zero: not by itself.
func (s *schedule) due(now time.Time) (started []*ticket, again time.Time) {
	s.starved = false
	for p := Waiting; p >= Collection; p-- {
		size := s.chunk(p)
		for {
			q, held, wake := s.first(p, now)
			if !wake.IsZero() && (again.IsZero() || wake.Before(again)) {
				again = wake
			}
			switch {
			case q != nil && !s.slot(p, 0):
				s.starved = true
				return started, again
			case q != nil && s.slot(p, held):
				t := q.take(size)
				s.start(t, now)
				started = append(started, t)
				continue
			case q != nil || held > 0:
				// What is about to start must not find its slot taken.
				return started, again
			}
			break
		}
	}
	return started, again
}

// first is the queue whose first ticket may be sent and came before those of
// the others. held is one while ports wait for others to join them; wake is
// when something more may be sent.
func (s *schedule) first(p Priority, now time.Time) (first *queue, held int, wake time.Time) {
	for l := range lanes {
		q := &s.queues[p][l]
		if len(q.tickets) == 0 {
			continue
		}
		head := q.tickets[0]
		at := s.budgets[lane(l).api()].opens(now)
		if !at.After(now) && head.lane == lanePorts && !head.sealed && q.ripe.After(now) {
			held, at = 1, q.ripe
		}
		switch {
		case !at.After(now):
			if first == nil || head.number < first.tickets[0].number {
				first = q
			}
		case wake.IsZero() || at.Before(wake):
			wake = at
		}
	}
	return first, held, wake
}

// slot tells whether one more request of a priority may be under way. One
// slot is kept free of those that nobody waits for.
func (s *schedule) slot(p Priority, held int) bool {
	limit := s.limit.current()
	if s.running+held >= limit {
		return false
	}
	return p == Waiting || limit < 2 || s.behind < limit-1
}

// chunk is how many ports go in one request. Those that somebody waits for
// are spread over as many requests as may be under way.
func (s *schedule) chunk(p Priority) int {
	size := s.sizes.size()
	if p != Waiting {
		return size
	}
	waiting, limit := len(s.queues[p][lanePorts].tickets), s.limit.current()
	return max(1, min(size, (waiting+limit-1)/limit))
}

// take removes what goes as one request.
func (q *queue) take(size int) *ticket {
	t := q.tickets[0]
	n := 1
	if t.lane == lanePorts && !t.sealed {
		for n < min(size, len(q.tickets)) && !q.tickets[n].sealed {
			t.items = append(t.items, q.tickets[n].items...)
			n++
		}
	}
	q.tickets = slices.Delete(q.tickets, 0, n)
	return t
}

func (s *schedule) start(t *ticket, now time.Time) {
	s.budgets[t.lane.api()].take(now)
	s.running++
	if t.priority < Waiting {
		s.behind++
	}
	t.started, t.running = now, s.running
}

// result is how a request ended.
type result struct {
	verdict verdict
	// refused tells that the API asked for fewer requests, for retryAfter if
	// it said how long.
	refused    bool
	retryAfter time.Duration
}

// finish is told that a request has ended. It gives by how much the pause of
// its API grew.
func (s *schedule) finish(t *ticket, r result, now time.Time) (paused time.Duration) {
	s.limit.observe(sample{
		kind: t.kind, objects: t.objects(), started: t.started, ended: now,
		running: (t.running + s.running + 1) / 2, starved: s.starved, verdict: r.verdict,
	})
	s.running--
	if t.priority < Waiting {
		s.behind--
	}
	if t.lane == lanePorts {
		switch r.verdict {
		case served:
			s.sizes.made(t.objects(), now.Sub(t.started))
		case overloaded:
			s.sizes.failed(t.objects(), now.Sub(t.started))
		}
	}
	b := &s.budgets[t.lane.api()]
	if r.verdict == served {
		b.served()
	}
	if r.refused {
		return b.pause(now, r.retryAfter)
	}
	return 0
}

// again puts the parts of a bulk that was refused where it stood.
func (s *schedule) again(t *ticket, parts ...[]*Creation) {
	var halves []*ticket
	for _, items := range parts {
		if len(items) > 0 {
			halves = append(halves, &ticket{
				priority: t.priority, lane: lanePorts, kind: t.kind, number: t.number, queued: t.queued, items: items, sealed: true,
			})
		}
	}
	q := &s.queues[t.priority][lanePorts]
	q.tickets = slices.Insert(q.tickets, 0, halves...)
}

// queued is how many requests wait, a port counting as one.
func (s *schedule) queued(p Priority) (n int) {
	for l := range lanes {
		for _, t := range s.queues[p][l].tickets {
			n += t.objects()
		}
	}
	return n
}
