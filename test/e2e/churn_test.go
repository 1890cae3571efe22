// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kuryr-go/kuryr/test/rig"
)

// badWeather is what a cloud does to requests now and then: it is busy, or
// broken, or too slow, or does the work and cannot say so.
const badWeather = `
rules:
- {name: broken, match: {service: network}, probability: 0.04, answer: error, status: 500}
- {name: busy, match: {service: network}, probability: 0.03, answer: error, status: 503, retryAfter: 1s}
- {name: done and broken, match: {service: network}, probability: 0.02, answer: error, status: 500, after: true}
- {name: conflict, match: {service: network, method: POST}, probability: 0.04, answer: error, status: 409, type: Conflict}
- {name: conflict with a delete, match: {service: network, method: DELETE}, probability: 0.04, answer: error, status: 409, type: Conflict}
- {name: hanging, match: {service: network}, probability: 0.01, answer: hang}
- {name: late before its work, match: {service: network}, probability: 0.01, delay: 4s}
- {name: late after its work, match: {service: network}, probability: 0.01, delay: 4s, after: true}
- {name: cut, match: {service: network}, probability: 0.03, answer: drop}
- {name: done and cut, match: {service: network}, probability: 0.03, answer: drop, after: true}
- {name: truncated, match: {service: network}, probability: 0.02, answer: truncate}
- {name: no login, match: {service: identity}, probability: 0.1, answer: error, status: 500}
`

// What the churn does beside its pairs: the agent dies after a random time, of
// kill -9 or at one of its own writes, and now and then the switch's database
// does.
const (
	churnWorkers  = 8
	killedWithin  = 5 * time.Second
	crashOneIn    = 250
	ovsdbRestarts = 3
)

// churn is a run of pairs of ADD and DEL in bad weather.
type churn struct {
	*pooled
	confs   []rig.Conf
	watches []*rig.AddressWatch // by configuration
	// pairs counts what is done; cut the calls of ADD that the agent's death cut off.
	pairs, cut                 atomic.Int64
	killed, crashed, restarted int
}

// TestNothingLeaksAndNoADDFailsInAChurnWithFaultsAndKills does pairs of ADD and
// DEL from three pools while the cloud is moody and the agent dies again and
// again. No container may see more of it than an agent that is away for a
// moment; at the end everything must agree, and a drain leaves nothing.
func TestNothingLeaksAndNoADDFailsInAChurnWithFaultsAndKills(t *testing.T) {
	ctx := within(t, 25*time.Minute)
	pairs := sized(t, "pairs", 2000, 100)
	c := newChurn(ctx, t)
	kept := c.keep(ctx, t)
	ok(t, c.proxy.Set(faultsOf(t, badWeather)))
	mark, began := c.proxy.Mark(), time.Now()

	done := make(chan struct{})
	var trouble sync.WaitGroup
	trouble.Go(func() { c.kill(ctx, t, done) })
	trouble.Go(func() { c.restartOVSDB(ctx, t, pairs, done) })
	together(churnWorkers, pairs, func(i int) {
		if ctx.Err() == nil {
			c.pair(ctx, t, i%len(c.confs))
		}
	})
	took := time.Since(began)
	close(done)
	trouble.Wait()
	t.Logf("%d pairs in %v: %.1f pairs/s; %d kills, %d crashes at a write, %d restarts of ovsdb-server, %d ADDs cut off; faults: %v",
		pairs, took.Round(time.Second), float64(pairs)/took.Seconds(), c.killed, c.crashed, c.restarted, c.cut.Load(), c.proxy.Fired())
	calls(t, c.proxy.Since(mark), pairs)

	c.proxy.Clear()
	began = time.Now()
	ok(t, c.Rested(within(t, stateTime)))
	c.balances(within(t, stateTime), t)
	t.Logf("all agrees %v after the last pair", time.Since(began).Round(time.Millisecond))
	for _, at := range kept {
		ok(t, at.check(ctx))
	}
	for _, w := range c.watches {
		w.Check()
	}
	t.Logf("the watches: %+v, %+v", c.watches[0].Close(), c.watches[2].Close())
}

