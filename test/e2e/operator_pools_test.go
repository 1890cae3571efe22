// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/containernetworking/cni/pkg/types"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/test/rig"
)

// slowly are the settings under which nothing is collected but by the operator.
func slowly() settings {
	config := hasty(map[string]any{"burstMemory": "0s"})
	config["gc"] = map[string]any{"interval": "0s", "grace": "1h"}
	return config
}

// kuryr runs an operator's command on the agent's socket, and wants an exit
// status.
func (p *pooled) kuryr(ctx context.Context, t *testing.T, status int, args ...string) string {
	t.Helper()
	return p.runs(ctx, t, status, append(args, "--socket", p.Socket)...)
}

// runs runs a command and wants an exit status.
func (p *pooled) runs(ctx context.Context, t *testing.T, status int, args ...string) string {
	t.Helper()
	out, err := p.Command(ctx, args...)
	var exit *exec.ExitError
	got := 0
	if errors.As(err, &exit) {
		got, err = exit.ExitCode(), nil
	}
	ok(t, err)
	t.Logf("$ kuryr %s\n%s", strings.Join(args, " "), out)
	if got != status {
		t.Fatalf("kuryr %s: exit status %d, want %d", args[0], got, status)
	}
	return out
}

// says fails for each of the words that an output has not.
func says(t *testing.T, out string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(out, w) {
			t.Errorf("no %q in\n%s", w, out)
		}
	}
}

// filled waits until the agent's pool of a network has what it shall have, or
// more: a surplus lasts before it goes.
func (p *pooled) filled(ctx context.Context, t *testing.T, network string, groups ...string) agentapi.Pool {
	t.Helper()
	return p.awaits(ctx, t, "a full pool", network, groups, func(row agentapi.Pool) bool {
		return row.Target > 0 && row.Free >= row.Target && row.Cooling+row.Waiting+row.Draining == 0
	})
}

// portIDs are all ports of a tenant.
func portIDs(ctx context.Context, t *testing.T, tn *rig.Tenant) []string {
	t.Helper()
	var ids []string
	for _, p := range must[[]ports.Port](t)(tn.Ports(ctx)) {
		ids = append(ids, p.ID)
	}
	slices.Sort(ids)
	return ids
}

// without gives the ids but one.
func without(ids []string, id string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(s string) bool { return s == id })
}

// neighbours are two clusters with an agent each on one node, and an operator
// with ports of his own, all in one project.
type neighbours struct {
	one, two *pooled
	net      rig.Network
	// own are the operator's ports; one of them imitates another cluster's.
	own []string
}

func newNeighbours(t *testing.T, name, cidr string) *neighbours {
	t.Helper()
	ctx := within(t, stateTime)
	n := &neighbours{one: newPooled(t, name+"1", slowly()), two: newPooled(t, name+"2", slowly())}
	tn, node := n.one.tenant, n.one.Host.Name
	n.net = must[rig.Network](t)(tn.Network(ctx, "net", cidr))
	must[string](t)(tn.OpenGroup(ctx, "open"))
	n.own = []string{
		boundPort(ctx, t, n.net, node, "kuryr cluster="+n.one.Cluster+"x node="+node+" pool=0"),
		boundPort(ctx, t, n.net, node, "my own, cluster="+n.one.Cluster+" node="+node),
	}
	p, err := ports.Create(ctx, tn.Client, ports.CreateOpts{NetworkID: n.net.ID, Description: "kuryr cluster=" + n.one.Cluster + " node=" + node + " pool=0", Name: "mine"}).Extract()
	ok(t, err)
	n.own = append(n.own, p.ID)
	t.Cleanup(func() {
		if err := ports.Delete(closing(t), tn.Client, p.ID).ExtractErr(); err != nil && !strings.Contains(err.Error(), "404") {
			t.Error(err)
		}
	})
	return n
}

// conf asks for a port in the project that they share.
func (n *neighbours) conf(p *pooled) rig.Conf {
	return p.Conf("net", map[string]any{"project": n.one.tenant.Project, "securityGroups": []string{"open"}})
}

func TestGCFindsAndRemovesWhatIsNobodysAndTouchesNoOtherCluster(t *testing.T) {
	ctx := within(t, 3*stateTime)
	n := newNeighbours(t, "gc", "10.121.0.0/24")
	for _, p := range []*pooled{n.one, n.two} {
		attach(t, p.Agent, n.conf(p))
		p.filled(ctx, t, "net", "open")
	}
	before := portIDs(ctx, t, n.one.tenant)
	stray := boundPort(ctx, t, n.net, n.one.Host.Name, "kuryr cluster="+n.one.Cluster+" node="+n.one.Host.Name+" pool=0")
	all := portIDs(ctx, t, n.one.tenant)

	// Within the grace it is kept, and told with --all alone.
	says(t, n.one.kuryr(ctx, t, 0, "gc", "--apply"), "None of 6 is to be removed", "--all shows")
	says(t, n.one.kuryr(ctx, t, 0, "gc", "--all"), stray, "nobody's, but younger than 1h0m0s", "attached of sandbox", "lease, free")
	// Without --apply it is found, and stays; to the other cluster it is nothing.
	says(t, n.one.kuryr(ctx, t, 0, "gc", "--grace", "0s"), stray, "1 of 6 would be removed: run again with --apply.")
	says(t, n.two.kuryr(ctx, t, 0, "gc", "--grace", "0s", "--apply"), "None of 5 is to be removed")
	if got := portIDs(ctx, t, n.one.tenant); !slices.Equal(got, all) {
		t.Errorf("ports %v, want %v", got, all)
	}
	var found []agentapi.Finding
	ok(t, json.Unmarshal([]byte(n.one.kuryr(ctx, t, 0, "gc", "--grace", "0s", "--apply", "-o", "json")), &found))
	for _, f := range found {
		if f.Removed != (f.ID == stray) || f.Remove != f.Removed {
			t.Errorf("%+v", f)
		}
	}
	if got := portIDs(ctx, t, n.one.tenant); !slices.Equal(got, before) {
		t.Errorf("ports %v, want %v", got, before)
	}
}

