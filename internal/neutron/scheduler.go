// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"context"
	"sync"
	"time"
)

// scheduler lets requests wait for what the schedule decides.
type scheduler struct {
	metrics *loadMetrics
	// send makes ports, in a goroutine of its own, and calls finish.
	send func(*ticket)

	mu    sync.Mutex
	plan  schedule    // guarded by mu
	timer *time.Timer // guarded by mu; calls pump
}

func newScheduler(o Options, send func(*ticket)) *scheduler {
	s := &scheduler{send: send, plan: newSchedule(o)}
	s.metrics = newLoadMetrics(s.load)
	return s
}

// wait waits until a request may be sent. finish must follow. The error is
// that of ctx, and then nothing must be sent.
func (s *scheduler) wait(ctx context.Context, k call) (*ticket, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t := &ticket{priority: priorityOf(ctx), lane: lane(apiOf(k)), kind: k.operation, granted: make(chan struct{})}
	s.mu.Lock()
	s.plan.add(t, time.Now())
	s.advance()
	s.mu.Unlock()
	select {
	case <-t.granted:
		// A select on both could send a request that nobody waits for.
		if ctx.Err() == nil {
			return t, nil
		}
	case <-ctx.Done():
	}
	s.leave(t)
	return nil, ctx.Err()
}

// leave is told that nobody waits for a ticket any more.
func (s *scheduler) leave(t *ticket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.plan.remove(t) {
		s.plan.finish(t, result{}, time.Now())
	}
	s.advance()
}

// submit queues the creation of a port. It takes it out again, and ends it,
// when its context ends first.
func (s *scheduler) submit(item *Creation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	item.forget = context.AfterFunc(item.ctx, func() { s.drop(item) })
	s.plan.add(&ticket{priority: item.priority, lane: lanePorts, kind: createPort, items: []*Creation{item}}, time.Now())
	s.advance()
}

// drop ends a creation that is not under way. When it returns, it has.
func (s *scheduler) drop(item *Creation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.plan.removeItem(item) {
		item.giveUp(s.plan.budgets[apiCreates].until)
		s.advance()
	}
}

// finish is told that a request has ended. parts are what is to be sent
// again of a bulk that was refused, in their order.
func (s *scheduler) finish(t *ticket, r result, parts ...[]*Creation) {
	s.mu.Lock()
	paused := s.plan.finish(t, r, time.Now())
	var gone []*Creation
	for i := range parts {
		// Those whose context ended while they were under way are not dropped
		// any more; those whose context ends from here on are.
		var left []*Creation
		left, gone = alive(parts[i], gone)
		parts[i] = left
	}
	s.plan.again(t, parts...)
	s.advance()
	s.mu.Unlock()
	s.metrics.paused.WithLabelValues(t.lane.api().String()).Add(paused.Seconds())
	for _, item := range gone {
		item.giveUp(s.pausedUntil(t.lane.api()))
	}
}

// alive gives the items whose contexts have not ended, and adds the others
// to gone.
func alive(items, gone []*Creation) (live, ended []*Creation) {
	for _, item := range items {
		if item.ctx.Err() == nil {
			live = append(live, item)
		} else {
			gone = append(gone, item)
		}
	}
	return live, gone
}

// pause holds back what calls an API.
func (s *scheduler) pause(a api, retryAfter time.Duration) {
	s.mu.Lock()
	paused := s.plan.budgets[a].pause(time.Now(), retryAfter)
	s.mu.Unlock()
	s.metrics.paused.WithLabelValues(a.String()).Add(paused.Seconds())
}

// pausedUntil is when an API may be called again; in the past: now.
func (s *scheduler) pausedUntil(a api) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.plan.budgets[a].until
}

func (s *scheduler) pump() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
}

// advance starts what is due, and sees to it that it is called again in time.
// The caller holds mu.
func (s *scheduler) advance() {
	now := time.Now()
	started, again := s.plan.due(now)
	for _, t := range started {
		s.observe(t, now)
		if t.lane == lanePorts {
			go s.send(t)
		} else {
			close(t.granted)
		}
	}
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	if !again.IsZero() {
		s.timer = time.AfterFunc(again.Sub(now), s.pump)
	}
}

// observe measures what starts.
func (s *scheduler) observe(t *ticket, now time.Time) {
	waits := s.metrics.waits.WithLabelValues(t.priority.String())
	if t.lane != lanePorts {
		waits.Observe(now.Sub(t.queued).Seconds())
		return
	}
	s.metrics.bulk.Observe(float64(len(t.items)))
	if t.sealed {
		return // their wait was measured the first time
	}
	for _, item := range t.items {
		waits.Observe(now.Sub(item.queued).Seconds())
	}
}
