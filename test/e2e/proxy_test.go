// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/internal/cloud/faults"
	"github.com/kuryr-go/kuryr/test/rig"
)

// createPort is the kind of the call that makes ports.
const createPort = "POST /v2.0/ports"

// behind starts an agent of the test's own behind a fault proxy, for a network "net".
func behind(t *testing.T, cluster, cidr string) (*rig.FaultProxy, *rig.Agent, *rig.Tenant, rig.Conf) {
	t.Helper()
	tn, node := tenant(t), world.agents[0].Node
	must[rig.Network](t)(tn.Network(within(t, stateTime), "net", cidr))
	proxy := must[*rig.FaultProxy](t)(world.NewFaultProxy(within(t, stateTime), node))
	t.Cleanup(func() {
		if err := proxy.Close(); err != nil {
			t.Error(err)
		}
	})
	agent := newAgent(t, node, rig.AgentOptions{Cluster: cluster, CloudsFile: proxy.CloudsFile(), Config: map[string]map[string]any{
		// An ADD that got no port is settled when none can come any more.
		"cloud": {"requestTimeout": "10s"},
	}})
	return proxy, agent, tn, agent.Conf("net", map[string]any{"project": tn.Project})
}

// inject sets the faults that a text in YAML tells.
func inject(t *testing.T, p *rig.FaultProxy, text string) {
	t.Helper()
	ok(t, p.Set(must[faults.Settings](t)(faults.Read("faults", []byte(text)))))
}

// noPorts waits until the agent has given everything back, and counts.
func noPorts(ctx context.Context, t *testing.T, a *rig.Agent, tn *rig.Tenant) {
	t.Helper()
	ok(t, a.Settled(ctx))
	if left := must[[]ports.Port](t)(tn.Ports(ctx)); len(left) != 0 {
		t.Errorf("%d ports left: %+v", len(left), left)
	}
}

func TestAnAgentBehindTheProxyMakesAllItsCallsThroughIt(t *testing.T) {
	proxy, agent, tn, conf := behind(t, "proxied", "10.80.0.0/24")
	ctx := within(t, stateTime)
	mark := proxy.Mark()
	s := sandbox(t)
	must[[]byte](t)(agent.Add(ctx, s, "eth0", conf))
	ok(t, agent.Del(ctx, s, "eth0", conf))
	noPorts(ctx, t, agent, tn)
	since := proxy.Since(mark)
	t.Logf("for one container: %+v", since)
	if n := proxy.Requests().Of("identity", "POST /v3/auth/tokens"); n != 1 {
		t.Errorf("%d logins, want one", n)
	}
	if made, gone := since.Of("network", createPort), since.Of("network", "DELETE /v2.0/ports/{id}"); made != 1 || gone != 1 {
		t.Errorf("%d creates and %d deletes of ports, want one each", made, gone)
	}
}

func TestWhatTheProxyRefusesIsInTheErrorOfTheADD(t *testing.T) {
	proxy, agent, tn, conf := behind(t, "proxyerror", "10.81.0.0/24")
	ctx := within(t, stateTime)
	inject(t, proxy, `rules: [{match: {service: network, method: POST, path: /v2.0/ports}, answer: error, status: 500, message: the moon is in the way}]`)
	s := sandbox(t)
	_, err := agent.Add(ctx, s, "eth0", conf)
	if err == nil || !strings.Contains(err.Error(), "the moon is in the way") || !strings.Contains(err.Error(), "500") {
		t.Errorf("ADD: %v", err)
	}
	t.Logf("ADD: %v", err)
	if n := proxy.Fired()["rule 1"]; n == 0 {
		t.Error("the rule did nothing")
	}
	proxy.Clear()
	must[[]byte](t)(agent.Add(ctx, s, "eth0", conf))
	ok(t, agent.Del(ctx, s, "eth0", conf))
	noPorts(ctx, t, agent, tn)
}

func TestAPortWhoseAnswerTheProxyDropsDoesNotStay(t *testing.T) {
	for name, answer := range map[string]string{
		"dropped": "answer: drop, after: true", "truncated": "answer: truncate", "refused afterwards": "answer: error, status: 503, after: true",
	} {
		t.Run(name, func(t *testing.T) {
			proxy, agent, tn, conf := behind(t, "proxydrop", "10.82.0.0/24")
			ctx := within(t, stateTime)
			inject(t, proxy, `rules: [{match: {service: network, method: POST, path: /v2.0/ports}, `+answer+`}]`)
			s := sandbox(t)
			_, err := agent.Add(ctx, s, "eth0", conf)
			t.Logf("ADD: %v", err)
			if proxy.Fired()["rule 1"] == 0 {
				t.Error("the rule did nothing")
			}
			proxy.Clear()
			ok(t, agent.Del(ctx, s, "eth0", conf))
			noPorts(ctx, t, agent, tn)
			countLocal(ctx, t, agent.Node, agent.Cluster, 0)
		})
	}
}

func TestWhileTheProxyIsDownTheCloudIsUnreachableAndHealsAfterwards(t *testing.T) {
	proxy, agent, tn, conf := behind(t, "proxydown", "10.83.0.0/24")
	ctx := within(t, stateTime)
	seen := func(ctx context.Context) (st agentapi.Status, err error) {
		// It exits with an error when there are problems; they are in the text.
		out, _ := agent.Command(ctx, "status", "--socket", agent.Socket, "-o", "json")
		return st, json.Unmarshal([]byte(out), &st)
	}
	ok(t, rig.Await(ctx, "the cloud", func(ctx context.Context) error {
		st, err := seen(ctx)
		if err == nil && !st.Cloud.Reachable {
			err = errors.New(st.Cloud.Problem)
		}
		return err
	}))
	ok(t, proxy.Stop())
	ok(t, rig.Await(ctx, "word of the cloud that is down", func(ctx context.Context) error {
		st, err := seen(ctx)
		if err == nil && (st.Cloud.Reachable || len(st.Problems) == 0) {
			err = fmt.Errorf("status %+v", st)
		}
		return err
	}))
	if _, err := agent.Add(ctx, sandbox(t), "eth0", conf); code(err) != 11 || !strings.Contains(err.Error(), "refused") {
		t.Errorf("ADD: %v, want code 11 and a refused connection", err)
	}
	ok(t, proxy.Start(ctx))
	ok(t, rig.Await(ctx, "the cloud", func(ctx context.Context) error {
		st, err := seen(ctx)
		if err == nil && !st.Cloud.Reachable {
			err = errors.New(st.Cloud.Problem)
		}
		return err
	}))
	s := sandbox(t)
	must[[]byte](t)(agent.Add(ctx, s, "eth0", conf))
	ok(t, agent.Del(ctx, s, "eth0", conf))
	noPorts(ctx, t, agent, tn)
}
