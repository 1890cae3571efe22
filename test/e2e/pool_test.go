// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/containernetworking/cni/pkg/types"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/internal/cloud/faults"
	"github.com/kuryr-go/kuryr/test/rig"
)

// settings are the sections of an agent's configuration.
type settings = map[string]map[string]any

// hasty are the settings under which what takes minutes takes seconds: rest,
// idleness, collections.
func hasty(pool map[string]any) settings {
	of := map[string]any{"coolDown": "1s", "checkEvery": "1s", "prewarm": false, "warm": 4}
	maps.Copy(of, pool)
	return settings{
		"pool": of, "gc": {"interval": "2s", "grace": "5s"},
		// What hangs is given up soon.
		"cloud": {"requestTimeout": "3s"},
	}
}

// pooled is an agent of a test's own whose pools are put to the test.
type pooled struct {
	*rig.Agent
	tenant *rig.Tenant
	// proxy stands between the agent and the cloud.
	proxy *rig.FaultProxy
}

// newPooled starts one on the first node. At the end of the test it is drained,
// and nothing may be left of it.
func newPooled(t *testing.T, cluster string, config settings) *pooled {
	t.Helper()
	tn, node := tenant(t), world.agents[0].Node
	proxy := must[*rig.FaultProxy](t)(world.NewFaultProxy(within(t, stateTime), node))
	t.Cleanup(func() {
		if err := proxy.Close(); err != nil {
			t.Error(err)
		}
	})
	agent := newAgent(t, node, rig.AgentOptions{Cluster: fmt.Sprintf("%s-%d", cluster, os.Getpid()), CloudsFile: proxy.CloudsFile(), Config: config})
	p := &pooled{Agent: agent, tenant: tn, proxy: proxy}
	t.Cleanup(func() { p.leavesNothing(closing(t), t) })
	return p
}

// leavesNothing drains the agent, and looks for what is left of it.
func (p *pooled) leavesNothing(ctx context.Context, t *testing.T) {
	t.Helper()
	p.proxy.Clear()
	if err := p.proxy.Start(ctx); err != nil {
		t.Error(err)
	}
	if err := p.Drain(ctx); err != nil {
		t.Errorf("drain: %v", err)
	}
	mark := p.proxy.Mark()
	p.balances(ctx, t)
	// It is so in the journal too.
	ctx = closing(t)
	if err := errors.Join(p.Stop(), p.Start(ctx)); err != nil {
		t.Error(err)
	}
	if n := p.proxy.Since(mark).Of("network", createPort); n > 0 {
		t.Errorf("a drained node has asked for ports %d times", n)
	}
	if left := must[map[string]rig.Use](t)(p.Holdings(ctx)); len(left) > 0 {
		t.Errorf("after the drain the journal still has %v", left)
	}
	for _, port := range must[[]ports.Port](t)(p.tenant.Ports(ctx)) {
		t.Errorf("port %s is left after the drain: %s", port.ID, port.Description)
	}
}

// conf asks for a port on a network of the tenant's with groups, from a pool.
func (p *pooled) conf(network string, groups ...string) rig.Conf {
	return p.Conf(network, map[string]any{"project": p.tenant.Project, "securityGroups": groups})
}

// balances waits until cloud, OVN, nodes and agent agree about what there is.
func (p *pooled) balances(ctx context.Context, t *testing.T) {
	t.Helper()
	var found []string
	err := rig.Await(ctx, "balance", func(ctx context.Context) error {
		want, err := p.Holdings(ctx)
		if err != nil {
			return err
		}
		now, err := world.Balance(ctx, rig.Accounts{Cluster: p.Cluster, Agents: []*rig.Agent{p.Agent}, Want: want})
		if err != nil {
			return err
		}
		if found = now; len(found) > 0 {
			err = errors.New(strings.Join(found, "\n"))
		}
		return err
	})
	if err != nil {
		t.Errorf("%v\nlast seen: %s", err, strings.Join(found, "\n"))
	}
}

// adds attaches a sandbox of the test's as a runtime does that is patient with
// an agent that is away, and with nothing else.
func (p *pooled) adds(ctx context.Context, s *rig.Sandbox, c rig.Conf) (answer []byte, cut int, err error) {
	err = rig.Await(ctx, "ADD of "+s.ID, func(ctx context.Context) (err error) {
		answer, err = p.Add(ctx, s, "eth0", c)
		if err != nil && !away(err) {
			return rig.Fatal(describe(err))
		}
		if err != nil {
			cut++
		}
		return err
	})
	return answer, cut, err
}

// dels detaches it in the same way.
func (p *pooled) dels(ctx context.Context, s *rig.Sandbox, c rig.Conf) error {
	return rig.Await(ctx, "DEL of "+s.ID, func(ctx context.Context) error {
		err := p.Del(ctx, s, "eth0", c)
		if err != nil && !away(err) {
			return rig.Fatal(describe(err))
		}
		return err
	})
}

// away tells that there was no answer because the agent was not there, or died.
func away(err error) bool {
	var e *types.Error
	return errors.As(err, &e) && strings.Contains(e.Msg, "agent does not answer")
}

// describe adds the details to a plugin's error.
func describe(err error) error {
	var e *types.Error
	if errors.As(err, &e) {
		return fmt.Errorf("code %d: %s; %s", e.Code, e.Msg, e.Details)
	}
	return err
}

// pool gives the agent's word on the pool of a network and groups.
func (p *pooled) pool(ctx context.Context, network string, groups ...string) (agentapi.Pool, error) {
	st, err := p.Client().Status(ctx)
	if err != nil {
		return agentapi.Pool{}, err
	}
	for _, row := range st.Pools {
		if row.Network == network && slices.Equal(row.SecurityGroups, groups) {
			return row, nil
		}
	}
	return agentapi.Pool{}, fmt.Errorf("no pool of %s, %v", network, groups)
}

// awaits waits until the pool is as it shall be.
func (p *pooled) awaits(ctx context.Context, t *testing.T, what, network string, groups []string, is func(agentapi.Pool) bool) agentapi.Pool {
	t.Helper()
	var row agentapi.Pool
	ok(t, rig.Await(ctx, what, func(ctx context.Context) (err error) {
		if row, err = p.pool(ctx, network, groups...); err == nil && !is(row) {
			err = fmt.Errorf("%+v", row)
		}
		return err
	}))
	return row
}

// together does something n times by some workers.
func together(workers, n int, do func(i int)) {
	next := make(chan int)
	var work sync.WaitGroup
	for range workers {
		work.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	work.Wait()
}

// sized is what a test does so often: on the real Neutron, where a port takes a
// good part of a second and one is made after the other, less often.
func sized(t *testing.T, what string, embedded, real int) int {
	t.Helper()
	n := embedded
	if !world.Cloud.Embedded() {
		n = real
	}
	t.Logf("%s: %d", what, n)
	return n
}

// calls tells the requests that reached the cloud, by kind, for so many pairs.
func calls(t *testing.T, of rig.Requests, pairs int) (network int) {
	t.Helper()
	kinds := map[string]int{}
	for _, c := range of {
		kinds[c.Service+" "+c.Kind] += c.Count
		if c.Service == "network" {
			network += c.Count
		}
	}
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		t.Logf("%-50s %6d  %.3f a pair", k, kinds[k], float64(kinds[k])/float64(pairs))
	}
	return network
}

// faultsOf reads faults in YAML.
func faultsOf(t *testing.T, text string) faults.Settings {
	t.Helper()
	return must[faults.Settings](t)(faults.Read("faults", []byte(text)))
}
