// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/test/rig"
)

func TestASandboxThatDiesWithoutDELIsGivenBackAfterTheGraceTime(t *testing.T) {
	tn, ctx := tenant(t), within(t, stateTime)
	must[rig.Network](t)(tn.Network(ctx, "net", "10.71.0.0/24"))
	agent := newAgent(t, world.agents[0].Node, rig.AgentOptions{
		Cluster: "orphan",
		Config:  map[string]map[string]any{"agent": {"orphanGrace": "2s"}},
	})
	conf := agent.Conf("net", map[string]any{"project": tn.Project})
	alive, dead := attach(t, agent, conf), sandbox(t)
	must[[]byte](t)(agent.Add(ctx, dead, "eth0", conf))
	ok(t, dead.Close())
	ok(t, rig.Await(ctx, "end of the orphan", func(context.Context) error { return attachments(ctx, agent, 1) }))
	if left := must[[]ports.Port](t)(tn.Ports(ctx)); len(left) != 1 {
		t.Errorf("%d ports, want that of the living sandbox", len(left))
	}
	ok(t, alive.check(ctx))
	countLocal(ctx, t, agent.Node, agent.Cluster, 1)
}

// attachments is nil when the agent has just so many of them.
func attachments(ctx context.Context, a *rig.Agent, want int) error {
	list, err := a.Client().Attachments(ctx)
	if err == nil && len(list) != want {
		err = fmt.Errorf("%d attachments, want %d: %+v", len(list), want, list)
	}
	return err
}

func TestWithTheJournalLostContainersRunOnAndNothingStaysBehind(t *testing.T) {
	tn, ctx := tenant(t), within(t, stateTime)
	must[rig.Network](t)(tn.Network(ctx, "net", "10.72.0.0/24"))
	open := must[string](t)(tn.OpenGroup(ctx, "open"))
	agent := newAgent(t, world.agents[0].Node, rig.AgentOptions{
		Cluster: "lost",
		Config:  map[string]map[string]any{"agent": {"orphanGrace": "2s"}},
	})
	conf := agent.Conf("net", map[string]any{"project": tn.Project, "securityGroups": []string{open}})
	s := sandbox(t)
	out := must[[]byte](t)(agent.Add(ctx, s, "eth0", conf))
	ok(t, agent.Stop())
	ok(t, os.Remove(filepath.Join(agent.Dir, "agent.db")))
	ok(t, agent.Start(ctx))

	later := attach(t, agent, conf)
	ip := (&attached{result: result(t, out)}).ip(t, false)
	pings(t, later.Netns, ip)
	ok(t, rig.Await(ctx, "word of the stray", func(ctx context.Context) error {
		var st agentapi.Status
		st, err := agent.Client().Status(ctx)
		if err == nil && !strings.Contains(strings.Join(st.Problems, "\n"), "is not in the journal") {
			err = fmt.Errorf("problems: %q", st.Problems)
		}
		return err
	}))
	ok(t, s.Close())
	ok(t, rig.Await(ctx, "end of the stray", func(ctx context.Context) error {
		left, err := tn.Ports(ctx)
		if err == nil && len(left) != 1 {
			err = fmt.Errorf("%d ports", len(left))
		}
		return err
	}))
	ok(t, rig.Await(ctx, "release", func(ctx context.Context) error { return attachments(ctx, agent, 1) }))
	countLocal(ctx, t, agent.Node, agent.Cluster, 1)
}
