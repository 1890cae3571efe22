// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// These tests say what testdata/neutron has no example of. A scene is tables
// with what a test puts there.

func scene(t *testing.T, put func(x *model.Tables, tx *store.Tx), see func(v view), change ...func(*view)) {
	t.Helper()
	tables := model.New()
	if _, err := tables.Update(func(tx *store.Tx) error { put(tables, tx); return nil }); err != nil {
		t.Fatal(err)
	}
	tables.View(func(r store.Reader) {
		v := view{Reader: r, Tables: tables, options: &Options{DHCPLease: 43200e9}}
		for _, f := range change {
			f(&v)
		}
		see(v)
	})
}

// columnsOf finds a wanted row and gives some of its columns.
func columnsOf(t *testing.T, rows []Row, table, key string, names ...string) ovsdb.Columns {
	t.Helper()
	i := slices.IndexFunc(rows, func(r Row) bool { return r.Table == table && r.Key == key })
	if i < 0 {
		t.Fatalf("no %s %s among %+v", table, key, rows)
	}
	columns := ovsdb.Columns{}
	for _, name := range names {
		columns[name] = rows[i].Columns[name]
	}
	return columns
}

func same(t *testing.T, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestARuleIsInOVNsLanguage(t *testing.T) {
	for _, test := range []struct {
		rule model.SecurityGroupRule
		want string
	}{
		{model.SecurityGroupRule{Direction: "ingress", EtherType: "IPv4"}, "outport == @pg_g && ip4"},
		{model.SecurityGroupRule{Direction: "egress", EtherType: "IPv6"}, "inport == @pg_g && ip6"},
		{model.SecurityGroupRule{Direction: "egress", EtherType: "IPv4", RemoteIPPrefix: ptr("10.1.2.3/8")}, "inport == @pg_g && ip4 && ip4.dst == 10.0.0.0/8"},
		{
			model.SecurityGroupRule{Direction: "ingress", EtherType: "IPv4", RemoteIPPrefix: ptr("10.1.2.3/8"), NormalizedCIDR: ptr("10.0.0.0/8")},
			"outport == @pg_g && ip4 && ip4.src == 10.0.0.0/8",
		},
		{model.SecurityGroupRule{Direction: "ingress", EtherType: "IPv6", RemoteGroupID: ptr("a-b")}, "outport == @pg_g && ip6 && ip6.src == $pg_a_b_ip6"},
		{model.SecurityGroupRule{Direction: "ingress", EtherType: "IPv4", RemoteAddressGroupID: ptr("a-b")}, "outport == @pg_g && ip4 && ip4.src == $ag_a_b_ip4"},
		{model.SecurityGroupRule{Direction: "ingress", EtherType: "IPv4", Protocol: ptr("tcp")}, "outport == @pg_g && ip4 && tcp"},
		{
			model.SecurityGroupRule{Direction: "ingress", EtherType: "IPv4", Protocol: ptr("17"), PortRangeMin: ptr(5), PortRangeMax: ptr(9)},
			"outport == @pg_g && ip4 && udp && udp.dst >= 5 && udp.dst <= 9",
		},
		{
			model.SecurityGroupRule{Direction: "ingress", EtherType: "IPv4", Protocol: ptr("icmp"), PortRangeMin: ptr(0), PortRangeMax: ptr(0)},
			"outport == @pg_g && ip4 && icmp4 && icmp4.type == 0 && icmp4.code == 0",
		},
		{model.SecurityGroupRule{Direction: "ingress", EtherType: "IPv6", Protocol: ptr("icmp")}, "outport == @pg_g && ip6 && icmp6"},
		{model.SecurityGroupRule{Direction: "ingress", EtherType: "IPv4", Protocol: ptr("ip")}, "outport == @pg_g && ip4 && ip.proto == 0"},
		{model.SecurityGroupRule{Direction: "ingress", EtherType: "IPv4", Protocol: ptr("255")}, "outport == @pg_g && ip4 && ip.proto == 255"},
	} {
		test.rule.SecurityGroupID = "g"
		if got, ok := ruleMatch(&test.rule); got != test.want || !ok {
			t.Errorf("%s\nwant %s", got, test.want)
		}
	}
	for _, protocol := range []string{"256", "-1", "nonsense"} {
		if rows := ruleRows(&model.SecurityGroupRule{Protocol: &protocol}, true); rows != nil {
			t.Errorf("protocol %s: %v", protocol, rows)
		}
	}
}

func TestAHypervisorThatComesOrGoesMovesNothingAmongTheOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var names []string
		for i := range rapid.IntRange(1, 30).Draw(t, "hypervisors") {
			names = append(names, fmt.Sprint("node", i))
		}
		thing := rapid.StringN(1, 40, 40).Draw(t, "thing")
		all := ranked(thing, names)
		gone := rapid.SampledFrom(names).Draw(t, "gone")
		left := ranked(thing, slices.DeleteFunc(slices.Clone(names), func(s string) bool { return s == gone }))
		if want := slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == gone }); !slices.Equal(left, want) {
			t.Errorf("%v without %s: %v", all, gone, left)
		}
	})
}