func TestUninstallRemovesOneClusterAndTouchesNoOther(t *testing.T) {
	ctx := within(t, 3*stateTime)
	n := newNeighbours(t, "un", "10.122.0.0/24")
	// One cluster has leases alone when its agent stops for good; the other has a container.
	s, conf := sandbox(t), n.conf(n.one)
	must[[]byte](t)(n.one.Add(ctx, s, "eth0", conf))
	ok(t, n.one.Del(ctx, s, "eth0", conf))
	kept := attach(t, n.two.Agent, n.conf(n.two))
	n.one.filled(ctx, t, "net", "open")
	n.two.filled(ctx, t, "net", "open")
	var mine []string
	for _, l := range must[[]agentapi.Lease](t)(n.one.Client().Leases(ctx)) {
		mine = append(mine, l.PortID)
	}
	ok(t, n.one.Stop())
	all := portIDs(ctx, t, n.one.tenant)
	others := slices.DeleteFunc(slices.Clone(all), func(id string) bool { return slices.Contains(mine, id) })
	args := []string{"uninstall", "--config", n.one.ConfigFile(), "--cluster", n.one.Cluster}

	out := n.one.runs(ctx, t, 0, args...)
	says(t, out, append(mine, fmt.Sprintf("%d ports of cluster %q on 1 node would be deleted", len(mine), n.one.Cluster))...)
	for _, id := range others {
		if strings.Contains(out, id) {
			t.Errorf("port %s is of another", id)
		}
	}
	// Of a node that has none nothing is removed; nor is anything unasked.
	says(t, n.one.runs(ctx, t, 0, append(args, "--node", "elsewhere", "--apply", "--yes")...), "There is no port of node")
	n.one.runs(ctx, t, 2, append(args, "--apply")...)
	if got := portIDs(ctx, t, n.one.tenant); !slices.Equal(got, all) {
		t.Errorf("ports %v, want %v", got, all)
	}
	says(t, n.one.runs(ctx, t, 0, append(args, "--apply", "--yes")...), fmt.Sprintf("%d of %d ports", len(mine), len(mine)))
	if got := portIDs(ctx, t, n.one.tenant); !slices.Equal(got, others) {
		t.Errorf("ports %v, want %v", got, others)
	}
	ok(t, kept.check(ctx))
	says(t, n.one.runs(ctx, t, 0, append(args, "--apply", "--yes")...), "There is no port of cluster")
	// An agent that comes back to that drains like any other.
	ok(t, n.one.Start(ctx))
}

func TestADrainedNodeKeepsItsContainersAndIsFilledAgainByUndo(t *testing.T) {
	ctx := within(t, 3*stateTime)
	p := newPooled(t, "drain", slowly())
	must[rig.Network](t)(p.tenant.Network(ctx, "net", "10.123.0.0/24"))
	must[string](t)(p.tenant.OpenGroup(ctx, "open"))
	conf := p.conf("net", "open")
	a, b := attach(t, p.Agent, conf), attach(t, p.Agent, conf)
	row := p.filled(ctx, t, "net", "open")
	pings(t, a.Netns, b.ip(t, false))

	says(t, p.kuryr(ctx, t, 0, "status"), "net/open", fmt.Sprintf("%d of %d", row.Free, row.Target), "Requests", "No problems.")
	says(t, p.kuryr(ctx, t, 0, "status", "-o", "wide"), row.Key)
	out := p.kuryr(ctx, t, 0, "ports", "--leases", "-o", "wide")
	for _, l := range must[[]agentapi.Lease](t)(p.Client().Leases(ctx)) {
		says(t, out, l.PortID, l.State)
	}
	if n := strings.Count(out, row.Key); n != row.Free+row.InUse {
		t.Errorf("%d lines of pool %s, want %d", n, row.Key, row.Free+row.InUse)
	}

	says(t, p.kuryr(ctx, t, 0, "drain"), "The node is drained. 2 attachments still use it", a.ID[:12], b.ID[:12])
	if left := must[[]agentapi.Lease](t)(p.Client().Leases(ctx)); len(left) > 0 {
		t.Errorf("leases %+v", left)
	}
	if got := portIDs(ctx, t, p.tenant); len(got) != 2 {
		t.Errorf("the cloud still has ports %v", got)
	}
	pings(t, a.Netns, b.ip(t, false))
	ok(t, errors.Join(a.check(ctx), b.check(ctx)))
	says(t, p.kuryr(ctx, t, 1, "status"), "drained: it takes no new attachments", "kuryr drain --undo")
	var refused *types.Error
	if _, err := p.Add(ctx, sandbox(t), "eth0", conf); !errors.As(err, &refused) || refused.Code != 11 {
		t.Errorf("ADD on a drained node: %v", err)
	}

	says(t, p.kuryr(ctx, t, 0, "drain", "--undo"), "The node takes attachments again.")
	c := attach(t, p.Agent, conf)
	p.filled(ctx, t, "net", "open")
	pings(t, c.Netns, a.ip(t, false))
	says(t, p.kuryr(ctx, t, 0, "status"), "No problems.")
}
