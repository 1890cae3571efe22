// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/attributestags"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/dns"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/external"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/addressscopes"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/networkipavailabilities"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/portsbinding"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/provider"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/quotas"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/rbacpolicies"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/subnetpools"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

func TestGophercloudPlugsAContainer(t *testing.T) {
	s := newSite(t, nil)
	c, ctx := s.client("admin"), t.Context()
	sub, _ := plugged(t, c, "10.0.0.0/24")
	type bound struct {
		ports.Port
		portsbinding.PortsBindingExt
		dns.PortDNSExt
	}
	var p bound
	done(t, ports.Create(ctx, c, portsbinding.CreateOptsExt{
		CreateOptsBuilder: ports.CreateOpts{
			NetworkID: sub.NetworkID, Name: "pod", DeviceOwner: "kuryr:container", FixedIPs: []ports.IP{{SubnetID: sub.ID, IPAddress: "10.0.0.9"}},
			AllowedAddressPairs: []ports.AddressPair{{IPAddress: "10.9.0.0/24"}},
		},
		HostID: "node1",
	}).ExtractInto(&p))
	if p.VIFType != "ovs" || p.FixedIPs[0].IPAddress != "10.0.0.9" || p.AllowedAddressPairs[0].MACAddress != p.MACAddress || p.DNSAssignment[0]["hostname"] != "host-10-0-0-9" {
		t.Errorf("%+v", p)
	}
	must(t, attributestags.ReplaceAll(ctx, c, "ports", p.ID, attributestags.ReplaceAllOpts{Tags: []string{"z", "y"}}).Extract)
	done(t, attributestags.Add(ctx, c, "ports", p.ID, "x").ExtractErr())
	done(t, attributestags.Delete(ctx, c, "ports", p.ID, "z").ExtractErr())
	if there := must(t, attributestags.Confirm(ctx, c, "ports", p.ID, "y").Extract); !there {
		t.Error("the tag is not there")
	}
	if tags := must(t, attributestags.List(ctx, c, "ports", p.ID).Extract); fmt.Sprint(tags) != "[x y]" {
		t.Errorf("tags %v", tags)
	}
	count := 0
	done(t, ports.List(c, ports.ListOpts{NetworkID: sub.NetworkID, Limit: 1}).EachPage(ctx, func(_ context.Context, page pagination.Page) (bool, error) {
		list, err := ports.ExtractPorts(page)
		count += len(list)
		return true, err
	}))
	if count != 2 {
		t.Errorf("%d ports by pages", count)
	}
	rev := must(t, ports.Get(ctx, c, p.ID).Extract).RevisionNumber
	name := "again"
	must(t, ports.Update(ctx, c, p.ID, ports.UpdateOpts{Name: &name, RevisionNumber: &rev}).Extract)
	if err := ports.Update(ctx, c, p.ID, ports.UpdateOpts{Name: &name, RevisionNumber: &rev}).Err; !gophercloud.ResponseCodeIs(err, http.StatusPreconditionFailed) {
		t.Errorf("a change of an old revision: %v", err)
	}
	if err := networks.Delete(ctx, c, sub.NetworkID).ExtractErr(); !gophercloud.ResponseCodeIs(err, http.StatusConflict) {
		t.Errorf("a network in use goes: %v", err)
	}
	done(t, ports.Delete(ctx, c, p.ID).ExtractErr())
	if err := ports.Get(ctx, c, p.ID).Err; !gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
		t.Errorf("a port that is gone: %v", err)
	}
}

func TestGophercloudMakesSubnetsOfAPool(t *testing.T) {
	s := newSite(t, nil)
	c, ctx := s.client("member"), t.Context()
	scope := must(t, addressscopes.Create(ctx, c, addressscopes.CreateOpts{Name: "scope", IPVersion: 4}).Extract)
	pool := must(t, subnetpools.Create(ctx, c, subnetpools.CreateOpts{Name: "pool", Prefixes: []string{"10.4.0.0/16"}, DefaultPrefixLen: 24, AddressScopeID: scope.ID}).Extract)
	n := must(t, networks.Create(ctx, c, networks.CreateOpts{Name: "n"}).Extract)
	seen := map[string]bool{}
	for range 4 {
		sub := must(t, subnets.Create(ctx, c, subnets.CreateOpts{NetworkID: n.ID, IPVersion: gophercloud.IPv4, SubnetPoolID: pool.ID}).Extract)
		if seen[sub.CIDR] || !strings.HasPrefix(sub.CIDR, "10.4.") || sub.GatewayIP == "" {
			t.Errorf("%+v", sub)
		}
		seen[sub.CIDR] = true
	}
	if n = must(t, networks.Get(ctx, c, n.ID).Extract); len(n.Subnets) != 4 {
		t.Errorf("%+v", n)
	}
	if err := subnetpools.Delete(ctx, c, pool.ID).ExtractErr(); !gophercloud.ResponseCodeIs(err, http.StatusConflict) && !gophercloud.ResponseCodeIs(err, http.StatusBadRequest) {
		t.Errorf("a pool in use goes: %v", err)
	}
	for _, id := range n.Subnets {
		done(t, subnets.Delete(ctx, c, id).ExtractErr())
	}
	done(t, subnetpools.Delete(ctx, c, pool.ID).ExtractErr())
	done(t, addressscopes.Delete(ctx, c, scope.ID).ExtractErr())
}

func TestGophercloudRunsACloud(t *testing.T) {
	h := &hosts{}
	h.set(host("node1"))
	s := newSite(t, withHosts(h))
	c, ctx := s.client("admin"), t.Context()
	type network struct {
		networks.Network
		provider.NetworkProviderExt
		external.NetworkExternalExt
	}
	var n network
	done(t, networks.Create(ctx, c, provider.CreateOptsExt{
		CreateOptsBuilder: networks.CreateOpts{Name: "vlan"},
		Segments:          []provider.Segment{{NetworkType: "vlan", PhysicalNetwork: "physnet1", SegmentationID: 142}},
	}).ExtractInto(&n))
	if n.NetworkType != "vlan" || n.SegmentationID != "142" || n.External {
		t.Errorf("%+v", n)
	}
	done(t, networks.Get(ctx, c, s.external).ExtractInto(&n))
	if !n.External {
		t.Errorf("%+v", n)
	}
	shared := must(t, rbacpolicies.Create(ctx, c, rbacpolicies.CreateOpts{
		Action: rbacpolicies.ActionAccessShared, ObjectType: "network", ObjectID: s.external, TargetTenant: memberProject,
	}).Extract)
	done(t, rbacpolicies.Delete(ctx, c, shared.ID).ExtractErr())
	limit := 7
	q := must(t, quotas.Update(ctx, c, memberProject, quotas.UpdateOpts{Port: &limit}).Extract)
	if q.Port != limit || must(t, quotas.Get(ctx, c, memberProject).Extract).Port != limit || must(t, quotas.GetDetail(ctx, c, memberProject).Extract).Port.Limit != limit {
		t.Errorf("%+v", q)
	}
	a := must(t, networkipavailabilities.Get(ctx, c, s.external).Extract)
	if a.TotalIPs != "253" || a.UsedIPs != "0" {
		t.Errorf("%+v", a)
	}
}
