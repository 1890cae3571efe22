// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"container/heap"
	"context"
	"strings"
	"sync"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

const (
	// finishers is how many load balancers are waited for in OVN at a time.
	finishers = 8
	// settleTimeout is how long a change gets to be in effect in OVN.
	settleTimeout = 30 * time.Second
	// retryDelay is when the store is tried again that could not be written.
	retryDelay = time.Second
)

// transition is a load balancer that is PENDING.
type transition struct {
	lb  string
	seq uint64    // the commit that made it so
	due time.Time // it is PENDING until then at least
}

// transitions bring what is PENDING to its end. A load balancer is in it once
// at most, since nothing can be changed of one that is PENDING.
type transitions struct {
	s *Service

	mu      sync.Mutex
	waiting dueHeap // guarded by mu
	wake    chan struct{}

	stop context.CancelFunc // nil: not started
	done sync.WaitGroup
}

func newTransitions(s *Service) *transitions {
	return &transitions{s: s, wake: make(chan struct{}, 1)}
}

// add has the change of a commit end after a delay.
func (t *transitions) add(lb string, seq uint64, delay time.Duration) {
	t.mu.Lock()
	heap.Push(&t.waiting, transition{lb, seq, time.Now().Add(delay)})
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *transitions) start(ctx context.Context) {
	ctx, t.stop = context.WithCancel(ctx)
	// What another process began; what this one did is in it already.
	t.s.View(func(r store.Reader) {
		t.mu.Lock()
		defer t.mu.Unlock()
		known := map[string]bool{}
		for _, x := range t.waiting {
			known[x.lb] = true
		}
		for lb := range t.s.LoadBalancers.All(r) {
			if pending(&lb.LBMeta) && !known[lb.ID] {
				heap.Push(&t.waiting, transition{lb: lb.ID, due: time.Now().Add(t.s.delayOf(lb))})
			}
		}
	})
	due := make(chan transition)
	t.done.Go(func() { t.dispatch(ctx, due) })
	for range finishers {
		t.done.Go(func() {
			for x := range due {
				t.finish(ctx, x)
			}
		})
	}
}

func (t *transitions) close() {
	if t.stop == nil {
		return
	}
	t.stop()
	t.done.Wait()
}

// dispatch hands out what is due.
func (t *transitions) dispatch(ctx context.Context, due chan<- transition) {
	defer close(due)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		x, wait, ok := t.next()
		switch {
		case ok:
			select {
			case due <- x:
				continue
			case <-ctx.Done():
				return
			}
		case wait > 0:
			timer.Reset(wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.wake:
		case <-timer.C:
		}
	}
}

// next takes one that is due, or tells how long the first one has to wait; zero: there is none.
func (t *transitions) next() (x transition, wait time.Duration, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) == 0 {
		return x, 0, false
	}
	if wait = time.Until(t.waiting[0].due); wait > 0 {
		return x, wait, false
	}
	return heap.Pop(&t.waiting).(transition), 0, true
}

// finish ends a transition once OVN is as it says. When OVN does not follow in
// time it ends all the same: OVN will be made so, and the API goes on.
func (t *transitions) finish(ctx context.Context, x transition) {
	s := t.s
	if s.o.Backend != nil {
		seq := x.seq
		if seq == 0 {
			seq = s.Seq()
		}
		settling, cancel := context.WithTimeout(ctx, settleTimeout)
		err := s.o.Backend.Settle(settling, seq)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.o.Logger.WarnContext(ctx, "load balancer is done before OVN is known to follow", "loadbalancer", x.lb, "error", err)
		}
	}
	if _, err := s.Update(func(tx *store.Tx) error { s.finish(tx, x.lb); return nil }); err != nil {
		s.o.Logger.ErrorContext(ctx, "load balancer stays PENDING for now", "loadbalancer", x.lb, "error", err)
		t.add(x.lb, x.seq, retryDelay)
	}
}

func pending(m *model.LBMeta) bool { return strings.HasPrefix(m.ProvisioningStatus, "PENDING_") }

// dueHeap has the one that is due first in front.
type dueHeap []transition

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *dueHeap) Push(x any) { *h = append(*h, x.(transition)) }

// Pop implements heap.Interface.
func (h *dueHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
