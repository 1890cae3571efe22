// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/kuryr-go/kuryr/test/openstack"
	"github.com/kuryr-go/kuryr/test/rig"
)

func TestSecurityGroupsHoldAndFollowTheirRules(t *testing.T) {
	tn, ctx := tenant(t), within(t, stateTime)
	must[rig.Network](t)(tn.Network(ctx, "net", "10.4.0.0/24"))
	web := must[string](t)(tn.Group(ctx, "web"))
	must[string](t)(tn.Group(ctx, "clients"))
	agent, other := world.agents[0], world.agents[1]
	server := attach(t, agent, agent.Conf("net", map[string]any{"project": tn.Project, "securityGroups": []string{"web"}}))
	client := attach(t, other, other.Conf("net", map[string]any{"project": tn.Project, "securityGroups": []string{"clients"}}))
	to := server.ip(t, false)
	serve(t, server.Netns, "server", 8080)
	serve(t, server.Netns, "server", 8081)

	silent(t, client.Netns, to, 8080)
	rule := must[string](t)(tn.Rule(ctx, web, rig.Let{Protocol: "tcp", Port: 8080}))
	t.Logf("rule made → connection passes: %v", took(func() { connects(t, client.Netns, to, 8080, "server") }))
	silent(t, client.Netns, to, 8081)
	ok(t, tn.DeleteRule(ctx, rule))
	t.Logf("rule gone → connection dropped: %v, of which a connection's time-out is 2.5 s", took(func() { becomesSilent(t, client.Netns, to, 8080) }))
}

func TestARemoteGroupLetsItsMembersInAndNobodyElse(t *testing.T) {
	tn, ctx := tenant(t), within(t, stateTime)
	must[rig.Network](t)(tn.Network(ctx, "net", "10.5.0.0/24"))
	web := must[string](t)(tn.Group(ctx, "web"))
	friends := must[string](t)(tn.Group(ctx, "friends"))
	must[string](t)(tn.Group(ctx, "strangers"))
	must[string](t)(tn.Rule(ctx, web, rig.Let{Protocol: "tcp", From: friends}))
	agent, other := world.agents[0], world.agents[1]
	in := func(a *rig.Agent, group string) *attached {
		return attach(t, a, a.Conf("net", map[string]any{"project": tn.Project, "securityGroups": []string{group}}))
	}
	server, friend, stranger := in(agent, "web"), in(other, "friends"), in(other, "strangers")
	serve(t, server.Netns, "server", 8080)
	connects(t, friend.Netns, server.ip(t, false), 8080, "server")
	silent(t, stranger.Netns, server.ip(t, false), 8080)
}

func TestNoGroupAtAllAndNoPortSecurityAreWhatTheySay(t *testing.T) {
	tn, ctx := tenant(t), within(t, stateTime)
	must[rig.Network](t)(tn.Network(ctx, "net", "10.6.0.0/24"))
	agent := world.agents[0]
	conf := func(more map[string]any) rig.Conf {
		return agent.Conf("net", map[string]any{"project": tn.Project}, more)
	}
	closed := attach(t, agent, conf(map[string]any{"securityGroups": []string{}}))
	open := attach(t, agent, conf(map[string]any{"securityGroups": []string{}, "portSecurity": false}))
	also := attach(t, agent, conf(map[string]any{"securityGroups": []string{}, "portSecurity": false}))
	if n := len(portOf(t, tn, closed).SecurityGroups); n != 0 {
		t.Errorf("a port without groups has %d", n)
	}
	serve(t, closed.Netns, "closed", 8080)
	serve(t, open.Netns, "open", 8080)
	connects(t, also.Netns, open.ip(t, false), 8080, "open")
	silent(t, also.Netns, closed.ip(t, false), 8080)
}

// silent checks that a connection gets no answer at all.
func silent(t *testing.T, from openstack.Netns, to netip.Addr, port int) {
	t.Helper()
	if got, err := rig.Connect(within(t, stateTime), from, to, port); !errors.Is(err, rig.ErrSilent) {
		t.Errorf("connection to %s:%d: %q, %v; want silence", to, port, got, err)
	}
}

// becomesSilent waits until a connection gets no answer.
func becomesSilent(t *testing.T, from openstack.Netns, to netip.Addr, port int) {
	t.Helper()
	err := rig.Await(within(t, stateTime), "silence", func(ctx context.Context) error {
		if got, err := rig.Connect(ctx, from, to, port); !errors.Is(err, rig.ErrSilent) {
			return fmt.Errorf("answer %q, %w", got, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func took(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began).Round(time.Millisecond)
}
