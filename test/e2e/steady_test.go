// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/test/rig"
)

// envLong names the variable that says how long an outage of Neutron lasts in
// the tests ("5m"); without it, outageTime.
const (
	envLong    = "KURYR_TEST_LONG"
	outageTime = 20 * time.Second
)

const steadyWorkers = 8

// steady starts an agent with a pool that serves the steady workers: as many
// leases as they have and as many as rest meanwhile. It has served already, so
// that it knows what is asked of it; with a memory of bursts of zero it does not
// grow by that, and stays away from its ceiling.
func steady(ctx context.Context, t *testing.T, cluster, cidr, burstMemory string) (*pooled, rig.Conf) {
	warm := sized(t, "warm", 80, 40)
	p := newPooled(t, cluster, settings{
		"pool": {"warm": warm, "max": 5 * warm / 2, "burstMemory": burstMemory, "coolDown": "1s", "checkEvery": "5s", "prewarm": false},
		// Collections ask Neutron by the clock; they are not what is counted.
		"gc": {"interval": "10m"}, "cloud": {"requestTimeout": "3s"},
	})
	must[rig.Network](t)(p.tenant.Network(ctx, "net", cidr))
	must[string](t)(p.tenant.OpenGroup(ctx, "open"))
	conf := p.conf("net", "open")
	together(steadyWorkers, 10*steadyWorkers, func(int) { p.pair(ctx, t, conf) })
	ok(t, p.Rested(ctx))
	return p, conf
}

// TestSteadyChurnHardlyAsksNeutron counts what 300 pairs from a warm pool cost.
func TestSteadyChurnHardlyAsksNeutron(t *testing.T) {
	ctx := within(t, 10*time.Minute)
	p, conf := steady(ctx, t, "steady", "10.93.0.0/24", "15m")
	const pairs = 300
	row := must[agentapi.Pool](t)(p.pool(ctx, "net", "open"))
	t.Logf("%d free leases, %d of them wired", row.Free, row.Wired)
	mark, began := p.proxy.Mark(), time.Now()
	together(steadyWorkers, pairs, func(int) { p.pair(ctx, t, conf) })
	took := time.Since(began)
	since := p.proxy.Since(mark)
	n := calls(t, since, pairs)
	t.Logf("%d pairs in %v (%.1f/s): %d requests to Neutron, %.3f a pair", pairs, took.Round(time.Millisecond), pairs/took.Seconds(), n, float64(n)/pairs)
	if n > pairs/10 {
		t.Errorf("%d requests to Neutron for %d pairs", n, pairs)
	}
	ok(t, p.Rested(within(t, stateTime)))
	p.balances(within(t, stateTime), t)
}

