// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kuryr-go/kuryr/internal/agent"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
	"github.com/kuryr-go/kuryr/internal/neutron"
)

var key = agent.Key{Sandbox: "0123456789abcdef0123456789abcdef", Interface: "eth0"}

func TestAPortIsMadeWithEverythingInOneCall(t *testing.T) {
	on := true
	d := order{Demand: lease.Demand{
		MAC: "fa:16:3e:00:00:01", DNSName: "web", PortSecurity: &on,
		AllowedAddressPairs: []lease.AddressPair{{IPAddress: "10.0.0.0/24", MACAddress: "fa:16:3e:00:00:02"}},
	}}
	r := resolved{
		project: "p", foreign: true, network: neutron.Network{ID: "n"}, policy: "q",
		fixed:  []neutron.FixedIP{{SubnetID: "s"}},
		groups: []neutron.SecurityGroup{{ID: "g1"}, {ID: "g2"}},
	}
	got := portSpec("node1", "c1", agent.Order{Attachment: "att", Key: key}, d, r)
	up := true
	want := neutron.PortCreate{
		NetworkID: "n", ProjectID: "p", Name: "kuryr-0123456789ab-eth0",
		Description:  "kuryr cluster=c1 node=node1 sandbox=0123456789abcdef0123456789abcdef interface=eth0",
		AdminStateUp: &up, DeviceID: "att", DeviceOwner: "compute:kuryr", HostID: "node1",
		MACAddress: "fa:16:3e:00:00:01", DNSName: "web", PortSecurityEnabled: &on, QoSPolicyID: "q",
		FixedIPs: []neutron.FixedIP{{SubnetID: "s"}}, SecurityGroups: []string{"g1", "g2"},
		AllowedAddressPairs: []neutron.AddressPair{{IPAddress: "10.0.0.0/24", MACAddress: "fa:16:3e:00:00:02"}},
	}
	if diff := cmp.Diff(want, got, compareAddrs); diff != "" {
		t.Error(diff)
	}
}

func TestGroupsLeftOutAndNoGroupsAreToldApart(t *testing.T) {
	d := order{Demand: lease.Demand{Name: "mine"}}
	if s := portSpec("n", "c", agent.Order{Key: key}, d, resolved{project: "p"}); s.SecurityGroups != nil || s.ProjectID != "" || s.Name != "mine" {
		t.Errorf("%+v", s)
	}
	if s := portSpec("n", "c", agent.Order{Key: key}, d, resolved{groups: []neutron.SecurityGroup{}}); s.SecurityGroups == nil || len(s.SecurityGroups) != 0 {
		t.Errorf("%+v", s)
	}
}

func TestADescriptionFitsAndKeepsTheClustersMark(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cluster := rapid.StringMatching(`[a-z0-9.-]{1,63}`).Draw(t, "cluster")
		node := rapid.StringN(0, 300, 600).Draw(t, "node")
		k := agent.Key{Sandbox: rapid.String().Draw(t, "sandbox"), Interface: rapid.StringN(1, 15, 15).Draw(t, "interface")}
		s := description(cluster, node, k)
		if len(s) > maxDescription || !utf8.ValidString(s) || !strings.HasPrefix(s, mark(cluster)) {
			t.Fatalf("%d bytes: %q", len(s), s)
		}
	})
}

func TestALeaseTellsEverythingNeededToWireIt(t *testing.T) {
	vif := "ovs"
	p := neutron.Port{
		ID: "port", Name: "x", ProjectID: "p", DeviceID: "att", MACAddress: "FA:16:3E:00:00:01",
		FixedIPs: []neutron.FixedIP{
			{SubnetID: "v6", IPAddress: netip.MustParseAddr("2001:db8::5")},
			{SubnetID: "v4", IPAddress: netip.MustParseAddr("10.0.0.5")},
			{SubnetID: "v4", IPAddress: netip.MustParseAddr("10.0.0.6")},
		},
		VIFType: &vif, VIFDetails: map[string]any{"bridge_name": "br-int", "port_filter": true},
	}
	n := neutron.Network{ID: "net", Name: "pods", MTU: 1442, DNSDomain: "pods.example.", NetworkType: "geneve"}
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	subnets := []neutron.Subnet{
		{
			ID: "v4", Name: "four", CIDR: prefix("10.0.0.0/24"), GatewayIP: addr("10.0.0.1"), DNSNameservers: []netip.Addr{addr("9.9.9.9"), addr("1.1.1.1")},
			HostRoutes: []neutron.HostRoute{{Destination: prefix("172.16.0.0/12"), NextHop: addr("10.0.0.254")}, {Destination: prefix("0.0.0.0/0"), NextHop: addr("10.0.0.9")}},
		},
		{
			ID: "v6", Name: "six", CIDR: prefix("2001:db8::/64"), DNSNameservers: []netip.Addr{addr("2620:fe::fe"), addr("9.9.9.9")},
			HostRoutes: []neutron.HostRoute{{Destination: prefix("::/0"), NextHop: addr("2001:db8::1")}},
		},
	}
	groups := []lease.Ref{{ID: "g", Name: "web"}}
	got, err := leaseOf(p, n, subnets, groups)
	if err != nil {
		t.Fatal(err)
	}
	four, six := lease.Ref{ID: "v4", Name: "four"}, lease.Ref{ID: "v6", Name: "six"}
	want := lease.Lease{
		PortID: "port", PortName: "x", Network: lease.Ref{ID: "net", Name: "pods"}, NetworkType: "geneve", ProjectID: "p",
		DeviceID: "att", MAC: "fa:16:3e:00:00:01", MTU: 1442,
		Addresses: []lease.Address{
			{Prefix: prefix("2001:db8::5/64"), Gateway: addr("2001:db8::1"), Subnet: six},
			{Prefix: prefix("10.0.0.5/24"), Gateway: addr("10.0.0.1"), Subnet: four},
			{Prefix: prefix("10.0.0.6/24"), Gateway: addr("10.0.0.1"), Subnet: four},
		},
		Routes:         []lease.Route{{Dst: prefix("172.16.0.0/12"), Via: addr("10.0.0.254")}},
		DNS:            lease.DNS{Nameservers: []netip.Addr{addr("2620:fe::fe"), addr("9.9.9.9"), addr("1.1.1.1")}, Domain: "pods.example"},
		SecurityGroups: groups, VIFType: "ovs", Bridge: "br-int",
	}
	if diff := cmp.Diff(want, got, compareAddrs, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

func TestWhatThePolicyHidesIsTakenForOVS(t *testing.T) {
	l, err := leaseOf(neutron.Port{ID: "x"}, neutron.Network{}, nil, nil)
	if err != nil || l.VIFType != "ovs" || l.Bridge != "" {
		t.Errorf("%+v, %v", l, err)
	}
}

func TestAPortInAnUnseenSubnetIsUnavailable(t *testing.T) {
	_, err := leaseOf(neutron.Port{ID: "x", FixedIPs: []neutron.FixedIP{{SubnetID: "s"}}}, neutron.Network{}, all, nil)
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
}
