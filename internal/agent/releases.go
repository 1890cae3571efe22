// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agent

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/kuryr-go/kuryr/internal/agent/journal"
	"github.com/kuryr-go/kuryr/internal/fault"
)

// A release has two parts. What is left on the node is removed by at most
// unbindWorkers at once. Then a port that was made for one attachment goes back
// to the cloud: by at most releaseWorkers at once, and one alone while a
// container waits for its port, because the cloud serves both with the same
// hands. A lease of a pool stays on the node, and the second part is only a note
// in the journal. Neither part waits for the other's workers. One that failed waits from retryMin, doubled each
// time, to retryMax; one that only looks whether a lost answer's port has
// appeared begins with lookMin.
const (
	unbindWorkers  = 16
	releaseWorkers = 4
	retryMin       = 500 * time.Millisecond
	lookMin        = 2 * time.Second
	retryMax       = 30 * time.Second
)

// releases is the list of what is still to be given back. Each entry is in
// the journal too; this is the schedule.
type releases struct {
	steps   releaseSteps
	log     *slog.Logger
	wake    chan struct{}
	workers sync.WaitGroup

	mu      sync.Mutex
	jobs    map[string]*release // by attachment id; guarded by mu
	running [lanes]int          // guarded by mu
	waiting int                 // containers that wait for a port; guarded by mu
}

// releaseSteps do the work for one record.
type releaseSteps interface {
	// unbind removes what is left on the node.
	unbind(ctx context.Context, r journal.Record) error
	// giveBack does the rest. It returns nil when no trace of the attachment remains.
	giveBack(ctx context.Context, r journal.Record) error
}

// The lanes in which releases run, side by side.
const (
	laneNode = iota
	laneCloud
	lanes
)

// release is one entry; all fields are guarded by releases.mu.
type release struct {
	record  journal.Record
	unbound bool
	running bool
	tries   int
	next    time.Time
	err     error
	// cut is closed when nothing is left on the node.
	cut chan struct{}
	// tried is closed when a try failed or all is done, and then replaced.
	tried chan struct{}
	gone  bool
}

// lane is where the next step of a release runs.
func (j *release) lane() int {
	if j.unbound && j.record.Class == nil {
		return laneCloud
	}
	return laneNode
}

func newReleases(steps releaseSteps, log *slog.Logger) *releases {
	return &releases{steps: steps, log: log, wake: make(chan struct{}, 1), jobs: map[string]*release{}}
}

// add schedules a release at once. unbound tells that nothing is left on the node.
func (s *releases) add(r journal.Record, unbound bool) {
	j := &release{record: r, unbound: unbound, cut: make(chan struct{}), tried: make(chan struct{})}
	if unbound {
		close(j.cut)
	}
	s.mu.Lock()
	s.jobs[r.ID] = j
	s.mu.Unlock()
	s.kick()
}

func (s *releases) kick() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run works on the schedule until ctx ends, and returns when no try is under way.
func (s *releases) run(ctx context.Context) {
	defer s.workers.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(s.startDue(ctx))
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// startDue starts what is due, as far as there are workers, and returns how
// long there is nothing to start. A try that ends wakes the loop anyway.
func (s *releases) startDue(ctx context.Context) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait := retryMax
	for _, j := range s.jobs {
		lane := j.lane()
		if j.running || s.running[lane] >= s.workersIn(lane) {
			continue
		}
		if d := time.Until(j.next); d > 0 {
			wait = min(wait, d)
			continue
		}
		j.running = true
		s.running[lane]++
		s.workers.Go(func() { s.try(ctx, j, lane) })
	}
	return wait
}

// workersIn is how many releases may be tried at once in a lane. s.mu is held.
func (s *releases) workersIn(lane int) int {
	switch {
	case lane == laneNode:
		return unbindWorkers
	case s.waiting > 0:
		return 1
	default:
		return releaseWorkers
	}
}

// giveWay holds releases back while a container waits for its port, until the
// returned function is called.
func (s *releases) giveWay() (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting++
	return func() {
		s.mu.Lock()
		s.waiting--
		s.mu.Unlock()
		s.kick()
	}
}

