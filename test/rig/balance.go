// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rig

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/portsbinding"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/vishvananda/netlink"

	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/internal/binder/sandbox"
	"github.com/kuryr-go/kuryr/test/openstack"
)

// Use is what a port is there for.
type Use struct {
	// Node is the name of the node that the port is bound to.
	Node string
	// Sandbox (its id) and Interface are whose it is. Both empty: nobody's yet,
	// it waits on its node without a device.
	Sandbox, Interface string
	// Wired tells of one that waits that the node's switch has it already, with
	// a wire and a claim; else it has neither.
	Wired bool
}

func (u Use) attached() bool { return u.Sandbox != "" }

// claimed tells whether the port is a chassis's.
func (u Use) claimed() bool { return u.attached() || u.Wired }

// Accounts say what Balance compares.
type Accounts struct {
	// Cluster is the cluster id.
	Cluster string
	// Agents are all agents of the cluster, one a node.
	Agents []*Agent
	// Want are the ports that shall be there, by their ids.
	Want map[string]Use
}

// Balance compares, after everything has settled, what the cloud, OVN, the
// nodes and the agents have of a cluster with what shall be there: no port,
// claim, Interface row, device or attachment more, and none less. Each
// difference is a sentence; none: all is well. The error is that of a question
// that was not answered.
//
// A device of Kuryr's without a row is a difference whose cluster ever it was:
// nobody can tell any more. Ports that were adopted carry no cluster: only one
// that is missing is noticed.
func (r *Rig) Balance(ctx context.Context, a Accounts) ([]string, error) {
	b := &balance{Accounts: a, cloud: r.Cloud}
	err := errors.Join(b.ports(ctx), b.claims(ctx))
	for _, node := range r.Cloud.Nodes() {
		err = errors.Join(err, b.node(ctx, node))
	}
	listed := map[string]bool{}
	for _, agent := range a.Agents {
		list, failed := agent.Client().Attachments(ctx)
		err = errors.Join(err, failed)
		b.attachments(agent.Host.Name, list, listed)
	}
	for _, id := range b.wanted() {
		if u := a.Want[id]; u.attached() && !listed[id] {
			b.differ("no agent lists port %s of %s/%s", id, u.Sandbox, u.Interface)
		}
	}
	if err != nil {
		return b.found, fmt.Errorf("rig: balance of cluster %s: %w", a.Cluster, err)
	}
	return b.found, nil
}

// balance is a comparison under way.
type balance struct {
	Accounts
	cloud *openstack.Cloud
	// cloudHas are the ports that the cloud has of the cluster, wanted or not.
	cloudHas []string
	found    []string
}

func (b *balance) differ(format string, args ...any) {
	b.found = append(b.found, fmt.Sprintf(format, args...))
}

func (b *balance) wanted() []string { return slices.Sorted(maps.Keys(b.Want)) }

// ports compares with Neutron, as its administrator.
func (b *balance) ports(ctx context.Context) error {
	client, err := b.cloud.Network(ctx, openstack.Admin)
	if err != nil {
		return err
	}
	pages, err := ports.List(client, ports.ListOpts{DeviceOwner: "compute:kuryr"}).AllPages(ctx)
	if err != nil {
		return fmt.Errorf("list ports: %w", err)
	}
	var list []struct {
		ports.Port
		portsbinding.PortsBindingExt
	}
	if err := ports.ExtractPortsInto(pages, &list); err != nil {
		return fmt.Errorf("list ports: %w", err)
	}
	has := map[string]bool{}
	for _, p := range list {
		use, wanted := b.Want[p.ID]
		switch {
		case wanted && p.HostID != use.Node:
			b.differ("the cloud has port %s on node %q, not %q", p.ID, p.HostID, use.Node)
		case !wanted && strings.HasPrefix(p.Description, "kuryr cluster="+b.Cluster+" "):
			b.differ("the cloud has port %s too many: %v, %s", p.ID, p.FixedIPs, p.Description)
		case !wanted:
			continue
		}
		has[p.ID] = true
		b.cloudHas = append(b.cloudHas, p.ID)
	}
	for _, id := range b.wanted() {
		if !has[id] {
			b.differ("the cloud lacks port %s of %+v", id, b.Want[id])
		}
	}
	return nil
}