// pair attaches and detaches a sandbox of its own; whatever fails is an error.
func (p *pooled) pair(ctx context.Context, t *testing.T, conf rig.Conf) {
	s, err := rig.NewSandbox()
	if err != nil {
		t.Error(err)
		return
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := p.Add(ctx, s, "eth0", conf); err != nil {
		t.Errorf("ADD: %v", describe(err))
	}
	if err := p.Del(ctx, s, "eth0", conf); err != nil {
		t.Errorf("DEL: %v", describe(err))
	}
}

// TestWithoutNeutronEveryFreeLeaseStartsAContainer takes the cloud away: as
// many containers start as there are free leases, the next is told why not,
// DEL works, and all heals when the cloud is back.
func TestWithoutNeutronEveryFreeLeaseStartsAContainer(t *testing.T) {
	ctx := within(t, 10*time.Minute)
	p, conf := steady(ctx, t, "outage", "10.94.0.0/24", "0s")
	row := must[agentapi.Pool](t)(p.pool(ctx, "net", "open"))
	t.Logf("%d free leases", row.Free)
	ok(t, p.proxy.Stop())
	mark := p.proxy.Mark()
	boxes := make([]*rig.Sandbox, row.Free)
	for i := range boxes {
		boxes[i] = sandbox(t)
	}
	began := time.Now()
	together(steadyWorkers, len(boxes), func(i int) {
		if _, err := p.Add(ctx, boxes[i], "eth0", conf); err != nil {
			t.Errorf("ADD with a free lease: %v", describe(err))
		}
	})
	t.Logf("%d ADDs in %v", len(boxes), time.Since(began).Round(time.Millisecond))
	if n := len(p.proxy.Since(mark)); n > 0 {
		t.Errorf("%d requests were answered by a cloud that is away", n)
	}
	last := sandbox(t)
	began = time.Now()
	_, err := p.Add(ctx, last, "eth0", conf)
	t.Logf("the next ADD, after %v: %v", time.Since(began).Round(time.Millisecond), describe(err))
	p.refusedForTheCloud(t, err)
	for _, s := range boxes[:len(boxes)/2] {
		if err := p.Del(ctx, s, "eth0", conf); err != nil {
			t.Errorf("DEL: %v", describe(err))
		}
	}
	ok(t, p.Del(ctx, last, "eth0", conf))

	ok(t, p.proxy.Start(ctx))
	// A runtime tries again until it gets its container.
	ok(t, rig.Await(within(t, stateTime), "ADD", func(ctx context.Context) error {
		_, err := p.Add(ctx, last, "eth0", conf)
		return err
	}))
	for _, s := range append(slices.Clone(boxes), last) {
		ok(t, p.Del(ctx, s, "eth0", conf))
	}
	ok(t, p.Rested(within(t, stateTime)))
	p.balances(within(t, stateTime), t)
}

// refusedForTheCloud looks at the error of an ADD while the cloud is away.
func (p *pooled) refusedForTheCloud(t *testing.T, err error) {
	if code(err) != 11 || !strings.Contains(describe(err).Error(), "cannot reach http://") {
		t.Errorf("ADD without cloud and leases: %v, want code 11 and the cloud that is not reached", describe(err))
	}
}

// TestAnOutageOfNeutronUnderLoadHeals goes on with pairs while the cloud is away.
func TestAnOutageOfNeutronUnderLoadHeals(t *testing.T) {
	long := outageTime
	if text := os.Getenv(envLong); text != "" {
		long = must[time.Duration](t)(time.ParseDuration(text))
	}
	ctx := within(t, long+10*time.Minute)
	p, conf := steady(ctx, t, "underload", "10.95.0.0/24", "15m")
	over := make(chan struct{})
	var added, refused, healed atomic.Int64
	var work sync.WaitGroup
	for range steadyWorkers {
		work.Go(func() {
			for back := false; !back; {
				select {
				case <-over:
					back = true
				default:
				}
				p.outagePair(ctx, t, conf, back, &added, &refused)
				if back {
					healed.Add(1)
				}
			}
		})
	}
	ok(t, rig.Await(ctx, "pairs", func(context.Context) error {
		if n := added.Load(); n < steadyWorkers {
			return fmt.Errorf("%d", n)
		}
		return nil
	}))
	ok(t, p.proxy.Stop())
	select {
	case <-time.After(long): // the outage itself
	case <-ctx.Done():
	}
	during := added.Load()
	ok(t, p.proxy.Start(ctx))
	close(over)
	work.Wait()
	t.Logf("outage of %v: %d ADDs before its end, %d refused with the reason, %d workers served afterwards", long, during, refused.Load(), healed.Load())
	ok(t, p.Rested(within(t, stateTime)))
	p.balances(within(t, stateTime), t)
}

// outagePair is a pair of which the ADD may fail for want of the cloud. back
// tells that the cloud is back: then it is tried until it succeeds.
func (p *pooled) outagePair(ctx context.Context, t *testing.T, conf rig.Conf, back bool, added, refused *atomic.Int64) {
	s, err := rig.NewSandbox()
	if err != nil {
		t.Error(err)
		return
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	_, err = p.Add(ctx, s, "eth0", conf)
	if err != nil && back {
		err = rig.Await(ctx, "ADD after the outage", func(ctx context.Context) error {
			_, err := p.Add(ctx, s, "eth0", conf)
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	if err == nil {
		added.Add(1)
	} else {
		refused.Add(1)
		p.refusedForTheCloud(t, err)
	}
	if err := p.Del(ctx, s, "eth0", conf); err != nil {
		t.Errorf("DEL: %v", describe(err))
	}
}

// TestAHundredContainersAtOnceAreServedFromTenWarmPorts asks for far more than
// is ready.
func TestAHundredContainersAtOnceAreServedFromTenWarmPorts(t *testing.T) {
	ctx := within(t, 10*time.Minute)
	count := sized(t, "containers", 100, 100)
	config := hasty(map[string]any{"warm": 10, "max": 150})
	config["cloud"] = map[string]any{"requestTimeout": "60s"}
	p := newPooled(t, "burst", config)
	must[rig.Network](t)(p.tenant.Network(ctx, "net", "10.96.0.0/23"))
	must[string](t)(p.tenant.OpenGroup(ctx, "open"))
	conf := p.conf("net", "open")
	first := sandbox(t)
	must[[]byte](t)(p.Add(ctx, first, "eth0", conf))
	ok(t, p.Del(ctx, first, "eth0", conf))
	ok(t, p.Rested(ctx))
	boxes := make([]*rig.Sandbox, count)
	for i := range boxes {
		boxes[i] = sandbox(t)
	}
	mark, began := p.proxy.Mark(), time.Now()
	times := make([]time.Duration, count)
	together(count, count, func(i int) {
		if _, err := p.Add(ctx, boxes[i], "eth0", conf); err != nil {
			t.Errorf("ADD: %v", describe(err))
		}
		times[i] = time.Since(began)
	})
	wall := time.Since(began)
	slices.Sort(times)
	t.Logf("%d containers in %v: half of them after %v, nine tenths after %v", count, wall.Round(time.Millisecond),
		times[count/2].Round(time.Millisecond), times[count*9/10].Round(time.Millisecond))
	calls(t, p.proxy.Since(mark), count)
	p.createTimes(t)
	p.balances(within(t, stateTime), t)
	for _, s := range boxes {
		ok(t, p.Del(ctx, s, "eth0", conf))
	}
	ok(t, p.Rested(within(t, stateTime)))
}

// createTimes logs what the requests took by which ports were made.
func (p *pooled) createTimes(t *testing.T) {
	var requests int
	var sum, longest time.Duration
	for line := range strings.Lines(p.logged(t, `"msg":"cloud request"`)) {
		var of struct {
			Operation string        `json:"operation"`
			Took      time.Duration `json:"took"`
		}
		ok(t, json.Unmarshal([]byte(line), &of))
		if of.Operation == "create port" || of.Operation == "create ports" {
			requests++
			sum += of.Took
			longest = max(longest, of.Took)
		}
	}
	ports := strings.Count(p.logged(t, `"msg":"port came"`), "\n")
	t.Logf("%d ports were made by %d requests, which took %v together, the longest %v", ports, requests, sum.Round(time.Millisecond), longest.Round(time.Millisecond))
}
