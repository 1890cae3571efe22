// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
	"github.com/kuryr-go/kuryr/internal/neutron"
)

func TestNeutronsRefusalsAreLedBackToTheirKeys(t *testing.T) {
	o := order{Demand: lease.Demand{FixedIPs: addrs("10.0.0.5", "10.0.0.51")}}
	r := resolved{groups: []neutron.SecurityGroup{{ID: "g-one"}, {ID: "g-two"}}}
	for _, tt := range []struct{ typ, message, want string }{
		{"NetworkNotFound", "Network x could not be found.", "network"},
		{"QosPolicyNotFound", "QoS policy x could not be found.", "qosPolicy"},
		{"SubnetNotFound", "Subnet x could not be found.", "subnets"},
		{"SecurityGroupNotFound", "Security group g-two does not exist", "securityGroups[1]"},
		{"SecurityGroupNotFound", "Security group other does not exist", "securityGroups"},
		{"PortSecurityAndIPRequiredForSecurityGroups", "Port security must be enabled", "securityGroups"},
		{"InvalidIpForNetwork", "IP address 10.0.0.51 is not a valid IP for any of the subnets on the specified network.", "fixedIPs[1]"},
		{"InvalidIpForSubnet", "IP address is not valid", "fixedIPs"},
		{"HTTPBadRequest", "Invalid input for dns_name. Reason: 'a..b' not a valid PQDN or FQDN.", "dnsName"},
		{"HTTPBadRequest", "Invalid input for mac_address. Reason: x", "mac"},
		{"HTTPBadRequest", "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin privileges", "project"},
		{"HTTPBadRequest", "Unrecognized attribute(s) 'nonsense'", ""},
	} {
		if got := refusedKey(&neutron.APIError{Type: tt.typ, Message: tt.message}, o, r); got != tt.want {
			t.Errorf("%s %q: %q, want %q", tt.typ, tt.message, got, tt.want)
		}
	}
}

func TestAnAddressIsFoundInAMessage(t *testing.T) {
	asked := addrs("10.0.0.1", "10.0.0.11", "2001:db8::1")
	for message, want := range map[string]int{
		"IP address 10.0.0.11 already allocated in subnet x":                             1,
		"Unable to complete operation for network n. The IP address 10.0.0.1 is in use.": 0,
		"IP address '2001:db8:0::1' is in use.":                                          2,
		"IP address 10.0.0.111 is in use.":                                               -1,
		"nothing":                                                                        -1,
	} {
		if got := mentioned(message, asked); got != want {
			t.Errorf("%q: %d, want %d", message, got, want)
		}
	}
	if got := mentioned("10.0.0.1", []netip.Addr{}); got != -1 {
		t.Errorf("none asked for: %d", got)
	}
}

func TestAPortsUserIsNamed(t *testing.T) {
	host := "node2"
	got := describePort(neutron.Port{ID: "p1", Name: "db", DeviceOwner: "compute:nova", DeviceID: "vm1", HostID: &host, Status: "ACTIVE"})
	if want := `"db" (p1), device_owner compute:nova, device_id vm1, host node2, status ACTIVE`; got != want {
		t.Errorf("%s", got)
	}
	if got := describePort(neutron.Port{ID: "p1"}); got != "p1" {
		t.Errorf("%s", got)
	}
}

func TestTheAgentsOfANodeAreDescribed(t *testing.T) {
	agents := []neutron.Agent{{Type: "OVN Controller agent", Host: "b", Alive: true}, {Type: "Metadata", Host: "b", Alive: true}, {Type: "OVN Controller agent", Host: "a"}}
	if got := describeAgents("a", agents); got != `for host "a", Neutron says: OVN Controller agent is dead` {
		t.Error(got)
	}
	if got := describeAgents("a.example.org", agents); got != `Neutron knows no agent on host "a.example.org", but on: a, b` {
		t.Error(got)
	}
	for i := range 20 {
		agents = append(agents, neutron.Agent{Host: strings.Repeat("x", i+1)})
	}
	if got := describeAgents("none", agents); !strings.HasSuffix(got, "and 12 more") {
		t.Error(got)
	}
}

func TestOnlyAFreePortIsTakenOver(t *testing.T) {
	here, there := "node1", "node2"
	free := neutron.Port{ID: "p", Name: "mine", NetworkID: "n", AdminStateUp: true, Status: "DOWN"}
	with := func(change func(*neutron.Port)) neutron.Port {
		p := free
		change(&p)
		return p
	}
	tests := []struct {
		name    string
		port    neutron.Port
		network string
		class   fault.Class
		says    string
	}{
		{"free", free, "", "", ""},
		{"on the network named", free, "n", "", ""},
		{"on another network", free, "m", fault.Invalid, "is on network n, not on m"},
		{"of a server", with(func(p *neutron.Port) { p.DeviceID, p.DeviceOwner = "vm", "compute:nova" }), "", fault.Conflict, "compute:nova, device_id vm"},
		{"of a router", with(func(p *neutron.Port) { p.DeviceOwner = "network:router_interface" }), "", fault.Conflict, "network:router_interface"},
		{"ours already", with(func(p *neutron.Port) { p.DeviceID, p.DeviceOwner, p.HostID = "att", OwnerAdopted, &here }), "", "", ""},
		{"bound here", with(func(p *neutron.Port) { p.HostID, p.Status = &here, "ACTIVE" }), "", "", ""},
		{"bound elsewhere and down", with(func(p *neutron.Port) { p.HostID = &there }), "", "", ""},
		{"active elsewhere", with(func(p *neutron.Port) { p.HostID, p.Status = &there, "ACTIVE" }), "", fault.Conflict, "another host"},
		{"switched off", with(func(p *neutron.Port) { p.AdminStateUp = false }), "", fault.Conflict, "--enable p"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := checkAdoptable(tt.port, neutron.Network{ID: tt.network}, "att", "node1")
			if fault.ClassOf(err) != tt.class || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v", err)
			}
			if f, ok := fault.As(err); ok && f.Field != "port" {
				t.Errorf("field %q", f.Field)
			}
		})
	}
}

func TestAnErrorKeepsItsWordsWhenItGetsItsKey(t *testing.T) {
	cause := fault.New(fault.NotFound, "there is no x")
	err := ofKey(cause, "securityGroups[1]", true)
	f, _ := fault.As(err)
	if f.Field != "securityGroups[1]" || f.Class != fault.NotFound || err.Error() != "securityGroups[1]: there is no x (from the node's defaults)" {
		t.Errorf("%v", err)
	}
	if cause.Field != "" {
		t.Error("the original was changed")
	}
	away := fault.New(fault.Unavailable, "away")
	if got, ok := fault.As(ofKey(away, "network", true)); !ok || got != away {
		t.Errorf("%v", got)
	}
	if ofKey(nil, "network", true) != nil {
		t.Error("an error out of nothing")
	}
}