func TestGatewaysAreSpreadOverTheHypervisors(t *testing.T) {
	names := []string{"node1", "node2", "node3", "node4"}
	first := map[string]int{}
	for i := range 4000 {
		first[ranked(id(0xc, i), names)[0]]++
	}
	for _, name := range names {
		if n := first[name]; n < 800 || n > 1200 {
			t.Errorf("%s is first for %d of 4000", name, n)
		}
	}
}

func TestAGatewayIsWhereItsNetworkIs(t *testing.T) {
	host := func(name, physical, options string, zones ...string) model.Chassis {
		return model.Chassis{Name: name, BridgeMappings: map[string]string{physical: "br"}, Options: []string{options}, AvailabilityZones: zones}
	}
	both, there, offers, other := host("both", "p", asGateway), host("there", "p", ""), host("offers", "q", asGateway), host("other", "q", "")
	zoned := host("zoned", "p", asGateway, "z")
	for _, test := range []struct {
		hosts []model.Chassis
		zones []string
		want  []string
	}{
		{[]model.Chassis{both, there, offers, other}, nil, []string{"both"}},
		{[]model.Chassis{there, offers, other}, nil, []string{"there"}},
		{[]model.Chassis{offers, other}, nil, []string{"offers"}},
		{[]model.Chassis{other}, nil, []string{nobody}},
		{nil, nil, []string{nobody}},
		{[]model.Chassis{both, zoned}, []string{"z"}, []string{"zoned"}},
		{[]model.Chassis{both}, []string{"z"}, []string{nobody}},
	} {
		same(t, gatewayHosts(test.hosts, "x", "p", test.zones), test.want)
	}
	var many []model.Chassis
	for i := range 9 {
		many = append(many, host(fmt.Sprint("node", i), "p", asGateway))
	}
	if got := gatewayHosts(many, "x", "p", nil); len(got) != maxGateways {
		t.Errorf("on %v", got)
	}
}

func TestDHCPIsToldWhatTheSubnetSays(t *testing.T) {
	n := &model.Network{Meta: model.Meta{ID: "n"}, MTU: 1400}
	o := &Options{DNSServers: []string{"192.0.2.53", "2001:db8::53"}, DNSDomain: "openstacklocal", DHCPLease: 60e9}
	mac := serverMAC("s")
	for _, test := range []struct {
		subnet model.Subnet
		want   ovsdb.Map
	}{
		{model.Subnet{IPVersion: 4}, ovsdb.Map{}},
		{
			model.Subnet{IPVersion: 4, GatewayIP: ptr("10.0.0.1")},
			ovsdb.Map{"server_id": "10.0.0.1", "router": "10.0.0.1", "server_mac": mac, "lease_time": "60", "mtu": "1400", "dns_server": "{192.0.2.53}"},
		},
		{
			model.Subnet{IPVersion: 4, GatewayIP: ptr("10.0.0.1"), DNSNameservers: []string{"0.0.0.0"}},
			ovsdb.Map{"server_id": "10.0.0.1", "router": "10.0.0.1", "server_mac": mac, "lease_time": "60", "mtu": "1400"},
		},
		{model.Subnet{IPVersion: 6, IPv6AddressMode: ptr("dhcpv6-stateful")}, ovsdb.Map{"server_id": mac, "dns_server": "{2001:db8::53}"}},
		{
			model.Subnet{IPVersion: 6, IPv6AddressMode: ptr("dhcpv6-stateless"), DNSNameservers: []string{"::"}},
			ovsdb.Map{"server_id": mac, "dhcpv6_stateless": "true"},
		},
		{model.Subnet{IPVersion: 6, IPv6AddressMode: ptr("slaac")}, nil},
	} {
		test.subnet.ID, test.subnet.NetworkID, test.subnet.EnableDHCP = "s", "n", true
		scene(t, func(x *model.Tables, tx *store.Tx) { x.Networks.Put(tx, n) }, func(v view) {
			options, ok := dhcpOptions(v, &test.subnet)
			if !ok {
				options = nil
			}
			same(t, options, test.want)
		}, func(v *view) { v.options = o })
	}
}

