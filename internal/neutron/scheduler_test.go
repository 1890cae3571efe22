// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// dock is a scheduler whose requests take a time of their own and reach no
// cloud. It lives in a bubble of package synctest.
type dock struct {
	*Client
	// takes is how long a request takes for a number of objects.
	takes func(objects int) time.Duration
	// result is how it ends.
	result func() result

	mu   sync.Mutex
	sent []int // the ports of each request to make ports, as they started
}

func newDock(t *testing.T, takes func(objects int) time.Duration) *dock {
	d := &dock{takes: takes, result: func() result { return result{verdict: served} }}
	d.Client = newClient(t, writeClouds(t, "http://192.0.2.1"))
	d.scheduler.send = d.send
	return d
}

func (d *dock) send(k *ticket) {
	d.mu.Lock()
	d.sent = append(d.sent, len(k.items))
	d.mu.Unlock()
	<-time.After(d.takes(len(k.items)))
	d.scheduler.finish(k, d.result())
	for _, item := range k.items {
		item.finish(Port{}, nil)
	}
}

// read makes a request, and tells how long it waited for its turn.
func (d *dock) read(ctx context.Context) (time.Duration, error) {
	from := time.Now()
	k, err := d.scheduler.wait(ctx, call{method: http.MethodGet, operation: "list ports"})
	if err != nil {
		return time.Since(from), err
	}
	waited := time.Since(from)
	<-time.After(d.takes(1))
	d.scheduler.finish(k, d.result())
	return waited, nil
}

// perPort is a cloud that takes as long for each of the ports as the real one.
func perPort(d time.Duration) func(int) time.Duration {
	return func(objects int) time.Duration { return 20*time.Millisecond + time.Duration(objects)*d }
}

func TestAContainerDoesNotStandBehindTheRefill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDock(t, perPort(100*time.Millisecond))
		refill := WithPriority(t.Context(), Refill)
		var refills []*Creation
		for range 200 {
			refills = append(refills, d.StartPort(refill, PortCreate{}))
		}
		<-time.After(time.Second)
		if l := d.Load(); l.Queued[Refill] < 100 || l.Running == 0 || l.Running >= l.Limit {
			t.Errorf("%+v: want the refill busy, and a slot free", l)
		}
		from := time.Now()
		if _, err := d.CreatePort(t.Context(), PortCreate{}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(from); took != bulkWindow+d.takes(1) {
			t.Errorf("a port beside 200 took %v", took)
		}
		for _, creation := range refills {
			<-creation.Done()
		}
	})
}

func TestThoseWhoWaitAreSpreadOverAllSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDock(t, perPort(100*time.Millisecond))
		var all []*Creation
		for range 16 {
			all = append(all, d.StartPort(t.Context(), PortCreate{}))
			<-time.After(100 * time.Microsecond)
		}
		for _, creation := range all {
			<-creation.Done()
		}
		if diff := cmp.Diff([]int{4, 4, 4, 4}, d.sent); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTheSizeOfTheRefillsRequestsIsLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDock(t, perPort(100*time.Millisecond))
		var all []*Creation
		for range 200 {
			all = append(all, d.StartPort(WithPriority(t.Context(), Refill), PortCreate{}))
		}
		for _, creation := range all {
			<-creation.Done()
		}
		if n := d.Load().BulkPorts; n < 8 || n > 10 {
			t.Errorf("%d ports in a second at 100 ms each: %v", n, d.sent)
		}
		if largest := slices.Max(d.sent); largest > 11 {
			t.Errorf("sent %v", d.sent)
		}
	})
}

func TestTheLimitGoesDownWithTheCloudAndUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDock(t, perPort(50*time.Millisecond))
		load := func(n int) {
			var group sync.WaitGroup
			for range n {
				group.Go(func() { _, _ = d.read(t.Context()) })
			}
			group.Wait()
		}
		load(200)
		if l := d.Load().Limit; l != DefaultConcurrency {
			t.Errorf("limit %d with a cloud that bears it", l)
		}
		d.result = func() result { return resultOf(t.Context(), &APIError{Status: http.StatusServiceUnavailable}) }
		load(50)
		if l := d.Load().Limit; l != 2 {
			t.Errorf("limit %d with a cloud that is overloaded", l)
		}
		d.result = func() result { return result{verdict: served} }
		load(200)
		if l := d.Load().Limit; l != DefaultConcurrency {
			t.Errorf("limit %d when all is well again", l)
		}
	})
}

func TestNobodyCallsAnAPIThatAskedForAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDock(t, perPort(10*time.Millisecond))
		d.result = func() result { return result{verdict: overloaded, refused: true, retryAfter: time.Minute} }
		if _, err := d.read(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.result = func() result { return result{verdict: served} }
		refused := time.Now()
		if until := d.Load().PausedUntil; !until["reads"].Equal(refused.Add(time.Minute)) || len(until) != 1 {
			t.Errorf("paused until %v", until)
		}
		var group sync.WaitGroup
		for p := range Waiting + 1 {
			group.Go(func() {
				if waited, err := d.read(WithPriority(t.Context(), p)); err != nil || waited < time.Minute {
					t.Errorf("%v waited %v, %v", p, waited, err)
				}
			})
		}
		// Another API is none the worse, and who gives up does not wait.
		if _, err := d.CreatePort(t.Context(), PortCreate{}); err != nil || time.Since(refused) > time.Second {
			t.Errorf("a create after %v: %v", time.Since(refused), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if waited, err := d.read(ctx); waited != time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waited %v, %v", waited, err)
		}
		group.Wait()
		if until := d.Load().PausedUntil; len(until) != 0 {
			t.Errorf("still paused until %v", until)
		}
	})
}

func TestARateBoundsEverybodyTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDock(t, func(int) time.Duration { return time.Millisecond })
		d.scheduler.plan = newSchedule(Options{Concurrency: 8, ReadRate: 10, BulkTime: time.Second})
		from := time.Now()
		var group sync.WaitGroup
		for i := range 60 {
			group.Go(func() { _, _ = d.read(WithPriority(t.Context(), Priority(i%priorities))) })
		}
		group.Wait()
		// Ten at once, and then ten a second.
		if took := time.Since(from); took < 4900*time.Millisecond || took > 5200*time.Millisecond {
			t.Errorf("60 requests took %v", took)
		}
	})
}

func TestWhoGivesUpMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDock(t, perPort(100*time.Millisecond))
		release := hold(d.Client)
		ctx, cancel := context.WithCancel(t.Context())
		creation := d.StartPort(ctx, PortCreate{})
		var group sync.WaitGroup
		group.Go(func() {
			if _, err := d.read(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		synctest.Wait()
		if l := d.Load(); l.Queued[Waiting] != 2 {
			t.Errorf("%+v", l)
		}
		cancel()
		synctest.Wait()
		if l := d.Load(); l.Queued[Waiting] != 0 {
			t.Errorf("%+v", l)
		}
		group.Wait()
		<-creation.Done()
		release()
		if l := d.Load(); l.Running != 0 || len(d.sent) != 0 {
			t.Errorf("%+v, sent %v", l, d.sent)
		}
	})
}
