// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network_test

import (
	"net/http/httptest"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/extraroutes"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/portforwarding"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/qos/policies"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/qos/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/addressgroups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	grouprules "github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/trunks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
)

// client is gophercloud on a site's API.
func (s *site) client(who string) *gophercloud.ServiceClient {
	server := httptest.NewServer(s.Mux())
	s.Cleanup(server.Close)
	return &gophercloud.ServiceClient{ProviderClient: &gophercloud.ProviderClient{TokenID: who}, Endpoint: server.URL + "/", ResourceBase: server.URL + "/v2.0/"}
}

// must gives a call's result, which is no error.
func must[T any](t testing.TB, extract func() (T, error)) T {
	t.Helper()
	v, err := extract()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func done(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// plugged is a port on a network of its own.
func plugged(t testing.TB, c *gophercloud.ServiceClient, cidr string) (*subnets.Subnet, *ports.Port) {
	t.Helper()
	n := must(t, networks.Create(t.Context(), c, networks.CreateOpts{Name: cidr}).Extract)
	sub := must(t, subnets.Create(t.Context(), c, subnets.CreateOpts{NetworkID: n.ID, IPVersion: gophercloud.IPv4, CIDR: cidr}).Extract)
	return sub, must(t, ports.Create(t.Context(), c, ports.CreateOpts{NetworkID: n.ID}).Extract)
}

func TestGophercloudReachesAPortByAFloatingIP(t *testing.T) {
	s := newSite(t, nil)
	c, ctx := s.client("member"), t.Context()
	sub, port := plugged(t, c, "10.0.0.0/24")
	r := must(t, routers.Create(ctx, c, routers.CreateOpts{Name: "r", GatewayInfo: &routers.GatewayInfo{NetworkID: s.external}}).Extract)
	i := must(t, routers.AddInterface(ctx, c, r.ID, routers.AddInterfaceOpts{SubnetID: sub.ID}).Extract)
	if i.SubnetID != sub.ID || i.PortID == "" {
		t.Fatalf("interface %+v", i)
	}
	routes := []routers.Route{{DestinationCIDR: "10.9.0.0/24", NextHop: "10.0.0.77"}}
	r = must(t, extraroutes.Add(ctx, c, r.ID, extraroutes.Opts{Routes: &routes}).Extract)
	if len(r.Routes) != 1 || r.Routes[0] != routes[0] {
		t.Errorf("routes %+v", r.Routes)
	}
	must(t, extraroutes.Remove(ctx, c, r.ID, extraroutes.Opts{Routes: &routes}).Extract)

	f := must(t, floatingips.Create(ctx, c, floatingips.CreateOpts{FloatingNetworkID: s.external, PortID: port.ID}).Extract)
	f = must(t, floatingips.Get(ctx, c, f.ID).Extract)
	if f.Status != "ACTIVE" || f.RouterID != r.ID || f.FixedIP != port.FixedIPs[0].IPAddress {
		t.Errorf("floating IP %+v", f)
	}
	f = must(t, floatingips.Update(ctx, c, f.ID, floatingips.UpdateOpts{PortID: new(string)}).Extract)
	pf := must(t, portforwarding.Create(ctx, c, f.ID, portforwarding.CreateOpts{
		Protocol: "tcp", InternalPortID: port.ID, InternalIPAddress: port.FixedIPs[0].IPAddress, InternalPort: 80, ExternalPort: 8080,
	}).Extract)
	if pf.ExternalPortRange != "8080:8080" {
		t.Errorf("port forwarding %+v", pf)
	}
	if err := routers.Delete(ctx, c, r.ID).ExtractErr(); !gophercloud.ResponseCodeIs(err, 409) {
		t.Errorf("a router in use goes: %v", err)
	}
	done(t, portforwarding.Delete(ctx, c, f.ID, pf.ID).ExtractErr())
	done(t, floatingips.Delete(ctx, c, f.ID).ExtractErr())
	must(t, routers.RemoveInterface(ctx, c, r.ID, routers.RemoveInterfaceOpts{SubnetID: sub.ID}).Extract)
	done(t, routers.Delete(ctx, c, r.ID).ExtractErr())
	if why := s.broken(); why != "" {
		t.Error(why)
	}
}

func TestGophercloudOpensAGroup(t *testing.T) {
	s := newSite(t, nil)
	c, ctx := s.client("member"), t.Context()
	g := must(t, groups.Create(ctx, c, groups.CreateOpts{Name: "web"}).Extract)
	if len(g.Rules) != 2 {
		t.Errorf("a new group has rules %+v", g.Rules)
	}
	a := must(t, addressgroups.Create(ctx, c, addressgroups.CreateOpts{Name: "us", Addresses: []string{"10.0.0.0/8"}}).Extract)
	a = must(t, addressgroups.AddAddresses(ctx, c, a.ID, addressgroups.UpdateAddressesOpts{Addresses: []string{"fd00::/8"}}).Extract)
	if len(a.Addresses) != 2 {
		t.Errorf("addresses %v", a.Addresses)
	}
	made := must(t, grouprules.CreateBulk(ctx, c, []grouprules.CreateOpts{
		{SecGroupID: g.ID, Direction: "ingress", EtherType: "IPv4", Protocol: "tcp", PortRangeMin: 80, PortRangeMax: 80, RemoteAddressGroupID: a.ID},
		{SecGroupID: g.ID, Direction: "ingress", EtherType: "IPv4", Protocol: "tcp", PortRangeMin: 81, PortRangeMax: 81, RemoteGroupID: g.ID},
	}).Extract)
	if g = must(t, groups.Get(ctx, c, g.ID).Extract); len(made) != 2 || len(g.Rules) != 4 {
		t.Errorf("made %+v, and the group has %+v", made, g.Rules)
	}
	if err := addressgroups.Delete(ctx, c, a.ID).ExtractErr(); !gophercloud.ResponseCodeIs(err, 409) {
		t.Errorf("an address group in use goes: %v", err)
	}
	done(t, groups.Delete(ctx, c, g.ID).ExtractErr())
	done(t, addressgroups.Delete(ctx, c, a.ID).ExtractErr())
}

func TestGophercloudMakesATrunk(t *testing.T) {
	s := newSite(t, nil)
	c, ctx := s.client("member"), t.Context()
	_, parent := plugged(t, c, "10.0.0.0/24")
	_, first := plugged(t, c, "10.0.1.0/24")
	_, second := plugged(t, c, "10.0.2.0/24")
	tr := must(t, trunks.Create(ctx, c, trunks.CreateOpts{PortID: parent.ID, Subports: []trunks.Subport{{PortID: first.ID, SegmentationType: "vlan", SegmentationID: 101}}}).Extract)
	must(t, trunks.AddSubports(ctx, c, tr.ID, trunks.AddSubportsOpts{Subports: []trunks.Subport{{PortID: second.ID, SegmentationType: "vlan", SegmentationID: 102}}}).Extract)
	if subs := must(t, trunks.GetSubports(ctx, c, tr.ID).Extract); len(subs) != 2 {
		t.Errorf("subports %+v", subs)
	}
	must(t, trunks.RemoveSubports(ctx, c, tr.ID, trunks.RemoveSubportsOpts{Subports: []trunks.RemoveSubport{{PortID: first.ID}}}).Extract)
	done(t, trunks.Delete(ctx, c, tr.ID).ExtractErr())
	for _, p := range []*ports.Port{parent, first, second} {
		done(t, ports.Delete(ctx, c, p.ID).ExtractErr())
	}
}

func TestGophercloudLimitsAPort(t *testing.T) {
	s := newSite(t, nil)
	admin, c, ctx := s.client("admin"), s.client("member"), t.Context()
	q := must(t, policies.Create(ctx, admin, policies.CreateOpts{Name: "slow", Shared: true}).Extract)
	must(t, rules.CreateBandwidthLimitRule(ctx, admin, q.ID, rules.CreateBandwidthLimitRuleOpts{MaxKBps: 1000}).ExtractBandwidthLimitRule)
	must(t, rules.CreateDSCPMarkingRule(ctx, admin, q.ID, rules.CreateDSCPMarkingRuleOpts{DSCPMark: 26}).ExtractDSCPMarkingRule)
	if q = must(t, policies.Get(ctx, c, q.ID).Extract); len(q.Rules) != 2 || !q.Shared {
		t.Errorf("policy %+v", q)
	}
	_, p := plugged(t, c, "10.0.0.0/24")
	must(t, ports.Update(ctx, c, p.ID, policies.PortUpdateOptsExt{UpdateOptsBuilder: ports.UpdateOpts{}, QoSPolicyID: &q.ID}).Extract)
	if err := policies.Delete(ctx, admin, q.ID).ExtractErr(); !gophercloud.ResponseCodeIs(err, 409) {
		t.Errorf("a policy in use goes: %v", err)
	}
	must(t, ports.Update(ctx, c, p.ID, policies.PortUpdateOptsExt{UpdateOptsBuilder: ports.UpdateOpts{}, QoSPolicyID: new(string)}).Extract)
	done(t, policies.Delete(ctx, admin, q.ID).ExtractErr())
}
