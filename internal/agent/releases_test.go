// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agent

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuryr-go/kuryr/internal/agent/journal"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
)

// cloud gives ports back when it is up; it is what the schedule calls.
type cloud struct {
	mu      sync.Mutex
	down    error
	calls   map[string][]time.Duration // when each record was tried, since the start
	unbinds []string
	stuck   error // why nothing can be unbound
	start   time.Time
	now     int
	most    int
	takes   time.Duration
}

func (c *cloud) unbind(_ context.Context, r journal.Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unbinds = append(c.unbinds, r.ID)
	return c.stuck
}

func (c *cloud) giveBack(ctx context.Context, r journal.Record) error {
	c.mu.Lock()
	c.calls[r.ID] = append(c.calls[r.ID], time.Since(c.start))
	c.now++
	c.most = max(c.most, c.now)
	down, takes := c.down, c.takes
	c.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now--
	if r.ID == "bad" {
		return errors.New("never")
	}
	return down
}

func (c *cloud) set(down error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = down
}

// scheduled runs f with a running schedule in a bubble of fake time.
func scheduled(t *testing.T, f func(t *testing.T, s *releases, c *cloud)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &cloud{calls: map[string][]time.Duration{}, start: time.Now()}
		s := newReleases(c, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { s.run(ctx); close(done) }()
		f(t, s, c)
		stop()
		<-done
	})
}

func rec(id string) journal.Record { return journal.Record{ID: id} }

func TestAReleaseIsTriedAtOnceAndForgottenWhenDone(t *testing.T) {
	scheduled(t, func(t *testing.T, s *releases, c *cloud) {
		s.add(rec("a"), true)
		synctest.Wait()
		if s.len() != 0 || len(c.calls["a"]) != 1 || c.calls["a"][0] != 0 {
			t.Errorf("left %d, calls %v", s.len(), c.calls)
		}
	})
}

func TestAReleaseIsRepeatedWithGrowingPausesUntilTheCloudIsBack(t *testing.T) {
	scheduled(t, func(t *testing.T, s *releases, c *cloud) {
		c.set(errors.New("down"))
		s.add(rec("a"), false)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		calls := c.calls["a"]
		for i := 2; i < len(calls); i++ {
			if was, is := calls[i-1]-calls[i-2], calls[i]-calls[i-1]; is < was || is > retryMax {
				t.Errorf("pause %d is %v after %v", i, is, was)
			}
		}
		if len(calls) < 20 || len(calls) > 30 {
			t.Errorf("%d tries in 10 minutes", len(calls))
		}
		if s.waitsFor("a") != "down" {
			t.Errorf("waiting says %q", s.waitsFor("a"))
		}
		if len(c.unbinds) != 1 {
			t.Errorf("the node's side was done in the first try, and is asked for again: %v", c.unbinds)
		}
		c.set(nil)
		time.Sleep(retryMax)
		synctest.Wait()
		if s.len() != 0 {
			t.Errorf("%d left after the cloud came back", s.len())
		}
	})
}

func TestTheCloudIsObeyedWhenItSaysHowLongToWait(t *testing.T) {
	if d := delay(0, &fault.Error{Class: fault.OverLimit, RetryAfter: 7 * time.Second}); d != 7*time.Second {
		t.Errorf("delay %v, want 7s", d)
	}
	if d := delay(0, errUncertain); d != lookMin {
		t.Errorf("delay of a mere look: %v", d)
	}
	if d := delay(60, errors.New("x")); d != retryMax {
		t.Errorf("delay after 60 tries: %v", d)
	}
}

