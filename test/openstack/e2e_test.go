// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package openstack_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/portsbinding"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/quotas"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"github.com/kuryr-go/kuryr/test/openstack"
)

// lan is a dual-stack tenant network whose security group lets ICMP and tcp/8080 in.
type lan struct {
	client         *gophercloud.ServiceClient
	network, group string
	v4, v6         string
}

func newLAN(t *testing.T, p *openstack.Project) lan {
	t.Helper()
	client, err := p.Network(t.Context())
	fail(t, err)
	l := lan{client: client}
	net, err := networks.Create(t.Context(), client, networks.CreateOpts{Name: "lan"}).Extract()
	fail(t, err)
	l.network = net.ID
	v4, err := subnets.Create(t.Context(), client, subnets.CreateOpts{NetworkID: net.ID, IPVersion: 4, CIDR: "10.7.0.0/24"}).Extract()
	fail(t, err)
	v6, err := subnets.Create(t.Context(), client, subnets.CreateOpts{
		NetworkID: net.ID, IPVersion: 6, CIDR: "2001:db8:7::/64",
		IPv6AddressMode: "slaac", IPv6RAMode: "slaac",
	}).Extract()
	fail(t, err)
	l.v4, l.v6 = v4.ID, v6.ID
	sg, err := groups.Create(t.Context(), client, groups.CreateOpts{Name: "lan"}).Extract()
	fail(t, err)
	l.group = sg.ID
	for _, r := range []rules.CreateOpts{
		{EtherType: "IPv4", Protocol: "icmp"},
		{EtherType: "IPv6", Protocol: "ipv6-icmp"},
		{EtherType: "IPv4", Protocol: "tcp", PortRangeMin: 8080, PortRangeMax: 8080},
	} {
		r.SecGroupID, r.Direction = sg.ID, "ingress"
		fail(t, rules.Create(t.Context(), client, r).Err)
	}
	return l
}

func (l lan) vm(t *testing.T, n *openstack.Node, name string) *openstack.VM {
	t.Helper()
	p, err := ports.Create(t.Context(), l.client, ports.CreateOpts{NetworkID: l.network, Name: name, SecurityGroups: &[]string{l.group}}).Extract()
	fail(t, err)
	began := time.Now()
	m, err := n.BootVM(t.Context(), name, p.ID)
	fail(t, err)
	t.Logf("%s on %s has %v, ACTIVE after %v", name, n.Name, m.NICs[0].Addresses, time.Since(began).Round(time.Millisecond))
	t.Cleanup(func() { fail(t, m.Delete(context.WithoutCancel(t.Context()))) })
	return m
}

// ping fails unless to answers; the first packet may be lost while tunnels come up.
func ping(t *testing.T, from openstack.Netns, to string) {
	t.Helper()
	if out, err := from.Output(t.Context(), "ping", "-c", "1", "-w", "15", "-i", "0.2", to); err != nil {
		t.Errorf("ping %s from %s: %v\n%s", to, from.Name, err, out)
	}
}

func TestEveryCloudEntryCanListNetworks(t *testing.T) {
	c := openstack.Shared(t)
	for name := range c.Logins() {
		client, err := c.Network(t.Context(), name)
		fail(t, err)
		page, err := networks.List(client, networks.ListOpts{ID: c.External().NetworkID}).AllPages(t.Context())
		fail(t, err)
		found, err := networks.ExtractNetworks(page)
		fail(t, err)
		if len(found) != 1 {
			t.Errorf("%s sees %d of the external network", name, len(found))
		}
	}
}

func TestVMsOnTwoNodesReachEachOtherAndTheWorld(t *testing.T) {
	c := openstack.Shared(t)
	p := c.NewProject(t)
	l := newLAN(t, p)
	a, b := l.vm(t, c.Node("node1"), "e2e-a"), l.vm(t, c.Node("node2"), "e2e-b")
	for _, to := range b.NICs[0].Addresses {
		ping(t, a.Netns(), to.Addr().String())
	}
	tcp(t, a.Netns(), b)
	external := c.External().NetworkID
	r, err := routers.Create(t.Context(), l.client, routers.CreateOpts{Name: "r", GatewayInfo: &routers.GatewayInfo{NetworkID: external}}).Extract()
	fail(t, err)
	fail(t, routers.AddInterface(t.Context(), l.client, r.ID, routers.AddInterfaceOpts{SubnetID: l.v4}).Err)
	f, err := floatingips.Create(t.Context(), l.client, floatingips.CreateOpts{FloatingNetworkID: external, PortID: a.NICs[0].Port}).Extract()
	fail(t, err)
	ping(t, c.Outside(), f.FloatingIP)
	ping(t, b.Netns(), openstack.ProviderGateway.String())
}

