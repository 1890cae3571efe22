// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package supply

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"github.com/kuryr-go/kuryr/internal/agent"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
	"github.com/kuryr-go/kuryr/internal/neutron"
	"github.com/kuryr-go/kuryr/internal/neutron/neutrontest"
)

// bench is a project with a dual-stack network, and a supply for its first host.
type bench struct {
	*neutrontest.Project
	network, v4, v6 string
	direct          *Direct
}

func newBench(t *testing.T) *bench {
	t.Helper()
	p := neutrontest.New(t)
	b := &bench{Project: p, network: p.Network(t, "net", "pods.example.org.")}
	b.v4 = p.Subnet(t, subnets.CreateOpts{
		NetworkID: b.network, Name: "four", CIDR: "10.7.0.0/24", DNSNameservers: []string{"192.0.2.53"},
		HostRoutes: []subnets.HostRoute{{DestinationCIDR: "198.51.100.0/24", NextHop: "10.7.0.254"}},
	})
	gateway := "fd00:7::1"
	b.v6 = p.Subnet(t, subnets.CreateOpts{
		NetworkID: b.network, Name: "six", CIDR: "fd00:7::/64", IPVersion: 6, GatewayIP: &gateway, IPv6AddressMode: "dhcpv6-stateful", IPv6RAMode: "dhcpv6-stateful",
	})
	b.direct = b.supply(t, p.Admin, Options{})
	return b
}

// supply makes a Direct for the bench's project.
func (b *bench) supply(t *testing.T, c *neutron.Client, o Options) *Direct {
	t.Helper()
	if o.Node == "" {
		o.Node = b.Hosts[0]
	}
	o.Cluster, o.TTL = "e2e", time.Minute
	if o.Defaults.Project == "" {
		o.Defaults.Project = b.ID
	}
	d, err := New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const (
	attachment1 = "11111111-1111-4111-8111-111111111111"
	attachment2 = "22222222-2222-4222-8222-222222222222"
)

func orderFor(attachment string, d lease.Demand) agent.Order {
	return agent.Order{Attachment: attachment, Key: key, Demand: d}
}

// acquire gets a port for attachment1.
func (b *bench) acquire(t *testing.T, d lease.Demand) lease.Lease {
	t.Helper()
	l, err := b.direct.Acquire(t.Context(), orderFor(attachment1, d))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// refuse expects an order to fail, and to leave no port behind.
func (b *bench) refuse(t *testing.T, d *Direct, demand lease.Demand, class fault.Class, field string, says ...string) {
	t.Helper()
	before := len(b.Ports(t))
	_, err := d.Acquire(t.Context(), orderFor(attachment2, demand))
	f, ok := fault.As(err)
	if !ok || f.Class != class || f.Field != field {
		t.Errorf("class %q, want %q of %q: %v", fault.ClassOf(err), class, field, err)
		return
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%q does not say %q", err, s)
		}
	}
	if after := len(b.Ports(t)); after != before {
		t.Errorf("%d ports, there were %d", after, before)
	}
}

func (b *bench) port(t *testing.T, id string) neutron.Port {
	t.Helper()
	p, err := b.Admin.Port(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAPortIsAcquiredDescribedAndReleased(t *testing.T) {
	b := newBench(t)
	l := b.acquire(t, lease.Demand{Network: "net"})
	p := b.port(t, l.PortID)
	if p.DeviceID != attachment1 || p.DeviceOwner != OwnerMade || *p.HostID != b.Hosts[0] || p.ProjectID != b.ID || !p.AdminStateUp || p.Name != "kuryr-0123456789ab-eth0" {
		t.Errorf("port %+v", p)
	}
	if want := "kuryr cluster=e2e node=" + b.Hosts[0] + " sandbox=" + key.Sandbox + " interface=eth0"; p.Description != want {
		t.Errorf("description %q, want %q", p.Description, want)
	}
	if l.VIFType != "ovs" || l.Host != b.Hosts[0] || l.MTU == 0 || l.MAC != p.MACAddress || l.DeviceID != attachment1 || l.ProjectID != b.ID || l.NetworkType == "" {
		t.Errorf("lease %+v", l)
	}
	var families []bool
	for _, a := range l.Addresses {
		families = append(families, a.Prefix.Addr().Is4())
		if a.Prefix.Addr().Is4() && (a.Prefix.Bits() != 24 || a.Gateway != netip.MustParseAddr("10.7.0.1") || a.Subnet.Name != "four") {
			t.Errorf("address %+v", a)
		}
		if a.Prefix.Addr().Is6() && (a.Prefix.Bits() != 64 || a.Gateway != netip.MustParseAddr("fd00:7::1")) {
			t.Errorf("address %+v", a)
		}
	}
	if len(families) != 2 || families[0] == families[1] {
		t.Errorf("addresses %+v", l.Addresses)
	}
	wantRoute := lease.Route{Dst: netip.MustParsePrefix("198.51.100.0/24"), Via: netip.MustParseAddr("10.7.0.254")}
	if !slices.Equal(l.Routes, []lease.Route{wantRoute}) || !slices.Equal(l.DNS.Nameservers, []netip.Addr{netip.MustParseAddr("192.0.2.53")}) || l.DNS.Domain != "pods.example.org" {
		t.Errorf("routes %v, DNS %+v", l.Routes, l.DNS)
	}
	if len(l.SecurityGroups) != 1 || l.SecurityGroups[0].Name != "default" {
		t.Errorf("groups %+v", l.SecurityGroups)
	}
	for range 2 { // the second time it is gone
		if err := b.direct.Release(t.Context(), l); err != nil {
			t.Error(err)
		}
	}
	if ports := b.Ports(t); len(ports) != 0 {
		t.Errorf("left: %+v", ports)
	}
}