// newChurn makes two networks and three pools, of which two differ in their
// groups alone, and a watch of the addresses of each network.
func newChurn(ctx context.Context, t *testing.T) *churn {
	c := &churn{pooled: newPooled(t, "churn", hasty(map[string]any{"max": 60, "nodeMax": 150}))}
	must[rig.Network](t)(c.tenant.Network(ctx, "one", "10.90.0.0/23"))
	must[rig.Network](t)(c.tenant.Network(ctx, "two", "10.91.0.0/23"))
	must[string](t)(c.tenant.OpenGroup(ctx, "open"))
	must[string](t)(c.tenant.Group(ctx, "more"))
	c.confs = []rig.Conf{c.conf("one", "open"), c.conf("one", "more", "open"), c.conf("two", "open")}
	other := newAgent(t, world.agents[1].Node, rig.AgentOptions{Cluster: c.Cluster + "-watch", Config: settings{"pool": {"enabled": false}}})
	watch := func(network string) *rig.AddressWatch {
		prober := attach(t, other, other.Conf(network, map[string]any{"project": c.tenant.Project, "securityGroups": []string{"open"}}))
		w := must[*rig.AddressWatch](t)(rig.NewAddressWatch(rig.WatchOptions{Prober: prober.Sandbox, Interface: "eth0", Errorf: t.Errorf}))
		t.Cleanup(func() { w.Close() })
		w.Added(prober.Sandbox, "eth0", prober.answer)
		return w
	}
	one, two := watch("one"), watch("two")
	c.watches = []*rig.AddressWatch{one, one, two}
	return c
}

// keep attaches what stays over all of it.
func (c *churn) keep(ctx context.Context, t *testing.T) (kept []*attached) {
	for i, conf := range c.confs {
		at := attach(t, c.Agent, conf)
		c.watches[i].Added(at.Sandbox, "eth0", at.answer)
		kept = append(kept, at)
	}
	return kept
}

// pair is what a runtime does for a container, and a user who looks at it.
func (c *churn) pair(ctx context.Context, t *testing.T, of int) {
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
	began := time.Now()
	answer, cut, err := c.adds(ctx, s, c.confs[of])
	c.cut.Add(int64(cut))
	if err != nil {
		t.Errorf("%s: ADD failed after %v: %v", time.Now().Format(time.TimeOnly), time.Since(began).Round(time.Millisecond), err)
	} else {
		c.watches[of].Added(s, "eth0", answer)
	}
	c.watches[of].Leaving(s, "eth0")
	if err := c.dels(ctx, s, c.confs[of]); err != nil {
		t.Errorf("%s: DEL failed: %v", time.Now().Format(time.TimeOnly), err)
	}
	c.pairs.Add(1)
}

// kill ends the agent at random moments, from without and from within, and
// starts it again, until done.
func (c *churn) kill(ctx context.Context, t *testing.T, done <-chan struct{}) {
	for over := false; !over; {
		select {
		case <-done:
			over = true
		case <-c.Ended():
			c.crashed++
		case <-time.After(rand.N(killedWithin)):
			c.killed++
		}
		err := c.Kill()
		for tries := 0; err == nil && tries < 5; tries++ {
			c.CrashOneWriteIn([]int{0, crashOneIn}[rand.N(2)])
			if over || tries == 4 {
				c.CrashOneWriteIn(0)
			}
			if err = c.Start(ctx); err == nil {
				break
			}
			// It may have crashed while it started.
			c.crashed++
			err = c.Kill()
		}
		if err != nil {
			t.Error(err)
			return
		}
	}
}

// restartOVSDB restarts the node's database a few times, evenly over the pairs.
func (c *churn) restartOVSDB(ctx context.Context, t *testing.T, pairs int, done <-chan struct{}) {
	for i := range ovsdbRestarts {
		err := rig.Await(ctx, "pairs", func(context.Context) error {
			select {
			case <-done:
				return rig.Fatal(fmt.Errorf("the pairs are done"))
			default:
			}
			if n, at := int(c.pairs.Load()), pairs*(i+1)/(ovsdbRestarts+1); n < at {
				return fmt.Errorf("%d of %d", n, at)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
			return
		}
		if err := c.Node.RestartOVSDB(ctx); err != nil {
			t.Error(err)
		}
		c.restarted++
	}
}