// try does the next step of a release and, when that ends in the same lane, the
// one after it.
func (s *releases) try(ctx context.Context, j *release, lane int) {
	err := s.cutOff(ctx, j)
	if err == nil && j.lane() == lane {
		err = s.steps.giveBack(ctx, j.record)
		s.tried(ctx, j, err)
	} else if err != nil {
		s.tried(ctx, j, err)
	}
	s.mu.Lock()
	j.running = false
	s.running[lane]--
	s.mu.Unlock()
	s.kick()
}

// cutOff removes what is left on the node.
func (s *releases) cutOff(ctx context.Context, j *release) error {
	if j.unbound {
		return nil
	}
	if err := s.steps.unbind(ctx, j.record); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	j.unbound = true
	close(j.cut)
	return nil
}

// tried notes how a try ended.
func (s *releases) tried(ctx context.Context, j *release, err error) {
	s.mu.Lock()
	j.err = err
	close(j.tried)
	j.tried = make(chan struct{})
	if err == nil {
		j.gone = true
		delete(s.jobs, j.record.ID)
	} else {
		j.next = time.Now().Add(delay(j.tries, err))
		j.tries++
	}
	tries := j.tries
	s.mu.Unlock()
	if err != nil && !errors.Is(err, errUncertain) && ctx.Err() == nil {
		s.log.Warn("release not finished, it will be tried again", "attachment", j.record.ID, "sandbox", j.record.Sandbox,
			"interface", j.record.Interface, "tries", tries, "class", fault.ClassOf(err), "err", err)
	}
}

// delay is the pause after the given number of failed tries.
func delay(tries int, err error) time.Duration {
	first := retryMin
	if errors.Is(err, errUncertain) {
		first = lookMin
	}
	d := first << min(tries, 10)
	if e, ok := fault.As(err); ok {
		d = max(d, e.RetryAfter)
	}
	return min(d, retryMax)
}

// attempt tries every release that match selects once more, now, and waits
// until each has been tried or is gone.
func (s *releases) attempt(ctx context.Context, match func(journal.Record) bool) error {
	s.mu.Lock()
	var tried []<-chan struct{}
	for _, j := range s.jobs {
		if match(j.record) {
			j.next = time.Time{}
			tried = append(tried, j.tried)
		}
	}
	s.mu.Unlock()
	s.kick()
	for _, c := range tried {
		select {
		case <-c:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// awaitCut waits until nothing is left on the node of every release that match
// selects, or a try to remove it failed.
func (s *releases) awaitCut(ctx context.Context, match func(journal.Record) bool) error {
	type pair struct{ cut, tried <-chan struct{} }
	s.mu.Lock()
	var pending []pair
	for _, j := range s.jobs {
		if !j.unbound && match(j.record) {
			pending = append(pending, pair{j.cut, j.tried})
		}
	}
	s.mu.Unlock()
	for _, p := range pending {
		select {
		case <-p.cut:
		case <-p.tried:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// drain tries all releases once and reports whether any of them, or of those
// that were seen earlier, is gone now.
func (s *releases) drain(ctx context.Context, earlier []*release) bool {
	if s.anyGone(earlier) {
		return true
	}
	now := s.snapshot()
	if len(now) == 0 || s.attempt(ctx, func(journal.Record) bool { return true }) != nil {
		return false
	}
	return s.anyGone(now)
}

func (s *releases) anyGone(jobs []*release) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(jobs, func(j *release) bool { return j.gone })
}

func (s *releases) snapshot() []*release {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*release, 0, len(s.jobs))
	for _, j := range s.jobs {
		all = append(all, j)
	}
	return all
}

// len is the number of releases that are not finished.
func (s *releases) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.jobs)
}

// waitsFor says what the release of an attachment waits for; empty when it is
// on its way, or unknown.
func (s *releases) waitsFor(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[id]
	if j == nil || j.err == nil {
		return ""
	}
	return j.err.Error()
}