// claims compares the chassis that have the cluster's ports, as OVN says.
func (b *balance) claims(ctx context.Context) error {
	chassis, err := table(b.sbctl(ctx, "--columns=_uuid,name", "list", "Chassis"))
	if err != nil {
		return err
	}
	names := map[string]string{}
	for _, row := range chassis {
		names[text(row[0])] = text(row[1])
	}
	bindings, err := table(b.sbctl(ctx, "--columns=logical_port,chassis", "list", "Port_Binding"))
	if err != nil {
		return err
	}
	on := map[string]string{}
	for _, row := range bindings {
		on[text(row[0])] = names[text(row[1])]
	}
	for _, id := range slices.Compact(slices.Sorted(slices.Values(append(b.wanted(), b.cloudHas...)))) {
		want := ""
		if use := b.Want[id]; use.claimed() {
			want = use.Node
		}
		if on[id] != want {
			b.differ("OVN has port %s on chassis %q, not %q", id, on[id], want)
		}
	}
	return nil
}

func (b *balance) sbctl(ctx context.Context, args ...string) (string, error) {
	args = append([]string{"--db=" + b.cloud.SBDB(), "--format=json"}, args...)
	out, err := b.cloud.Command(ctx, "ovn-sbctl", args...).Output()
	if err != nil {
		return "", fmt.Errorf("ask OVN: %w", err)
	}
	return string(out), nil
}

// node compares the Interface rows and the devices of a node.
func (b *balance) node(ctx context.Context, n *openstack.Node) error {
	// Devices first: what is added meanwhile is added before its row.
	devices, err := kuryrDevices(n.Netns())
	if err != nil {
		return err
	}
	rows, err := table(n.Vsctl(ctx, "--format=json", "--columns=name,external_ids", "list", "Interface"))
	if err != nil {
		return err
	}
	marked := map[string]bool{}
	seen := map[string]*wiring{}
	for _, row := range rows {
		name, ids := text(row[0]), pairs(row[1])
		marked[name] = ids["kuryr-cluster"] != ""
		if ids["kuryr-cluster"] == b.Cluster {
			b.row(n.Name, name, ids, seen, devices)
		}
	}
	for _, id := range b.wanted() {
		if use := b.Want[id]; use.Node == n.Name {
			b.lacking(id, use, seen[id])
		}
	}
	for _, d := range devices {
		if !marked[d] {
			b.differ("%s has the device %s, which has no Interface row", n.Name, d)
		}
	}
	return nil
}

// kuryrDevices are the host devices in a namespace that Kuryr made.
func kuryrDevices(in openstack.Netns) (names []string, err error) {
	err = in.Do(func() error {
		links, err := sandbox.Dump(netlink.LinkList)
		for _, l := range links {
			// One that is not present is being taken apart by the kernel.
			if a := l.Attrs(); a.OperState != netlink.OperNotPresent && strings.HasPrefix(a.Name, "tap") && strings.HasPrefix(a.Alias, "kuryr ") {
				names = append(names, a.Name)
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list devices in %s: %w", in.Name, err)
	}
	return names, nil
}

// attachments compares an agent's own list.
func (b *balance) attachments(node string, list []agentapi.Attachment, listed map[string]bool) {
	for _, at := range list {
		want := Use{Node: node, Sandbox: at.Sandbox, Interface: at.Interface}
		switch use := b.Want[at.PortID]; {
		case at.State != "attached":
			b.differ("the agent of %s has %s/%s %s, port %q: %s", node, at.Sandbox, at.Interface, at.State, at.PortID, at.Waiting)
		case use != want:
			b.differ("the agent of %s has port %s attached to %s/%s, which is of %+v", node, at.PortID, at.Sandbox, at.Interface, use)
		}
		listed[at.PortID] = true
	}
}
