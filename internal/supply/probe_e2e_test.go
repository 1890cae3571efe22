// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package supply

import (
	"strings"
	"testing"

	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
	"github.com/kuryr-go/kuryr/internal/neutron"
)

func TestAProbeOfAGoodCloudFindsNothingWrongAndMakesNothing(t *testing.T) {
	b := newBench(t)
	d := b.supply(t, b.Admin, Options{Defaults: Defaults{Network: "net"}})
	h := d.Probe(t.Context())
	if h.Err != nil || len(h.Notes) != 0 || h.Latency <= 0 || h.AuthURL == "" || h.Endpoint == "" || h.Project == "" {
		t.Errorf("%+v", h)
	}
	if ports := b.Ports(t); len(ports) != 0 {
		t.Errorf("made: %+v", ports)
	}
}

func TestAProbeNamesTheRuleThatIsMissing(t *testing.T) {
	b := newBench(t)
	d := b.supply(t, b.Member(t), Options{Defaults: Defaults{Network: "net"}})
	for range 2 {
		h := d.Probe(t.Context())
		if !fault.Is(h.Err, fault.Unauthorized) || !strings.Contains(h.Err.Error(), "policy rule create_port:binding:host_id") || !strings.Contains(h.Err.Error(), "request id req-") {
			t.Errorf("%+v", h)
		}
		if h.Project != b.Name {
			t.Errorf("project %q", h.Project)
		}
	}
	// Without a default network, one of the project serves for the check.
	if h := b.supply(t, b.Member(t), Options{}).Probe(t.Context()); !fault.Is(h.Err, fault.Unauthorized) {
		t.Errorf("%+v", h)
	}
}

func TestAProbeNotesWhatHindersSomeRequests(t *testing.T) {
	b := newBench(t)
	d := b.supply(t, b.Admin, Options{Node: "no-such-host", Defaults: Defaults{Network: "absent"}})
	h := d.Probe(t.Context())
	notes := strings.Join(h.Notes, "\n")
	if h.Err != nil || !strings.Contains(notes, `"absent"`) || !strings.Contains(notes, `no agent on host "no-such-host"`) {
		t.Errorf("%v, %s", h.Err, notes)
	}
}

func TestTheLeastRightsSuffice(t *testing.T) {
	b := newBench(t)
	least := b.Least(t)
	d := b.supply(t, least, Options{Defaults: Defaults{Network: "net"}})
	on := true
	l, err := d.Acquire(t.Context(), orderFor(attachment1, lease.Demand{
		FixedIPs: addrs("10.7.0.77"), MAC: "fa:16:3e:7e:57:03", PortSecurity: &on, SecurityGroups: []string{"default"},
		AllowedAddressPairs: []lease.AddressPair{{IPAddress: "10.7.0.200"}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	if l.Host != b.Hosts[0] || l.VIFType != "ovs" {
		t.Errorf("lease %+v", l)
	}
	if h := d.Probe(t.Context()); h.Err != nil || len(h.Notes) != 0 {
		t.Errorf("probe: %+v", h)
	}
	if err := d.Release(t.Context(), l); err != nil {
		t.Error(err)
	}
	before := b.userPort(t, neutron.PortCreate{Name: "mine"})
	adopted, err := d.Acquire(t.Context(), orderFor(attachment2, lease.Demand{Port: "mine"}))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Release(t.Context(), adopted); err != nil {
		t.Error(err)
	}
	if p := b.port(t, before.ID); p.DeviceID != "" || *p.HostID != "" {
		t.Errorf("given back: %+v", p)
	}
	unknown := b.supply(t, least, Options{Node: "no-such-host"})
	b.refuse(t, unknown, lease.Demand{Network: "net"}, fault.Unavailable, "", "binding_failed")
	if found, err := d.Reclaim(t.Context(), attachment1); found || err != nil {
		t.Errorf("reclaim: %t, %v", found, err)
	}
}

func TestAnotherProjectNeedsTheRight(t *testing.T) {
	b := newBench(t)
	d := b.supply(t, b.Member(t), Options{})
	demand := lease.Demand{Network: b.network, Project: strings.Repeat("0123456789abcdef", 2)}
	b.refuse(t, d, demand, fault.Unauthorized, "project", "'project_id'", "leave project out")
}

func TestWhatTheCredentialsMayNotSeeIsNoted(t *testing.T) {
	b := newBench(t)
	member := b.Member(t)
	d := b.supply(t, member, Options{})
	scope, err := member.Scope(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := member.CreatePort(t.Context(), neutron.PortCreate{NetworkID: b.network}); err != nil {
		t.Fatal(err)
	}
	if note := d.bindingVisible(t.Context(), scope); !strings.Contains(note, "get_port:binding:vif_type") {
		t.Errorf("note %q", note)
	}
}
