// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/vishvananda/netlink"

	"github.com/kuryr-go/kuryr/test/openstack"
	"github.com/kuryr-go/kuryr/test/rig"
)

// What the storm does: pairs of ADD and DEL by some workers, and a kill -9 of
// the agent after a random time, again and again. The longest time lets each
// worker through with a pair or more; the shortest ends the agent in the
// middle of everything.
const (
	stormWorkers = 3
	stormKept    = 5
	killAfterMax = 4 * time.Second
)

// storm is a run of ADDs and DELs against an agent that keeps dying.
type storm struct {
	agent *rig.Agent
	conf  rig.Conf
	// most is how many pairs there shall be; pairs counts what was begun; added the ADDs that succeeded, and cut those
	// that a kill cut off.
	most              int64
	pairs, added, cut atomic.Int64
	kills             int

	mu    sync.Mutex
	inUse map[string]string // sandbox by address; guarded by mu
}

// TestNothingLeaksWhenTheAgentIsKilledAtAnyMoment kills the agent at random
// moments during many pairs of ADD and DEL. Then it counts.
func TestNothingLeaksWhenTheAgentIsKilledAtAnyMoment(t *testing.T) {
	tn, ctx := tenant(t), within(t, 20*time.Minute)
	must[rig.Network](t)(tn.Network(ctx, "storm", "10.40.0.0/22"))
	open := must[string](t)(tn.OpenGroup(ctx, "open"))
	node := world.agents[1].Node
	agent := newAgent(t, node, rig.AgentOptions{Cluster: fmt.Sprintf("storm-%d", os.Getpid()), Config: map[string]map[string]any{"cloud": {"requestTimeout": "15s"}}})
	st := &storm{
		agent: agent, inUse: map[string]string{}, most: int64(sized(t, "pairs", 200, 80)),
		conf: agent.Conf("storm", map[string]any{"project": tn.Project, "securityGroups": []string{open}, "name": "storm"}),
	}

	var kept []*attached
	for range stormKept {
		at := attach(t, agent, st.conf)
		st.use(t, at.ip(t, false).String(), at.ID)
		kept = append(kept, at)
	}
	st.run(ctx, t)
	ok(t, agent.Settled(within(t, stateTime)))
	t.Logf("%d pairs of ADD and DEL, %d kills: %d ADDs succeeded, %d were cut off", st.most, st.kills, st.added.Load(), st.cut.Load())
	if st.added.Load() == 0 || st.cut.Load() == 0 {
		t.Error("the kills came at moments of one kind alone")
	}

	want := map[string]bool{}
	for _, at := range kept {
		link := must[rig.Link](t)(at.Link("eth0"))
		if link.Addresses[0].Addr() != at.ip(t, false) {
			t.Errorf("kept %s has %v, it was given %s", at.ID, link.Addresses, at.ip(t, false))
		}
		want[link.MAC] = true
		ok(t, at.check(ctx))
		pings(t, kept[0].Netns, at.ip(t, false))
	}
	for _, p := range must[[]ports.Port](t)(tn.Ports(ctx)) {
		if !want[p.MACAddress] {
			t.Errorf("port %s (%s) is left that no container owns: %s", p.ID, p.FixedIPs[0].IPAddress, p.Description)
		}
		delete(want, p.MACAddress)
	}
	for _, mac := range slices.Collect(maps.Keys(want)) {
		t.Errorf("the port of %s is missing", mac)
	}
	countLocal(ctx, t, node, agent.Cluster, stormKept)
}

// countLocal counts the OVS rows and the devices of a cluster on a node.
func countLocal(ctx context.Context, t *testing.T, node *openstack.Node, cluster string, want int) {
	t.Helper()
	rows, err := node.Vsctl(ctx, "--bare", "--columns=name", "find", "Interface", "external_ids:kuryr-cluster="+cluster)
	ok(t, err)
	names := strings.Fields(rows)
	if len(names) != want {
		t.Errorf("%d OVS rows, want %d: %v", len(names), want, names)
	}
	mine := map[string]bool{}
	for _, n := range names {
		mine[n] = true
	}
	ok(t, node.Netns().Do(func() error {
		links, err := netlink.LinkList()
		for _, l := range links {
			a := l.Attrs()
			if a.OperState == netlink.OperNotPresent || !strings.HasPrefix(a.Name, "tap") || !strings.Contains(a.Alias, "kuryr") {
				continue
			}
			if owner := others(ctx, t, node, a.Name); owner != "" && owner != cluster {
				continue
			}
			if !mine[a.Name] {
				t.Errorf("device %s (%s) is left without a row", a.Name, a.Alias)
			}
		}
		return err
	}))
}

// others gives the cluster that a device's row belongs to; empty: no row.
func others(ctx context.Context, t *testing.T, node *openstack.Node, device string) string {
	t.Helper()
	out, err := node.Vsctl(ctx, "--if-exists", "get", "Interface", device, "external_ids:kuryr-cluster")
	ok(t, err)
	return strings.Trim(strings.TrimSpace(out), `"`)
}

// run does the pairs, with a killer beside them.
func (st *storm) run(ctx context.Context, t *testing.T) {
	t.Helper()
	done := make(chan struct{})
	var killer sync.WaitGroup
	killer.Go(func() { st.kill(ctx, t, done) })
	var workers sync.WaitGroup
	for range stormWorkers {
		workers.Go(func() {
			for st.pairs.Add(1) <= st.most && ctx.Err() == nil {
				st.pair(ctx, t)
			}
		})
	}
	workers.Wait()
	close(done)
	killer.Wait()
}

// kill ends the agent at random moments and starts it again, until done.
func (st *storm) kill(ctx context.Context, t *testing.T, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-time.After(rand.N(killAfterMax)):
		}
		if err := st.agent.Kill(); err != nil {
			t.Error(err)
		}
		st.kills++
		if err := st.agent.Start(ctx); err != nil {
			t.Error(err)
			return
		}
	}
}

// pair does what a runtime does: ADD, and whatever became of it, DEL until it succeeds.
func (st *storm) pair(ctx context.Context, t *testing.T) {
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
	ip := ""
	if out, err := st.agent.Add(ctx, s, "eth0", st.conf); err == nil {
		addr, _, _ := net.ParseCIDR(result(t, out).IPs[0].Address.String())
		ip = addr.String()
		st.use(t, ip, s.ID)
		st.added.Add(1)
	} else {
		st.cut.Add(1)
		// The agent is away, or went away: all else is a failure.
		if code(err) != 11 {
			t.Errorf("ADD: %v", err)
		}
	}
	// An address is free for others from the moment DEL is called.
	st.leave(ip)
	err = rig.Await(ctx, "DEL of "+s.ID, func(ctx context.Context) error { return st.agent.Del(ctx, s, "eth0", st.conf) })
	if err != nil {
		t.Error(err)
	}
}

func (st *storm) use(t *testing.T, ip, id string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if owner := st.inUse[ip]; owner != "" {
		t.Errorf("address %s was given to %s while %s has it", ip, id, owner)
	}
	st.inUse[ip] = id
}

func (st *storm) leave(ip string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	delete(st.inUse, ip)
}
