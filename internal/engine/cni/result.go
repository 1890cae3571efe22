// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cni

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/containernetworking/cni/pkg/types"
	types100 "github.com/containernetworking/cni/pkg/types/100"

	"github.com/kuryr-go/kuryr/internal/agent"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
)

// Result words an attachment as the success of an ADD in a version of the
// specification. dns goes before what Neutron says, field by field.
//
// Before 0.3.0 a result holds one IPv4 and one IPv6 address: the first of each
// in the port's order. A port without any cannot be told in that form.
func Result(at agent.Attachment, version string, dns types.DNS) (json.RawMessage, error) {
	converted, err := full(at, version, dns).GetAsVersion(version)
	if err != nil {
		e := fault.InvalidField("cniVersion", "a result of version %s cannot tell of port %s: %w", version, at.Lease.PortID, err)
		e.Hint = "version 0.3.0 and newer can"
		return nil, e
	}
	b, err := json.Marshal(converted)
	if err != nil {
		return nil, fmt.Errorf("cni: encode result: %w", err)
	}
	return b, nil
}

// full is the result in its newest form. Fields that came with 1.1.0 are left
// out for older versions, whose readers may be strict.
func full(at agent.Attachment, version string, dns types.DNS) *types100.Result {
	rich := version == newest
	r := &types100.Result{
		CNIVersion: newest,
		Interfaces: []*types100.Interface{
			{Name: at.Bound.Host.Name, Mac: at.Bound.Host.MAC},
			{Name: at.Bound.Container.Name, Mac: at.Bound.Container.MAC, Sandbox: at.Netns},
		},
		DNS: resolver(at.Lease.DNS, dns),
	}
	if rich {
		r.Interfaces[0].Mtu, r.Interfaces[1].Mtu = at.Bound.Host.MTU, at.Bound.Container.MTU
	}
	for _, a := range at.Lease.Addresses {
		r.IPs = append(r.IPs, &types100.IPConfig{Interface: types100.Int(1), Address: ipNet(a.Prefix), Gateway: ip(a.Gateway)})
	}
	r.Routes = routes(at, rich)
	return r
}

// routes are those that were set in the sandbox: the default routes, then the
// subnets' host routes.
func routes(at agent.Attachment, rich bool) []*types.Route {
	var list []*types.Route
	for _, d := range at.Bound.DefaultRoutes {
		via, err := netip.ParseAddr(d.Via)
		if err != nil {
			continue // a binder writes addresses; what is not one is no route
		}
		everywhere := netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		if via.Is4() {
			everywhere = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		}
		r := &types.Route{Dst: ipNet(everywhere), GW: ip(via)}
		if rich {
			r.Priority = d.Metric
		}
		list = append(list, r)
	}
	for _, h := range at.Lease.Routes {
		list = append(list, &types.Route{Dst: ipNet(h.Dst), GW: ip(h.Via)})
	}
	return list
}

// resolver is Neutron's configuration, but for what the user configured.
func resolver(cloud lease.DNS, configured types.DNS) types.DNS {
	var d types.DNS
	for _, ns := range cloud.Nameservers {
		d.Nameservers = append(d.Nameservers, ns.String())
	}
	if len(configured.Nameservers) > 0 {
		d.Nameservers = configured.Nameservers
	}
	d.Domain = cmp.Or(configured.Domain, cloud.Domain)
	d.Search = slices.Clone(cloud.Search)
	if len(configured.Search) > 0 {
		d.Search = configured.Search
	}
	d.Options = configured.Options
	return d
}

func ipNet(p netip.Prefix) net.IPNet {
	return net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// ip gives nil for the zero Addr.
func ip(a netip.Addr) net.IP { return a.AsSlice() }