func TestAPortThatMovesIsOnBothHosts(t *testing.T) {
	p := &model.Port{Meta: model.Meta{ID: "p"}, NetworkID: "n", HostID: "node1", Profile: map[string]any{"migrating_to": "node2"}}
	scene(t, func(*model.Tables, *store.Tx) {}, func(v view) {
		kind, options := portType(v, p)
		same(t, kind, "")
		same(t, options, ovsdb.Map{"requested-chassis": "node1,node2", "activation-strategy": "rarp", "mcast_flood_reports": "true"})
	})
}

func TestAnUnboundPortWhoseAddressOthersMayUseIsVirtual(t *testing.T) {
	vip := model.Port{Meta: model.Meta{ID: "vip"}, NetworkID: "n", FixedIPs: []model.FixedIP{{SubnetID: "s", IPAddress: "10.0.0.9"}}}
	user := func(id string, change func(p *model.Port)) *model.Port {
		p := &model.Port{Meta: model.Meta{ID: id}, NetworkID: "n", PortSecurityEnabled: true, AllowedAddressPairs: []model.AddressPair{{IPAddress: "10.0.0.9"}}}
		change(p)
		return p
	}
	scene(t, func(x *model.Tables, tx *store.Tx) {
		x.Subnets.Put(tx, &model.Subnet{Meta: model.Meta{ID: "s"}, NetworkID: "n", IPVersion: 4, CIDR: "10.0.0.0/24"})
		x.Ports.Put(tx, &vip)
		x.Ports.Put(tx, user("one", func(*model.Port) {}))
		x.Ports.Put(tx, user("two", func(*model.Port) {}))
		x.Ports.Put(tx, user("insecure", func(p *model.Port) { p.PortSecurityEnabled = false }))
		x.Ports.Put(tx, user("elsewhere", func(p *model.Port) { p.NetworkID = "m" }))
		x.Ports.Put(tx, user("wide", func(p *model.Port) { p.AllowedAddressPairs[0].IPAddress = "10.0.0.0/24" }))
	}, func(v view) {
		kind, options := portType(v, &vip)
		same(t, kind, "virtual")
		same(t, options["virtual-parents"]+" "+options["virtual-ip"], "one,two 10.0.0.9")
		bound := vip
		bound.HostID = "node1"
		kind, _ = portType(v, &bound)
		same(t, kind, "")
		var stirred []string
		portsOfPort(v, store.Change{ID: "one", After: v.Ports.Get(v, "one")}, func(id string) { stirred = append(stirred, id) })
		same(t, stirred, []string{"one", "vip"})
	})
}