// tcp fails unless a server in the VM says its name to a client in from.
func tcp(t *testing.T, from openstack.Netns, server *openstack.VM) {
	t.Helper()
	address := fmt.Sprintf("%s:8080", server.Address())
	l, err := server.Netns().Listen(t.Context(), "tcp", address)
	fail(t, err)
	defer func() { _ = l.Close() }()
	go func() {
		if conn, err := l.Accept(); err == nil {
			_, _ = fmt.Fprint(conn, server.Name)
			_ = conn.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	conn, err := from.DialContext(ctx, "tcp", address)
	fail(t, err)
	defer func() { _ = conn.Close() }()
	b := make([]byte, len(server.Name))
	if _, err := conn.Read(b); err != nil || string(b) != server.Name {
		t.Errorf("tcp to %s: got %q, %v", address, b, err)
	}
}

func TestAnAPIAnswersAHypervisorWhoseSwitchIsDown(t *testing.T) {
	c := openstack.Shared(t)
	n := c.Node("node2")
	fail(t, n.Stop(t.Context(), openstack.Vswitchd))
	conn, err := n.Netns().DialContext(t.Context(), "tcp", strings.TrimPrefix(c.Endpoints().Network, "http://"))
	if err != nil {
		t.Error(err)
	} else {
		_ = conn.Close()
	}
	fail(t, n.Start(t.Context(), openstack.Vswitchd))
}

func TestPingsGoOnWhileAServerOfTheSwitchIsRestarted(t *testing.T) {
	c := openstack.Shared(t)
	l := newLAN(t, c.NewProject(t))
	a, b := l.vm(t, c.Node("node1"), "e2e-c"), l.vm(t, c.Node("node2"), "e2e-d")
	ping(t, a.Netns(), b.Address().String())
	fail(t, c.Node("node2").RestartOVSDB(t.Context()))
	ping(t, a.Netns(), b.Address().String())
	for _, part := range []openstack.Part{openstack.Controller, openstack.Vswitchd} {
		fail(t, c.Node("node2").Kill(t.Context(), part))
		fail(t, c.Node("node2").Start(t.Context(), part))
		ping(t, a.Netns(), b.Address().String())
	}
	fail(t, c.StopNeutron(t.Context()))
	ping(t, a.Netns(), b.Address().String())
	fail(t, c.StartNeutron(t.Context()))
}

func TestTheLeastPrivilegedRoleCanDoWhatTheAgentNeedsAndNoMore(t *testing.T) {
	c := openstack.Shared(t)
	p := c.NewProject(t)
	l := newLAN(t, p)
	own, err := p.AddUser(t.Context(), "member", openstack.RoleKuryr)
	fail(t, err)
	// The same calls by a user of the project itself and by one who serves all projects.
	for name, login := range map[string]openstack.Login{"own project": own, "all projects": c.Logins()[openstack.Least]} {
		t.Run(name, func(t *testing.T) {
			client, err := c.NetworkAs(t.Context(), login)
			fail(t, err)
			makeAndChange(t, client, l, p.ID)
		})
	}
	client, err := c.Network(t.Context(), openstack.Least)
	fail(t, err)
	forged := ports.CreateOpts{NetworkID: l.network, ProjectID: p.ID, DeviceOwner: "network:dhcp"}
	if err := ports.Create(t.Context(), client, forged).Err; !gophercloud.ResponseCodeIs(err, 403) {
		t.Errorf("a port that poses as a DHCP server: %v", err)
	}
	if err := networks.Delete(t.Context(), client, l.network).Err; err == nil {
		t.Error("the network of another project was deleted")
	}
	member, err := p.Network(t.Context())
	fail(t, err)
	bound := portsbinding.CreateOptsExt{CreateOptsBuilder: ports.CreateOpts{NetworkID: l.network}, HostID: "node1"}
	if err := ports.Create(t.Context(), member, bound).Err; !gophercloud.ResponseCodeIs(err, 403) {
		t.Errorf("a plain member binds a port: %v", err)
	}
}

// makeAndChange does to a port all that Kuryr's agent does.
func makeAndChange(t *testing.T, client *gophercloud.ServiceClient, l lan, project string) {
	t.Helper()
	security := true
	var p struct {
		ports.Port
		portsbinding.PortsBindingExt
	}
	fail(t, ports.Create(t.Context(), client, portsbinding.CreateOptsExt{HostID: "node1", CreateOptsBuilder: withSecurity{ports.CreateOpts{
		NetworkID: l.network, ProjectID: project, Name: "k", Description: "k", DeviceID: "k", DeviceOwner: "compute:kuryr",
		FixedIPs: []ports.IP{{SubnetID: l.v4, IPAddress: "10.7.0.77"}}, MACAddress: "fa:16:3e:00:07:77",
		AllowedAddressPairs: []ports.AddressPair{{IPAddress: "10.9.0.0/24", MACAddress: "fa:16:3e:00:07:78"}}, SecurityGroups: &[]string{l.group},
	}, security}}).ExtractInto(&p))
	defer func() { fail(t, ports.Delete(context.WithoutCancel(t.Context()), client, p.ID).ExtractErr()) }()
	if p.VIFType != "ovs" || p.HostID != "node1" || len(p.VIFDetails) == 0 {
		t.Errorf("bound as %+v", p.PortsBindingExt)
	}
	host, none, name := "node2", "", "l"
	pairs := []ports.AddressPair{{IPAddress: "10.9.1.0/24"}}
	for _, u := range []portsbinding.UpdateOptsExt{
		{HostID: &none, UpdateOptsBuilder: ports.UpdateOpts{DeviceID: &none, DeviceOwner: &none}},
		{HostID: &host, UpdateOptsBuilder: ports.UpdateOpts{
			DeviceID: &name, Name: &name, Description: &name,
			AllowedAddressPairs: &pairs, SecurityGroups: &[]string{},
		}},
		{UpdateOptsBuilder: ports.UpdateOpts{FixedIPs: []ports.IP{{SubnetID: l.v4, IPAddress: "10.7.0.78"}}}},
	} {
		fail(t, ports.Update(t.Context(), client, p.ID, u).Err)
	}
	fail(t, ports.Get(t.Context(), client, p.ID).ExtractInto(&p))
	if p.VIFType != "ovs" || p.HostID != host {
		t.Errorf("bound anew as %+v", p.PortsBindingExt)
	}
}

// withSecurity states port_security_enabled.
type withSecurity struct {
	ports.CreateOpts
	enabled bool
}

func (w withSecurity) ToPortCreateMap() (map[string]any, error) {
	m, err := w.CreateOpts.ToPortCreateMap()
	if err == nil {
		m["port"].(map[string]any)["port_security_enabled"] = w.enabled
	}
	return m, err
}

func TestAProjectsQuotaHolds(t *testing.T) {
	c := openstack.Shared(t)
	p := c.NewProject(t)
	none := 0
	fail(t, p.SetQuota(t.Context(), quotas.UpdateOpts{Network: &none}))
	client, err := p.Network(t.Context())
	fail(t, err)
	if err := networks.Create(t.Context(), client, networks.CreateOpts{Name: "one"}).Err; !gophercloud.ResponseCodeIs(err, 409) {
		t.Errorf("a network beyond the quota: %v", err)
	}
}

func fail(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestKilledCloudsComeBackAndDownLeavesNothing has a cloud of its own, since it ends it.
func TestKilledCloudsComeBackAndDownLeavesNothing(t *testing.T) {
	openstack.Require(t, openstack.SharedOptions().Embedded)
	dir, err := os.MkdirTemp("", "kt") //nolint:usetesting // t.TempDir is too long for the sockets
	fail(t, err)
	opts := openstack.Options{Dir: dir, Prefix: "ktdown", Embedded: openstack.Shared(t).Embedded(), Nodes: 1, Progress: func(since time.Duration, step string) {
		t.Logf("%5.1fs %s", since.Seconds(), step)
	}}
	c, err := openstack.Up(t.Context(), opts)
	fail(t, err)
	t.Cleanup(func() {
		fail(t, c.Wipe(context.WithoutCancel(t.Context())))
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s is left", dir)
		}
	})
	services, err := c.Status()
	fail(t, err)
	for _, s := range services {
		fail(t, c.Kill(t.Context(), s.Name))
	}
	again, err := openstack.Up(t.Context(), opts)
	fail(t, err)
	c = again
	n, err := c.AddNode(t.Context())
	fail(t, err)
	t.Run("and carry packets", func(t *testing.T) {
		l := newLAN(t, c.NewProject(t))
		a, b := l.vm(t, c.Node("node1"), "a"), l.vm(t, n, "b")
		ping(t, a.Netns(), b.Address().String())
	})
	// As the openstack client does.
	client := c.Command(t.Context(), "sh", "-c", `mkdir "$HOME/.cache"`)
	fail(t, c.Control().Start(client))
	fail(t, client.Wait())
	fail(t, n.Remove(t.Context()))
	fail(t, c.Down(t.Context()))
	nothingLeft(t, c)
}

// nothingLeft fails for each process and namespace of a cloud that is down.
func nothingLeft(t *testing.T, c *openstack.Cloud) {
	t.Helper()
	services, err := c.Status()
	fail(t, err)
	for _, s := range services {
		if s.PID != 0 {
			t.Errorf("%s runs", s.Name)
		}
	}
	links, err := filepath.Glob("/proc/[0-9]*/fd/[12]")
	fail(t, err)
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, c.Dir()) {
			t.Errorf("%s writes to %s", link, to)
		}
	}
	names, err := filepath.Glob("/run/netns/" + c.Prefix() + "-*")
	fail(t, err)
	mounts, err := os.ReadFile("/proc/self/mounts")
	fail(t, err)
	if len(names) > 0 || strings.Contains(string(mounts), c.Dir()) || strings.Contains(string(mounts), "/"+c.Prefix()+"-") {
		t.Errorf("left: namespaces %v, mounts:\n%s", names, mounts)
	}
}