func TestOnlySoManyReleasesRunAtOnceAndAllGetTheirTurn(t *testing.T) {
	scheduled(t, func(t *testing.T, s *releases, c *cloud) {
		c.takes = time.Second
		for i := range 40 {
			s.add(rec(string(rune('A'+i))), true)
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if c.most != releaseWorkers || s.len() != 0 {
			t.Errorf("most at once %d, left %d", c.most, s.len())
		}
	})
}

func TestReleasesGiveWayToAContainerThatWaits(t *testing.T) {
	scheduled(t, func(t *testing.T, s *releases, c *cloud) {
		c.takes = time.Second
		served := s.giveWay()
		for i := range 40 {
			s.add(rec(string(rune('A'+i))), true)
		}
		time.Sleep(5500 * time.Millisecond)
		synctest.Wait()
		if c.most != 1 || s.len() != 35 {
			t.Errorf("while one waits: most at once %d, left %d; want 1 and 35", c.most, s.len())
		}
		served()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if c.most != releaseWorkers || s.len() != 0 {
			t.Errorf("afterwards: most at once %d, left %d", c.most, s.len())
		}
	})
}

func TestOneThatFailsDoesNotHoldUpTheOthers(t *testing.T) {
	scheduled(t, func(t *testing.T, s *releases, _ *cloud) {
		s.add(rec("bad"), false)
		for _, id := range []string{"a", "b", "c", "d", "e", "f"} {
			s.add(rec(id), true)
		}
		synctest.Wait()
		if s.len() != 1 {
			t.Errorf("%d left, want the bad one alone", s.len())
		}
	})
}

func TestWhatIsLeftOnTheNodeNeverWaitsForTheCloudNorALeaseOfAPool(t *testing.T) {
	scheduled(t, func(t *testing.T, s *releases, c *cloud) {
		c.takes = time.Hour
		for i := range 10 { // keep every hand of the cloud's lane busy
			s.add(rec(string(rune('A'+i))), true)
		}
		synctest.Wait()
		own, pooled := rec("own"), rec("pooled")
		pooled.Class = &lease.Class{Network: "blue"}
		s.add(own, false)
		s.add(pooled, false)
		if err := s.awaitCut(t.Context(), func(journal.Record) bool { return true }); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(c.unbinds) != 2 {
			t.Errorf("removed from the node: %v", c.unbinds)
		}
		if len(c.calls["pooled"]) != 1 || len(c.calls["own"]) != 0 {
			t.Errorf("given back: %v; want the pool's lease, which needs no cloud, and not the other", c.calls)
		}
	})
}

func TestWhoWaitsForASandboxIsToldThatItCannotBeCleared(t *testing.T) {
	scheduled(t, func(t *testing.T, s *releases, c *cloud) {
		c.mu.Lock()
		c.stuck = errors.New("the switch is away")
		c.mu.Unlock()
		s.add(rec("a"), false)
		if err := s.awaitCut(t.Context(), func(journal.Record) bool { return true }); err != nil {
			t.Errorf("waiting ended with %v, want an end with the try", err)
		}
		if s.len() != 1 {
			t.Error("the release is forgotten")
		}
	})
}

func TestSomebodyWhoNeedsTheAddressDoesNotWaitForTheNextTry(t *testing.T) {
	scheduled(t, func(t *testing.T, s *releases, c *cloud) {
		c.set(errors.New("down"))
		s.add(rec("a"), true)
		time.Sleep(5 * time.Minute)
		c.set(nil)
		began := time.Now()
		if err := s.attempt(t.Context(), func(r journal.Record) bool { return r.ID == "a" }); err != nil {
			t.Fatal(err)
		}
		if s.len() != 0 || time.Since(began) != 0 {
			t.Errorf("left %d after %v", s.len(), time.Since(began))
		}
	})
}

func TestDrainTellsWhetherAnythingWasFreed(t *testing.T) {
	scheduled(t, func(t *testing.T, s *releases, c *cloud) {
		if s.drain(t.Context(), nil) {
			t.Error("nothing to drain, and something freed")
		}
		c.set(errors.New("down"))
		s.add(rec("a"), true)
		synctest.Wait()
		if s.drain(t.Context(), nil) {
			t.Error("freed while the cloud is down")
		}
		c.set(nil)
		earlier := s.snapshot()
		if !s.drain(t.Context(), nil) {
			t.Error("not freed when the cloud is back")
		}
		if s.drain(t.Context(), nil) || !s.drain(t.Context(), earlier) {
			t.Error("what was freed since the caller looked is not told to the caller alone")
		}
	})
}

func TestWaitingForAReleaseEndsWithTheCaller(t *testing.T) {
	scheduled(t, func(t *testing.T, s *releases, c *cloud) {
		c.takes = time.Hour
		s.add(rec("a"), true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.attempt(ctx, func(journal.Record) bool { return true }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("attempt: %v", err)
		}
	})
}
