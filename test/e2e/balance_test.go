// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/portsbinding"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/kuryr-go/kuryr/test/openstack"
	"github.com/kuryr-go/kuryr/test/rig"
)

// balanced waits until the accounts agree: OVN drops a claim a moment after the row.
func balanced(ctx context.Context, t *testing.T, a rig.Accounts) {
	t.Helper()
	ok(t, rig.Await(ctx, "balance", func(ctx context.Context) error {
		found, err := world.Balance(ctx, a)
		if err == nil && len(found) > 0 {
			err = fmt.Errorf("%s", strings.Join(found, "\n"))
		}
		return err
	}))
}

// differs looks for differences that hold all of the words each.
func differs(ctx context.Context, t *testing.T, a rig.Accounts, want ...string) {
	t.Helper()
	ok(t, rig.Await(ctx, "differences", func(ctx context.Context) error {
		found, err := world.Balance(ctx, a)
		if err != nil {
			return err
		}
		if len(found) != len(want) {
			return fmt.Errorf("%d differences, want %d: %s", len(found), len(want), strings.Join(found, "\n"))
		}
		all := strings.Join(found, "\n")
		for _, w := range want {
			if !strings.Contains(all, w) {
				return fmt.Errorf("no difference says %q:\n%s", w, all)
			}
		}
		return nil
	}))
}

func TestTheBalanceTellsOfEverythingThatIsTooManyOrMissing(t *testing.T) {
	tn, ctx := tenant(t), within(t, 2*stateTime)
	net := must[rig.Network](t)(tn.Network(ctx, "net", "10.85.0.0/24"))
	node := world.agents[0].Node
	cluster := fmt.Sprintf("balance-%d", os.Getpid())
	agent := newAgent(t, node, rig.AgentOptions{Cluster: cluster, Config: settings{"pool": {"enabled": false}}})
	at := attach(t, agent, agent.Conf("net", map[string]any{"project": tn.Project}))
	port := portOf(t, tn, at)
	use := rig.Use{Node: node.Name, Sandbox: at.ID, Interface: "eth0"}
	accounts := func(want map[string]rig.Use) rig.Accounts {
		return rig.Accounts{Cluster: cluster, Agents: []*rig.Agent{agent}, Want: want}
	}
	right := accounts(map[string]rig.Use{port.ID: use})
	balanced(ctx, t, right)

	t.Run("the books", func(t *testing.T) {
		differs(ctx, t, accounts(nil), "the cloud has port "+port.ID+" too many", "OVN has port "+port.ID+" on chassis", "has an Interface row too many", "the agent of "+node.Name)
		differs(ctx, t, accounts(map[string]rig.Use{port.ID: use, "never-was": use}), "the cloud lacks port never-was", "OVN has port never-was", "lacks the Interface row of port never-was", "no agent lists port never-was")
		other := use
		other.Node = world.agents[1].Node.Name
		differs(ctx, t, accounts(map[string]rig.Use{port.ID: other}), "the cloud has port "+port.ID+" on node", "OVN has port "+port.ID, node.Name+" has an Interface row too many", other.Node+" lacks the Interface row", "the agent of "+node.Name)
	})
	t.Run("a port that waits", func(t *testing.T) {
		waits := boundPort(ctx, t, net, node.Name, "kuryr cluster="+cluster+" node="+node.Name)
		differs(ctx, t, right, "the cloud has port "+waits+" too many")
		balanced(ctx, t, accounts(map[string]rig.Use{port.ID: use, waits: {Node: node.Name}}))
		ok(t, ports.Delete(ctx, tn.Client, waits).ExtractErr())
	})
	t.Run("a device without a row", func(t *testing.T) {
		ip := func(args ...string) {
			must[string](t)(node.Netns().Output(ctx, "ip", append([]string{"link"}, args...)...))
		}
		ip("add", "tapbalance", "type", "veth", "peer", "name", "balance")
		t.Cleanup(func() {
			if _, err := node.Netns().Output(closing(t), "ip", "link", "del", "tapbalance"); err != nil {
				t.Error(err)
			}
		})
		ip("set", "tapbalance", "alias", "kuryr left-behind")
		differs(ctx, t, right, "has the device tapbalance, which has no Interface row")
	})
	balanced(ctx, t, right)
}

// boundPort makes a port that is bound to a node and wired nowhere.
func boundPort(ctx context.Context, t *testing.T, n rig.Network, node, description string) string {
	t.Helper()
	client, err := world.Cloud.Network(ctx, openstack.Admin)
	ok(t, err)
	p, err := ports.Create(ctx, client, portsbinding.CreateOptsExt{
		CreateOptsBuilder: ports.CreateOpts{NetworkID: n.ID, Description: description, DeviceOwner: "compute:kuryr", DeviceID: "x"}, HostID: node,
	}).Extract()
	ok(t, err)
	t.Cleanup(func() {
		if err := ports.Delete(closing(t), client, p.ID).ExtractErr(); err != nil && !strings.Contains(err.Error(), "404") {
			t.Error(err)
		}
	})
	return p.ID
}