func TestAFloatingIPIsTranslatedWhereItsPortIs(t *testing.T) {
	f := &model.FloatingIP{
		Meta: model.Meta{ID: "f"}, FloatingIPAddress: "203.0.113.1", FloatingNetworkID: "ext", RouterID: ptr("r"), PortID: ptr("p"),
		FixedIPAddress: ptr("10.0.0.9"), OwnPortID: "own",
	}
	for _, test := range []struct {
		name           string
		claimed        bool
		central        bool
		member         bool
		port, external any
	}{
		{name: "nowhere", port: "p"},
		{name: "on a host", claimed: true, port: "p", external: "fa:16:3e:00:00:01"},
		{name: "central", claimed: true, central: true, port: "p"},
		{name: "a member", claimed: true, member: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			scene(t, func(x *model.Tables, tx *store.Tx) {
				x.Ports.Put(tx, &model.Port{Meta: model.Meta{ID: "own"}, MACAddress: "fa:16:3e:00:00:01"})
				x.Ports.Put(tx, &model.Port{Meta: model.Meta{ID: "p"}, Claimed: test.claimed, FixedIPs: []model.FixedIP{{SubnetID: "s", IPAddress: "10.0.0.9"}}})
				if test.member {
					x.LoadBalancers.Put(tx, &model.LoadBalancer{LBMeta: model.LBMeta{ID: "lb"}, Provider: "ovn", VIPSubnetID: "s"})
					x.LBPools.Put(tx, &model.LBPool{LBMeta: model.LBMeta{ID: "pool"}, LoadBalancerID: "lb"})
					x.Members.Put(tx, &model.Member{LBMeta: model.LBMeta{ID: "m"}, PoolID: "pool", Address: "10.0.0.9"})
				}
			}, func(v view) {
				got := columnsOf(t, floatingRows(v, f), tableNAT, "f", "logical_port", "external_mac", "logical_ip", "external_ip")
				same(t, got, ovsdb.Columns{"logical_port": test.port, "external_mac": test.external, "logical_ip": "10.0.0.9", "external_ip": "203.0.113.1"})
			}, func(v *view) { v.options = &Options{CentralFloatingIPs: test.central} })
		})
	}
}

func TestPortsAreForwardedOneByOne(t *testing.T) {
	for _, test := range []struct {
		pf   model.PortForwarding
		want []portPair
	}{
		{model.PortForwarding{ExternalPort: 80, InternalPort: 8080}, []portPair{{80, 8080, false}}},
		{model.PortForwarding{ExternalPortRange: "80:80", InternalPortRange: "90:90"}, []portPair{{80, 90, false}}},
		{model.PortForwarding{ExternalPortRange: "80:82", InternalPortRange: "90:92"}, []portPair{{80, 90, true}, {81, 91, true}, {82, 92, true}}},
		{model.PortForwarding{ExternalPortRange: "80:81", InternalPort: 90}, []portPair{{80, 90, true}, {81, 91, true}}},
		{model.PortForwarding{ExternalPortRange: "82:80", InternalPort: 90}, nil},
		{model.PortForwarding{ExternalPortRange: "x", InternalPort: 90}, nil},
		{model.PortForwarding{}, nil},
	} {
		if got := forwardedPorts(&test.pf); !slices.Equal(got, test.want) {
			t.Errorf("%+v: %v", test.pf, got)
		}
	}
}

func TestAGatewayTellsOfItsMTUAndKeepsThePrefixesToItself(t *testing.T) {
	put := func(x *model.Tables, tx *store.Tx) {
		x.Networks.Put(tx, &model.Network{Meta: model.Meta{ID: "ext"}, MTU: 1400, External: true, NetworkType: "vlan", PhysicalNetwork: ptr("p")})
		x.Networks.Put(tx, &model.Network{Meta: model.Meta{ID: "n"}, MTU: 1500, NetworkType: "geneve"})
		x.Subnets.Put(tx, &model.Subnet{Meta: model.Meta{ID: "six"}, NetworkID: "ext", IPVersion: 6, CIDR: "fd00::/64", IPv6AddressMode: ptr("dhcpv6-stateful")})
		x.Subnets.Put(tx, &model.Subnet{Meta: model.Meta{ID: "four"}, NetworkID: "n", IPVersion: 4, CIDR: "10.0.0.0/24"})
		x.Routers.Put(tx, &model.Router{Meta: model.Meta{ID: "r"}, Gateway: &model.Gateway{NetworkID: "ext", PortID: "gw"}})
		x.Ports.Put(tx, &model.Port{
			Meta: model.Meta{ID: "gw"}, NetworkID: "ext", DeviceOwner: ownerGateway, DeviceID: "r", FixedIPs: []model.FixedIP{{SubnetID: "six", IPAddress: "fd00::9"}},
		})
		x.Ports.Put(tx, &model.Port{
			Meta: model.Meta{ID: "if"}, NetworkID: "n", DeviceOwner: "network:router_interface", DeviceID: "r",
			FixedIPs: []model.FixedIP{{SubnetID: "four", IPAddress: "10.0.0.1"}},
		})
	}
	scene(t, put, func(v view) {
		got := columnsOf(t, routerPortRows(v, v.Ports.Get(v, "gw")), tableRouterPort, "lrp-gw", "networks", "options", "ipv6_ra_configs")
		same(t, got, ovsdb.Columns{
			"networks":        ovsdb.Set{"fd00::9/64"},
			"options":         ovsdb.Map{"reside-on-redirect-chassis": "true", "gateway_mtu": "1400"},
			"ipv6_ra_configs": ovsdb.Map{"address_mode": "dhcpv6_stateful", "send_periodic": "false", "mtu": "1400"},
		})
		var stirred []string
		n := v.Networks.Get(v, "n")
		larger := *n
		larger.MTU = 9000
		routerPortsOfNetwork(v, store.Change{ID: "n", Before: n, After: &larger}, func(id string) { stirred = append(stirred, id) })
		same(t, stirred, []string{"if", "gw"})
	}, func(v *view) { v.options = &Options{NeedToFrag: true, CentralFloatingIPs: true} })
}

