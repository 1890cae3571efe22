// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package e2e

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/kuryr-go/kuryr/test/openstack"
	"github.com/kuryr-go/kuryr/test/rig"
)

func TestContainersOfOneNetworkReachEachOtherOnOneNodeAndOnTwo(t *testing.T) {
	tn, ctx := tenant(t), within(t, stateTime)
	net := must[rig.Network](t)(tn.Network(ctx, "net", "10.1.0.0/24", "fd00:1::/64"))
	open := must[string](t)(tn.OpenGroup(ctx, "open"))
	conf := func(a *rig.Agent) rig.Conf {
		return a.Conf("net", map[string]any{"project": tn.Project, "securityGroups": []string{"open"}})
	}
	one, two := world.agents[0], world.agents[1]
	a, b, c := attach(t, one, conf(one)), attach(t, one, conf(one)), attach(t, two, conf(two))

	isItsPort(t, tn, a, net, open)
	isItsPort(t, tn, c, net, open)
	serve(t, a.Netns, "a", 8080)
	for _, v6 := range []bool{false, true} {
		for _, peer := range []*attached{b, c} {
			pings(t, peer.Netns, a.ip(t, v6))
			pings(t, a.Netns, peer.ip(t, v6))
			connects(t, peer.Netns, a.ip(t, v6), 8080, "a "+peer.ip(t, v6).String())
		}
	}
}

// isItsPort compares an attachment with its Neutron port.
func isItsPort(t *testing.T, tn *rig.Tenant, at *attached, net rig.Network, group string) {
	t.Helper()
	link := must[rig.Link](t)(at.Link(at.ifname))
	list := must[[]ports.Port](t)(tn.Ports(within(t, stateTime)))
	i := slices.IndexFunc(list, func(p ports.Port) bool { return p.MACAddress == link.MAC })
	if i < 0 {
		t.Fatalf("no port has the interface's MAC %s", link.MAC)
	}
	p := list[i]
	for _, fixed := range p.FixedIPs {
		has := func(x netip.Prefix) bool { return x.Addr().String() == fixed.IPAddress }
		if !slices.ContainsFunc(link.Addresses, has) {
			t.Errorf("port has %s, the interface %v", fixed.IPAddress, link.Addresses)
		}
	}
	if len(p.FixedIPs) != len(link.Addresses) || len(p.FixedIPs) != len(at.result.IPs) {
		t.Errorf("addresses: port %v, interface %v, result %v", p.FixedIPs, link.Addresses, at.result.IPs)
	}
	if p.NetworkID != net.ID || !slices.Equal(p.SecurityGroups, []string{group}) || p.Status != "ACTIVE" && p.Status != "DOWN" {
		t.Errorf("port: network %s, groups %v, status %s", p.NetworkID, p.SecurityGroups, p.Status)
	}
	if link.MTU != 1442 || !link.Up {
		t.Errorf("interface: MTU %d, up %v; want 1442, true", link.MTU, link.Up)
	}
	if dns := at.result.DNS.Nameservers; !slices.Equal(dns, []string{"203.0.113.53"}) {
		t.Errorf("name servers %v, want the subnet's", dns)
	}
}

func TestContainersReachOtherSubnetsVMsAndTheWorld(t *testing.T) {
	tn, ctx := tenant(t), within(t, stateTime)
	near := must[rig.Network](t)(tn.Network(ctx, "near", "10.2.0.0/24"))
	far := must[rig.Network](t)(tn.Network(ctx, "far", "10.3.0.0/24"))
	must[string](t)(tn.Router(ctx, "router", world.Cloud.External().NetworkID, near.Subnets[0], far.Subnets[0]))
	open := must[string](t)(tn.OpenGroup(ctx, "open"))
	one, two := world.agents[0], world.agents[1]
	groups := map[string]any{"project": tn.Project, "securityGroups": []string{open}}
	a, b := attach(t, one, one.Conf("near", groups)), attach(t, two, two.Conf("far", groups))
	vm := boot(t, tn, two.Node, near, open)

	t.Run("across the router", func(t *testing.T) {
		serve(t, b.Netns, "b", 8080)
		pings(t, a.Netns, b.ip(t, false))
		connects(t, a.Netns, b.ip(t, false), 8080, "b "+a.ip(t, false).String())
	})
	t.Run("to a VM of the tenant, and back", func(t *testing.T) {
		serve(t, vm.Netns(), "vm", 8080)
		serve(t, a.Netns, "a", 8081)
		connects(t, a.Netns, vm.Address(), 8080, "vm "+a.ip(t, false).String())
		connects(t, b.Netns, vm.Address(), 8080, "vm "+b.ip(t, false).String())
		connects(t, vm.Netns(), a.ip(t, false), 8081, "a "+vm.Address().String())
	})
	t.Run("from the provider network over a floating IP, and out", func(t *testing.T) {
		port := portOf(t, tn, a)
		fip := must[netip.Addr](t)(tn.FloatingIP(ctx, world.Cloud.External().NetworkID, port.ID))
		serve(t, a.Netns, "a", 8082)
		connects(t, world.Cloud.Outside(), fip, 8082, "a 203.0.113.1")
		serve(t, world.Cloud.Outside(), "world", 18080)
		connects(t, a.Netns, netip.MustParseAddr("203.0.113.1"), 18080, "world "+fip.String())
	})
}

// boot starts a VM, wired as Nova wires one, on a network of the tenant.
func boot(t *testing.T, tn *rig.Tenant, node *openstack.Node, n rig.Network, groups ...string) *openstack.VM {
	t.Helper()
	ctx := within(t, stateTime)
	port := must[*ports.Port](t)(tn.Port(ctx, "vm", n, groups...))
	vm := must[*openstack.VM](t)(node.BootVM(ctx, "vm-"+port.ID[:8], port.ID))
	t.Cleanup(func() {
		if err := vm.Delete(closing(t)); err != nil {
			t.Error(err)
		}
	})
	return vm
}

// portOf finds the port of an attachment.
func portOf(t *testing.T, tn *rig.Tenant, at *attached) ports.Port {
	t.Helper()
	link := must[rig.Link](t)(at.Link(at.ifname))
	for _, p := range must[[]ports.Port](t)(tn.Ports(within(t, stateTime))) {
		if p.MACAddress == link.MAC {
			return p
		}
	}
	t.Fatalf("no port of Kuryr's has MAC %s", link.MAC)
	return ports.Port{}
}
