// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package supply

import (
	"context"
	"net/http/httptrace"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
	"github.com/kuryr-go/kuryr/internal/neutron"
)

func TestEveryWishOfADemandIsGranted(t *testing.T) {
	b := newBench(t)
	group, policy := b.Group(t, "web"), b.QoSPolicy(t, "slow")
	on := true
	l := b.acquire(t, lease.Demand{
		Project: b.Name, Network: b.network, Subnets: []string{"six", b.v4}, FixedIPs: addrs("10.7.0.77"),
		SecurityGroups: []string{"web", group, "default"}, MAC: "FA:16:3E:7E:57:01", Name: "wished", DNSName: "wished", QoSPolicy: "slow",
		AllowedAddressPairs: []lease.AddressPair{{IPAddress: "10.7.0.200"}}, PortSecurity: &on,
	})
	p := b.port(t, l.PortID)
	if p.Name != "wished" || p.DNSName != "wished" || p.MACAddress != "fa:16:3e:7e:57:01" || *p.QoSPolicyID != policy || len(p.AllowedAddressPairs) != 1 {
		t.Errorf("port %+v", p)
	}
	// Neutron keeps no order.
	slices.SortFunc(l.Addresses, func(x, y lease.Address) int { return y.Prefix.Addr().Compare(x.Prefix.Addr()) })
	if len(l.Addresses) != 2 || l.Addresses[0].Subnet.ID != b.v6 || l.Addresses[1].Prefix != netip.MustParsePrefix("10.7.0.77/24") {
		t.Errorf("addresses %+v", l.Addresses)
	}
	var names []string
	for _, g := range l.SecurityGroups {
		names = append(names, g.Name)
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"default", "web"}) {
		t.Errorf("groups %v", names)
	}
}

func TestNoGroupsAndNoPortSecurity(t *testing.T) {
	b := newBench(t)
	l := b.acquire(t, lease.Demand{Network: "net", SecurityGroups: []string{}})
	if p := b.port(t, l.PortID); len(p.SecurityGroups) != 0 || !*p.PortSecurityEnabled || len(l.SecurityGroups) != 0 {
		t.Errorf("no groups: %+v", p)
	}
	off := false
	d := b.supply(t, b.Admin, Options{Defaults: Defaults{Network: b.network, SecurityGroups: []string{"default"}}})
	l, err := d.Acquire(t.Context(), orderFor(attachment2, lease.Demand{PortSecurity: &off}))
	if err != nil {
		t.Fatal(err)
	}
	if p := b.port(t, l.PortID); *p.PortSecurityEnabled || len(p.SecurityGroups) != 0 {
		t.Errorf("no port security: %+v", p)
	}
}