func TestAPortsOwnOptionsAreItsOwnAndQuotedWhereTheyMustBe(t *testing.T) {
	option := func(name, value string, version int) model.DHCPOption {
		return model.DHCPOption{Name: name, Value: &value, IPVersion: version}
	}
	p := &model.Port{ExtraDHCPOpts: []model.DHCPOption{
		option("bootfile-name", "x", 4), option("15", `"y"`, 4), option("42", "192.0.2.1", 4), option("nonsense", "z", 4), option("dns-server", "fd00::1", 6),
		option("tag:ipxe,67", "ipxe", 4),
	}}
	set, _ := extraOptions(p, 4)
	same(t, set, ovsdb.Map{"bootfile_name": `"x"`, "domain_name": `"y"`, "ntp_server": "192.0.2.1"})
	p.VNICType = "baremetal"
	p.ExtraDHCPOpts = p.ExtraDHCPOpts[4:]
	set, _ = extraOptions(p, 4)
	same(t, set, ovsdb.Map{"bootfile_name": `"ipxe"`})
	p.ExtraDHCPOpts = append(p.ExtraDHCPOpts, option("dhcp_disabled", "True", 4))
	_, four := extraOptions(p, 4)
	_, six := extraOptions(p, 6)
	same(t, []bool{four, six}, []bool{true, false})
}

func TestNamesAreAnsweredUnderEveryDomainOnce(t *testing.T) {
	put := func(x *model.Tables, tx *store.Tx) {
		x.Ports.Put(tx, &model.Port{Meta: model.Meta{ID: "p"}, NetworkID: "n", DNSName: "a", DeviceID: "d", FixedIPs: []model.FixedIP{{IPAddress: "10.0.0.9"}, {IPAddress: "fd00::1"}}})
		x.Ports.Put(tx, &model.Port{Meta: model.Meta{ID: "q"}, NetworkID: "n", DNSName: "b"})
	}
	six := "1." + strings.Repeat("0.", 27) + "0.0.d.f.ip6.arpa"
	scene(t, put, func(v view) {
		same(t, dnsRecords(v, &model.Network{Meta: model.Meta{ID: "n"}, DNSDomain: "x.org."}), ovsdb.Map{
			"a": "10.0.0.9 fd00::1", "a.x.org": "10.0.0.9 fd00::1", "9.0.0.10.in-addr.arpa": "a.x.org", six: "a.x.org",
		})
	}, func(v *view) { v.options = &Options{DNSDomain: "x.org."} })
	scene(t, put, func(v view) {
		same(t, dnsRecords(v, &model.Network{Meta: model.Meta{ID: "n"}}), ovsdb.Map{"a": "10.0.0.9 fd00::1", "9.0.0.10.in-addr.arpa": "a", six: "a"})
	}, func(v *view) { v.options = &Options{} })
}

func TestALargeSetIsToldOnlyWhatDiffers(t *testing.T) {
	have, want := ovsdb.Set{}, ovsdb.Set{}
	for i := range 100 {
		have = append(have, fmt.Sprint(i))
		want = append(want, fmt.Sprint(i+1))
	}
	same(t, without(want, have), ovsdb.Set{"100"})
	same(t, without(have, want), ovsdb.Set{"0"})
}
