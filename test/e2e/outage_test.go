// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/test/openstack"
	"github.com/kuryr-go/kuryr/test/rig"
)

func TestWithoutNeutronDELWorksSTATUSTellsAndADDFailsAtOnce(t *testing.T) {
	tn, ctx := tenant(t), within(t, 2*stateTime)
	must[rig.Network](t)(tn.Network(ctx, "net", "10.50.0.0/24"))
	agent := newAgent(t, world.agents[0].Node, rig.AgentOptions{Cluster: "outage"})
	conf := agent.Conf("net", map[string]any{"project": tn.Project})
	status := rig.Call{Command: "STATUS", Stdin: conf.JSON()}
	s := sandbox(t)
	must[[]byte](t)(agent.Add(ctx, s, "eth0", conf))
	must[[]byte](t)(agent.Plugin(ctx, status))

	ok(t, world.Cloud.StopNeutron(ctx))
	t.Cleanup(func() { // also when the test fails half-way
		if err := world.Cloud.StartNeutron(closing(t)); err != nil {
			t.Error(err)
		}
	})
	if _, err := agent.Plugin(ctx, status); code(err) != 50 {
		t.Errorf("STATUS: %v, want code 50", err)
	} else {
		t.Logf("STATUS: %v", err)
	}
	t.Logf("ADD fails in %v", took(func() {
		_, err := agent.Add(ctx, sandbox(t), "eth0", conf)
		if code(err) != 11 {
			t.Errorf("ADD: %v, want code 11", err)
		}
		t.Logf("ADD: %v", err)
	}))
	t.Logf("DEL succeeds in %v", took(func() { ok(t, agent.Del(ctx, s, "eth0", conf)) }))
	vanishes(t, s, "eth0")
	var seen agentapi.Status
	out, err := agent.Command(ctx, "status", "--socket", agent.Socket, "-o", "json")
	if err == nil {
		t.Error("kuryr status exits with 0 while Neutron is down")
	}
	ok(t, json.Unmarshal([]byte(out), &seen))
	if seen.Cloud.Reachable || seen.Ports.Releasing == 0 || len(seen.Problems) == 0 {
		t.Errorf("kuryr status: %s", out)
	}
	// What is to be finished is not forgotten by a restart in the meantime.
	ok(t, agent.Kill())
	ok(t, agent.Start(ctx))

	ok(t, world.Cloud.StartNeutron(ctx))
	ok(t, agent.Settled(ctx))
	if left := must[[]ports.Port](t)(tn.Ports(ctx)); len(left) != 0 {
		t.Errorf("%d ports left", len(left))
	}
	ok(t, rig.Await(ctx, "STATUS", func(ctx context.Context) error { _, err := agent.Plugin(ctx, status); return err }))
	must[[]byte](t)(agent.Add(ctx, s, "eth0", conf))
	ok(t, agent.Del(ctx, s, "eth0", conf))
	ok(t, agent.Settled(ctx))
}

func TestARestartOfTheSwitchsDatabaseIsNotFeltByContainers(t *testing.T) {
	tn, ctx := tenant(t), within(t, 2*stateTime)
	net := must[rig.Network](t)(tn.Network(ctx, "net", "10.51.0.0/24"))
	open := must[string](t)(tn.OpenGroup(ctx, "open"))
	agent := world.agents[0]
	conf := agent.Conf("net", map[string]any{"project": tn.Project, "securityGroups": []string{open}})
	at := attach(t, agent, conf)
	// A VM that Kuryr has nothing to do with shows what OVS itself needs.
	vm := boot(t, tn, agent.Node, net, open)
	peer := boot(t, tn, world.agents[1].Node, net, open)
	pings(t, at.Netns, peer.Address())
	pings(t, vm.Netns(), peer.Address())

	lost := map[string]chan int{"container": make(chan int, 1), "vm": make(chan int, 1)}
	go func() { lost["container"] <- lostPings(ctx, t, at.Netns, peer.Address()) }()
	go func() { lost["vm"] <- lostPings(ctx, t, vm.Netns(), peer.Address()) }()
	ok(t, agent.Node.RestartOVSDB(ctx))
	container, bare := <-lost["container"], <-lost["vm"]
	t.Logf("of %d echoes, 20 ms apart: container lost %d, VM lost %d", pingCount, container, bare)
	if container > bare+2 {
		t.Errorf("the container lost %d echoes, a VM beside it %d", container, bare)
	}
	late := attach(t, agent, conf)
	pings(t, late.Netns, at.ip(t, false))
	if status, body, err := agent.Page(ctx, "/readyz"); err != nil || status != http.StatusOK {
		t.Errorf("/readyz: %d %q %v", status, body, err)
	}
}

// pingCount is the number of echoes sent while the database restarts.
const pingCount = 250

var received = regexp.MustCompile(`(\d+) received`)

// lostPings sends echoes every 20 ms and counts those that do not come back.
func lostPings(ctx context.Context, t *testing.T, from openstack.Netns, to netip.Addr) int {
	// Its exit status says whether any was lost; the count is in the text.
	out, _ := from.Output(ctx, "ping", "-n", "-q", "-i", "0.02", "-W", "1", "-c", strconv.Itoa(pingCount), to.String())
	m := received.FindStringSubmatch(out)
	if m == nil {
		t.Errorf("ping says %q", out)
		return pingCount
	}
	n, _ := strconv.Atoi(m[1])
	return pingCount - n
}

func TestWhileTheSwitchsDatabaseIsAwayDELWorksAndIsFinishedLater(t *testing.T) {
	tn, ctx := tenant(t), within(t, 2*stateTime)
	must[rig.Network](t)(tn.Network(ctx, "net", "10.52.0.0/24"))
	agent := newAgent(t, world.agents[0].Node, rig.AgentOptions{Cluster: "noovsdb"})
	conf := agent.Conf("net", map[string]any{"project": tn.Project})
	s := sandbox(t)
	must[[]byte](t)(agent.Add(ctx, s, "eth0", conf))
	ok(t, agent.Node.Kill(ctx, openstack.OVSDB))
	t.Cleanup(func() {
		if err := agent.Node.Start(closing(t), openstack.OVSDB); err != nil {
			t.Error(err)
		}
	})
	ok(t, agent.Del(ctx, s, "eth0", conf))
	_, err := agent.Plugin(ctx, rig.Call{Command: "STATUS", Stdin: conf.JSON()})
	if code(err) != 50 || !strings.Contains(fmt.Sprint(err), "ovs") {
		t.Errorf("STATUS: %v, want code 50 and the switch named", err)
	}
	ok(t, agent.Node.Start(ctx, openstack.OVSDB))
	ok(t, agent.Settled(ctx))
	countLocal(ctx, t, agent.Node, agent.Cluster, 0)
	if left := must[[]ports.Port](t)(tn.Ports(ctx)); len(left) != 0 {
		t.Errorf("%d ports left", len(left))
	}
}