func TestRefusalsNameTheKeyAndWhatIsAllowed(t *testing.T) {
	b := newBench(t)
	held := b.acquire(t, lease.Demand{Network: "net", FixedIPs: addrs("10.7.0.77"), MAC: "fa:16:3e:7e:57:02", Name: "holder"})
	b.Network(t, "twin", "")
	b.Network(t, "twin", "")
	const nobody = "00000000-0000-4000-8000-00000000dead"
	refuse := func(d lease.Demand, class fault.Class, field string, says ...string) {
		t.Helper()
		b.refuse(t, b.direct, d, class, field, says...)
	}
	on := func(d lease.Demand) lease.Demand { d.Network = "net"; return d }
	refuse(lease.Demand{}, fault.Invalid, "network", "no default")
	refuse(lease.Demand{Network: "absent"}, fault.NotFound, "network", `"absent"`)
	refuse(lease.Demand{Network: nobody}, fault.NotFound, "network", nobody)
	refuse(lease.Demand{Network: "twin"}, fault.Invalid, "network", "2 networks", "use the id", b.ID)
	refuse(on(lease.Demand{Subnets: []string{"four", "absent"}}), fault.NotFound, "subnets[1]", "10.7.0.0/24", "fd00:7::/64")
	refuse(on(lease.Demand{SecurityGroups: []string{"default", "absent"}}), fault.NotFound, "securityGroups[1]", `"absent"`)
	refuse(on(lease.Demand{QoSPolicy: "absent"}), fault.NotFound, "qosPolicy", `"absent"`)
	refuse(on(lease.Demand{Project: "absent"}), fault.NotFound, "project", `"absent"`)
	refuse(on(lease.Demand{FixedIPs: addrs("192.0.2.7")}), fault.Invalid, "fixedIPs[0]", "192.0.2.7", "10.7.0.0/24")
	refuse(on(lease.Demand{FixedIPs: addrs("fd00:7::99", "10.7.0.77")}), fault.Conflict, "fixedIPs[1]", "10.7.0.77", held.PortID, "holder", "compute:kuryr", "request id req-")
	refuse(on(lease.Demand{FixedIPs: addrs("10.7.0.0")}), fault.Invalid, "fixedIPs[0]", "network address")
	refuse(on(lease.Demand{MAC: "fa:16:3e:7e:57:02"}), fault.Conflict, "mac", "fa:16:3e:7e:57:02", held.PortID)
	refuse(on(lease.Demand{MAC: "01:00:5e:00:00:01"}), fault.Invalid, "mac", "multicast")
	refuse(on(lease.Demand{DNSName: "not..a..name"}), fault.Invalid, "dnsName", "dns_name")
	refuse(lease.Demand{Port: "absent"}, fault.NotFound, "port", `"absent"`)

	defaulted := b.supply(t, b.Admin, Options{Defaults: Defaults{Network: "net", SecurityGroups: []string{"absent"}}})
	b.refuse(t, defaulted, lease.Demand{}, fault.NotFound, "securityGroups[0]", "from the node's defaults")
}

func TestExhaustionSaysOfWhat(t *testing.T) {
	b := newBench(t)
	tiny := b.Network(t, "tiny", "")
	// Two addresses: the gateway's and, where Neutron keeps one for metadata, that.
	b.Subnet(t, subnets.CreateOpts{NetworkID: tiny, Name: "tiny4", CIDR: "10.8.0.0/30"})
	var err error
	for range 3 {
		if _, err = b.direct.Acquire(t.Context(), orderFor(attachment1, lease.Demand{Network: "tiny"})); err != nil {
			break
		}
	}
	if !fault.Is(err, fault.Quota) || !strings.Contains(err.Error(), "tiny4") || !strings.Contains(err.Error(), "10.8.0.0/30") || !strings.Contains(err.Error(), "request id req-") {
		t.Errorf("subnet: %v", err)
	}
	b.PortQuota(t, 0)
	_, err = b.direct.Acquire(t.Context(), orderFor(attachment1, lease.Demand{Network: "net"}))
	if !fault.Is(err, fault.Quota) || !strings.Contains(err.Error(), "Quota exceeded for resources: ['port'].") || !strings.Contains(err.Error(), "request id req-") {
		t.Errorf("quota: %v", err)
	}
}

func TestAnUnknownHostIsNamedAndLeavesNoPort(t *testing.T) {
	b := newBench(t)
	d := b.supply(t, b.Admin, Options{Node: "no-such-host"})
	b.refuse(t, d, lease.Demand{Network: "net"}, fault.Unavailable, "", `host "no-such-host"`, "Neutron knows no agent on", b.Hosts[0], "binding_failed")
}

func TestWithoutTheRightTheRuleIsNamed(t *testing.T) {
	b := newBench(t)
	d := b.supply(t, b.Member(t), Options{})
	b.refuse(t, d, lease.Demand{Network: "net"}, fault.Unauthorized, "", "policy rule create_port:binding:host_id")
}

func TestWithNamesKnownAnAcquireIsOneRequest(t *testing.T) {
	b := newBench(t)
	b.Group(t, "web")
	demand := lease.Demand{Network: "net", Subnets: []string{"four"}, SecurityGroups: []string{"web"}}
	b.acquire(t, demand)
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	ctx, root := provider.Tracer("test").Start(t.Context(), "ADD")
	if _, err := b.direct.Acquire(ctx, orderFor(attachment2, demand)); err != nil {
		t.Fatal(err)
	}
	root.End()
	var names []string
	for _, s := range spans.Ended() {
		names = append(names, s.Name())
	}
	if !slices.Equal(names, []string{"neutron create port", "ADD"}) {
		t.Errorf("spans %q", names)
	}
}

