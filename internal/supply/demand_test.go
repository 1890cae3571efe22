// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDefaultsFillInWhatADemandLeavesOut(t *testing.T) {
	defaults := Defaults{Project: "p", Network: "n", Subnets: []string{"s4", "s6"}, SecurityGroups: []string{"web"}}
	off := false
	tests := []struct {
		name    string
		demand  lease.Demand
		project string
		network string
		subnets []string
		groups  []string
	}{
		{"nothing named", lease.Demand{}, "p", "n", []string{"s4", "s6"}, []string{"web"}},
		{"another network has other subnets", lease.Demand{Network: "m"}, "p", "m", nil, []string{"web"}},
		{"subnets named", lease.Demand{Subnets: []string{"s4"}}, "p", "n", []string{"s4"}, []string{"web"}},
		{"no groups at all", lease.Demand{SecurityGroups: []string{}}, "p", "n", []string{"s4", "s6"}, []string{}},
		{"groups named", lease.Demand{SecurityGroups: []string{"db"}, Project: "q"}, "q", "n", []string{"s4", "s6"}, []string{"db"}},
		{"without port security the default groups cannot hold", lease.Demand{PortSecurity: &off}, "p", "n", []string{"s4", "s6"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, err := complete(tt.demand, defaults)
			if err != nil {
				t.Fatal(err)
			}
			if o.Project != tt.project || o.Network != tt.network {
				t.Errorf("project %q, network %q", o.Project, o.Network)
			}
			if diff := cmp.Diff(tt.subnets, o.Subnets) + cmp.Diff(tt.groups, o.SecurityGroups); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnExistingPortTakesNoDefaultNetwork(t *testing.T) {
	o, err := complete(lease.Demand{Port: "x"}, Defaults{Project: "p", Network: "n", SecurityGroups: []string{"g"}})
	if err != nil || o.Network != "" || o.SecurityGroups != nil || o.Project != "p" {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestBadDemandsAreRefusedByTheirKey(t *testing.T) {
	off, a := false, netip.MustParseAddr
	tests := []struct {
		name   string
		demand lease.Demand
		field  string
		says   string
	}{
		{"no network", lease.Demand{Network: "-"}, "network", "no default one"},
		{"port and MAC", lease.Demand{Port: "x", MAC: "fa:16:3e:00:00:01"}, "mac", "used as it is"},
		{"port and no groups", lease.Demand{Port: "x", SecurityGroups: []string{}}, "securityGroups", "used as it is"},
		{"port and address", lease.Demand{Port: "x", FixedIPs: []netip.Addr{a("10.0.0.1")}}, "fixedIPs", "used as it is"},
		{"malformed MAC", lease.Demand{Network: "n", MAC: "fa:16:3e"}, "mac", "fa:16:3e:01:02:03"},
		{"MAC in dashes", lease.Demand{Network: "n", MAC: "fa-16-3e-00-00-01"}, "mac", "no MAC address"},
		{"infiniband MAC", lease.Demand{Network: "n", MAC: "00:11:22:33:44:55:66:77"}, "mac", "six bytes"},
		{"multicast MAC", lease.Demand{Network: "n", MAC: "01:00:5e:00:00:01"}, "mac", "multicast"},
		{"zero MAC", lease.Demand{Network: "n", MAC: "00:00:00:00:00:00"}, "mac", "no interface's"},
		{"zero address", lease.Demand{Network: "n", FixedIPs: []netip.Addr{a("10.0.0.1"), {}}}, "fixedIPs[1]", "no address"},
		{"zone", lease.Demand{Network: "n", FixedIPs: []netip.Addr{a("fe80::1%eth0")}}, "fixedIPs[0]", "zone"},
		{"multicast address", lease.Demand{Network: "n", FixedIPs: []netip.Addr{a("224.0.0.1")}}, "fixedIPs[0]", "cannot be"},
		{"address twice", lease.Demand{Network: "n", FixedIPs: []netip.Addr{a("10.0.0.1"), a("10.0.0.2"), a("10.0.0.1")}}, "fixedIPs[2]", "twice"},
		{"empty group", lease.Demand{Network: "n", SecurityGroups: []string{"a", ""}}, "securityGroups[1]", "name or an id"},
		{"empty subnet", lease.Demand{Network: "n", Subnets: []string{""}}, "subnets[0]", "name or an id"},
		{"long name", lease.Demand{Network: "n", Name: strings.Repeat("x", 256)}, "name", "255"},
		{"groups without port security", lease.Demand{Network: "n", PortSecurity: &off, SecurityGroups: []string{"a"}}, "securityGroups", "portSecurity"},
		{"pairs without port security", lease.Demand{Network: "n", PortSecurity: &off, AllowedAddressPairs: []lease.AddressPair{{IPAddress: "10.0.0.1"}}}, "allowedAddressPairs", "portSecurity"},
		{"pair is no address", lease.Demand{Network: "n", AllowedAddressPairs: []lease.AddressPair{{IPAddress: "10.0.0.0/8"}, {IPAddress: "ten"}}}, "allowedAddressPairs[1].ipAddress", "neither"},
		{"pair with bad MAC", lease.Demand{Network: "n", AllowedAddressPairs: []lease.AddressPair{{IPAddress: "10.0.0.1", MACAddress: "x"}}}, "allowedAddressPairs[0].macAddress", "no MAC"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.demand.Network == "-" {
				tt.demand.Network = ""
			}
			_, err := complete(tt.demand, Defaults{})
			f, ok := fault.As(err)
			if !ok || f.Class != fault.Invalid || f.Field != tt.field || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want field %s and %q", err, tt.field, tt.says)
			}
		})
	}
}

func TestAMACIsWrittenInLowerCase(t *testing.T) {
	o, err := complete(lease.Demand{Network: "n", MAC: "FA:16:3E:00:00:0A"}, Defaults{})
	if err != nil || o.MAC != "fa:16:3e:00:00:0a" {
		t.Errorf("%q, %v", o.MAC, err)
	}
}

func TestOnlyWhatIsUsedNeedsAnExtension(t *testing.T) {
	on := true
	o := order{Demand: lease.Demand{Network: "n", SecurityGroups: []string{"g"}, MAC: "x"}}
	if needs := o.extensions(); needs != nil {
		t.Errorf("%v", needs)
	}
	o.Demand = lease.Demand{QoSPolicy: "q", DNSName: "d", PortSecurity: &on, AllowedAddressPairs: []lease.AddressPair{{}}}
	want := []need{{"qosPolicy", "qos"}, {"dnsName", "dns-integration"}, {"portSecurity", "port-security"}, {"allowedAddressPairs", "allowed-address-pairs"}}
	if diff := cmp.Diff(want, o.extensions(), cmp.AllowUnexported(need{})); diff != "" {
		t.Error(diff)
	}
}