func TestWhatWasMadeAnewIsResolvedAnew(t *testing.T) {
	b := newBench(t)
	demand := lease.Demand{Network: "net", SecurityGroups: []string{"web"}, Subnets: []string{"extra"}}
	extra := subnets.CreateOpts{NetworkID: b.network, Name: "extra", CIDR: "10.7.1.0/24"}
	group, subnet := b.Group(t, "web"), b.Subnet(t, extra)
	if err := b.direct.Release(t.Context(), b.acquire(t, demand)); err != nil {
		t.Fatal(err)
	}
	b.DeleteGroup(t, group)
	b.DeleteSubnet(t, subnet)
	group, subnet = b.Group(t, "web"), b.Subnet(t, extra)
	l := b.acquire(t, demand)
	if l.SecurityGroups[0].ID != group || l.Addresses[0].Subnet.ID != subnet {
		t.Errorf("groups %v, addresses %v", l.SecurityGroups, l.Addresses)
	}
}

func TestAPortWhoseMakerGaveUpIsReclaimed(t *testing.T) {
	b := newBench(t)
	b.acquire(t, lease.Demand{Network: "net"}) // now names are known
	if found, err := b.direct.Reclaim(t.Context(), attachment1); !found || err != nil {
		t.Fatalf("the port that was acquired: %t, %v", found, err)
	}
	ctx, resume := untilAnswered(t)
	_, err := b.direct.Acquire(ctx, orderFor(attachment1, lease.Demand{Network: "net"}))
	resume()
	if !fault.Is(err, fault.Unavailable) {
		t.Fatalf("the maker did not give up: %v", err)
	}
	if ports := b.Ports(t); len(ports) != 1 {
		t.Fatalf("the cloud made %d ports", len(ports))
	}
	if found, err := b.direct.Reclaim(t.Context(), attachment1); !found || err != nil {
		t.Errorf("reclaimed: %t, %v", found, err)
	}
	if ports := b.Ports(t); len(ports) != 0 {
		t.Errorf("left: %+v", ports)
	}
	if found, err := b.direct.Reclaim(t.Context(), attachment1); found || err != nil {
		t.Errorf("again: %t, %v", found, err)
	}
}

// untilAnswered gives a context that ends when the next request's answer
// begins to come in: the cloud has done it, and the caller does not learn so.
// The answer itself is held back until resume is called.
func untilAnswered(t *testing.T) (ctx context.Context, resume func()) {
	ctx, cancel := context.WithCancel(t.Context())
	held := make(chan struct{})
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotFirstResponseByte: func() {
		cancel()
		<-held
	}}), func() { close(held) }
}

func TestPortsOfOthersAreLeftAlone(t *testing.T) {
	b := newBench(t)
	l := b.acquire(t, lease.Demand{Network: "net"})
	other := b.supply(t, b.Admin, Options{})
	other.options.Cluster = "other"
	if found, err := other.Reclaim(t.Context(), attachment1); found || err != nil {
		t.Errorf("reclaim of another cluster: %t, %v", found, err)
	}
	reused, now := l, "somebody-else"
	if _, err := b.Admin.UpdatePort(t.Context(), l.PortID, neutron.PortUpdate{DeviceID: &now}); err != nil {
		t.Fatal(err)
	}
	if err := b.direct.Release(t.Context(), reused); err != nil {
		t.Errorf("release: %v", err)
	}
	if p := b.port(t, l.PortID); p.DeviceID != now {
		t.Errorf("%+v", p)
	}
}

func TestWaitingForAPortThatNobodyWiresEndsWithItsContext(t *testing.T) {
	b := newBench(t)
	l := b.acquire(t, lease.Demand{Network: "net"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err := b.direct.WaitActive(ctx, l)
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "status DOWN") || !strings.Contains(err.Error(), b.Hosts[0]) {
		t.Errorf("got %v", err)
	}
	if err := b.direct.Release(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if err := b.direct.WaitActive(t.Context(), l); !fault.Is(err, fault.NotFound) {
		t.Errorf("a port that is gone: %v", err)
	}
}
