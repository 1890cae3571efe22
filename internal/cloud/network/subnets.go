// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"net/http"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/ipam"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func (s *Service) subnetResource() *rest.Resource[model.Subnet] {
	return &rest.Resource[model.Subnet]{
		Core: true, Name: "subnet", Plural: "subnets", Kind: "Subnet", Attributes: s.attributes["subnets"], Table: s.Subnets,
		Meta: (*model.Subnet).Of, Tagged: true, Quota: "subnet",
		Sees: func(c *rest.Call, r store.Reader, sub *model.Subnet) bool {
			return s.sharedWith(r, sub.NetworkID, accessAsShared, c.Caller.ProjectID)
		},
		Target: func(c *rest.Call, r store.Reader, sub *model.Subnet) rest.Target {
			t := rest.Target{ProjectID: sub.ProjectID, Shared: s.sharedWith(r, sub.NetworkID, accessAsShared, c.Caller.ProjectID)}
			if n := s.Networks.Get(r, sub.NetworkID); n != nil {
				t.NetworkProject = n.ProjectID
			}
			return t
		},
		View: func(_ *rest.Call, _ store.Reader, _ *model.Subnet, shown map[string]any) {
			shown["dns_publish_fixed_ip"] = rest.Absent
		},
		Filters: map[string]func(*rest.Call, store.Reader, *model.Subnet, []string) bool{
			"shared": sharedFilter(s, func(sub *model.Subnet) string { return sub.NetworkID }),
			"cidr": func(_ *rest.Call, _ store.Reader, sub *model.Subnet, values []string) bool {
				return slices.ContainsFunc(values, func(v string) bool {
					p, ok := parseCIDR(v)
					return ok && p.Masked() == cidrOf(sub)
				})
			},
		},
		Indexes: []rest.By[model.Subnet]{{Filter: "network_id", Index: s.Index.SubnetByNetwork}, {Filter: "subnetpool_id", Index: s.Index.SubnetByPool}},
		Before: func(c *rest.Call, r store.Reader, v rest.Values, project string) error {
			return s.mayUse(c, r, "subnet", v.String("network_id"), project)
		},
		Create: s.createSubnet, Update: s.updateSubnet, Delete: s.deleteSubnet,
	}
}

// mayUse refuses to put something on a network that another project has and does not share.
func (s *Service) mayUse(c *rest.Call, r store.Reader, what, network, project string) error {
	if c.Sees() {
		return nil
	}
	n, err := s.network(c, r, network)
	if err != nil {
		return err
	}
	if n.ProjectID != project && !s.sharedWith(r, n.ID, accessAsShared, c.Caller.ProjectID) {
		return api.Errorf(http.StatusForbidden, "HTTPForbidden", "Tenant %s not allowed to create %s on this network", project, what)
	}
	return nil
}

func (s *Service) createSubnet(c *rest.Call, tx *store.Tx, v rest.Values, sub *model.Subnet) error {
	if v.Has("cidr") && v.Has("prefixlen") {
		return badResource("subnets", "cidr and prefixlen must not be supplied together")
	}
	pool, err := s.poolFor(c, tx, v)
	if err != nil {
		return err
	}
	if pool == nil && !v.Has("cidr") {
		return badResource("subnets", "a subnetpool must be specified in the absence of a cidr")
	}
	if p, ok := parseCIDR(sub.CIDR); ok {
		sub.CIDR = p.Masked().String()
	}
	if pool == nil {
		if err := s.checkNewSubnet(v, sub); err != nil {
			return err
		}
	} else if !v.Has("cidr") && v.Has("allocation_pools") && v["allocation_pools"] != nil {
		return badResource("subnets", "allocation_pools allowed only for specific subnet requests.")
	}
	n, err := s.network(c, tx, sub.NetworkID)
	if err != nil {
		return err
	}
	if err := s.place(tx, v, sub, pool); err != nil {
		return err
	}
	if err := s.fitNetwork(tx, n, sub, pool); err != nil {
		return err
	}
	if !sub.EnableDHCP || sub.IPVersion != 6 {
		sub.IPv6AddressMode, sub.IPv6RAMode = nil, nil
	}
	if len(sub.ServiceTypes) > 0 {
		sub.RevisionNumber++
	}
	if sub.Tags == nil {
		sub.Tags = []string{}
	}
	bump(s, tx, s.Networks, n.ID, (*model.Network).Of)
	return s.joinPorts(tx, sub)
}

// place gives a new subnet its prefix, gateway and pools.
func (s *Service) place(tx *store.Tx, v rest.Values, sub *model.Subnet, pool *model.SubnetPool) error {
	if pool != nil {
		sub.SubnetPoolID = &pool.ID
		if err := s.carve(tx, v, sub, pool); err != nil {
			return err
		}
	}
	prefix := cidrOf(sub)
	if !v.Has("gateway_ip") && sub.GatewayIP == nil {
		gateway := prefix.Addr()
		if sub.IPVersion == 4 {
			gateway = gateway.Next()
		}
		text := gateway.String()
		sub.GatewayIP = &text
	}
	if len(sub.AllocationPools) == 0 {
		sub.AllocationPools = defaultPools(sub)
	} else if err := s.checkPoolsOf(sub); err != nil {
		return err
	}
	if sub.GatewayIP != nil && gatewayIsWrong(sub) {
		return rest.Conflict("IpamValueInvalid", "Gateway IP %s cannot be allocated in CIDR %s", *sub.GatewayIP, sub.CIDR)
	}
	return nil
}

// defaultPools is all of a subnet that hosts may have, but for the gateway.
func defaultPools(sub *model.Subnet) []model.Pool {
	prefix := cidrOf(sub)
	whole := ipam.RangeOf(prefix)
	switch {
	case whole.From == whole.To:
		return []model.Pool{{Start: whole.From.String(), End: whole.To.String()}}
	case prefix.Addr().Is6():
		whole.From = whole.From.Next()
	case prefix.Bits() <= 30:
		whole.From, whole.To = whole.From.Next(), whole.To.Prev()
	}
	set := ipam.SetOf(whole)
	if sub.GatewayIP != nil {
		if gateway, ok := parseIP(*sub.GatewayIP); ok {
			set = set.Without(ipam.Range{From: gateway, To: gateway})
		}
	}
	pools := make([]model.Pool, len(set))
	for i, r := range set {
		pools[i] = model.Pool{Start: r.From.String(), End: r.To.String()}
	}
	return pools
}

// gatewayIsWrong tells whether the gateway is an address of the prefix that no host may have.
func gatewayIsWrong(sub *model.Subnet) bool {
	gateway, ok := parseIP(*sub.GatewayIP)
	prefix := cidrOf(sub)
	return ok && gateway.Is4() && prefix.Contains(gateway) && (gateway == prefix.Addr() || gateway == ipam.Last(prefix))
}

// affinity is Neutron's word for subnets of one network in several address scopes.
const affinity = "Subnets of the same address family hosted on the same network must all participate in the same address scope."

// fitNetwork checks a new subnet against the others of its network.
func (s *Service) fitNetwork(r store.Reader, n *model.Network, sub *model.Subnet, pool *model.SubnetPool) error {
	prefix := cidrOf(sub)
	if prefix.Bits() == 0 {
		return rest.InvalidInput("0 is not allowed as CIDR prefix length")
	}
	var scope *string
	for other := range s.Subnets.By(r, s.Index.SubnetByNetwork, n.ID) {
		if cidrOf(other).Overlaps(prefix) {
			return rest.InvalidInput("Requested subnet with cidr: %s for network: %s overlaps with another subnet", sub.CIDR, n.ID)
		}
		if p := s.poolOf(r, other); p != nil && p.AddressScopeID != nil && p.IPVersion == sub.IPVersion {
			scope = p.AddressScopeID
		}
	}
	if scope != nil && pool != nil && !equal(pool.AddressScopeID, scope) {
		return badRequest("NetworkAddressScopeAffinityError", affinity)
	}
	for other := range s.Subnets.By(r, s.Index.SubnetByNetwork, n.ID) {
		if other.IPVersion != sub.IPVersion {
			continue
		}
		if pool == nil && other.SubnetPoolID != nil || pool != nil && scope == nil && (other.SubnetPoolID == nil || *other.SubnetPoolID != pool.ID) {
			return badRequest("NetworkSubnetPoolAffinityError", "Subnets hosted on the same network must be allocated from the same subnet pool.")
		}
	}
	return nil
}

// joinPorts gives the ports of the network addresses of a new subnet, where hosts make them.
func (s *Service) joinPorts(tx *store.Tx, sub *model.Subnet) error {
	if sub.IPVersion != 6 || !isAuto(sub) {
		return nil
	}
	for _, p := range slices.Collect(s.Ports.By(tx, s.Index.PortByNetwork, sub.NetworkID)) {
		serves := len(sub.ServiceTypes) == 0 || slices.Contains(sub.ServiceTypes, p.DeviceOwner)
		address, ok := eui64(cidrOf(sub), p.MACAddress)
		if !ok || !serves || slices.Contains(withSNAT, p.DeviceOwner) {
			continue
		}
		changed := *p
		changed.FixedIPs = append(slices.Clone(p.FixedIPs), model.FixedIP{SubnetID: sub.ID, IPAddress: address.String()})
		slices.SortFunc(changed.FixedIPs, func(a, b model.FixedIP) int { return strings.Compare(a.IPAddress, b.IPAddress) })
		s.engine.Touch(&changed.Meta)
		s.Ports.Put(tx, &changed)
	}
	return nil
}

func (s *Service) updateSubnet(_ *rest.Call, tx *store.Tx, v rest.Values, old, sub *model.Subnet) error {
	if err := s.checkSubnetChange(tx, v, old, sub); err != nil {
		return err
	}
	bump(s, tx, s.Networks, sub.NetworkID, (*model.Network).Of)
	if v["allocation_pools"] != nil {
		return s.checkPoolsOf(sub)
	}
	sub.AllocationPools = old.AllocationPools
	if !equal(old.GatewayIP, sub.GatewayIP) {
		return gatewayOutOf(sub)
	}
	return nil
}

func (s *Service) deleteSubnet(_ *rest.Call, tx *store.Tx, sub *model.Subnet) error {
	auto := sub.IPVersion == 6 && isAuto(sub)
	var holders []*model.Port
	for p := range s.Ports.By(tx, s.Index.PortBySubnet, sub.ID) {
		if slices.Contains(routerInterfaces, p.DeviceOwner) || !auto && !slices.Contains(autoDeleted, p.DeviceOwner) {
			return rest.Conflict("SubnetInUse", "Unable to complete operation on subnet %s: One or more ports have an IP allocation from this subnet.", sub.ID)
		}
		holders = append(holders, p)
	}
	for _, p := range holders {
		changed := *p
		changed.FixedIPs = slices.DeleteFunc(slices.Clone(p.FixedIPs), func(f model.FixedIP) bool { return f.SubnetID == sub.ID })
		s.engine.Touch(&changed.Meta)
		s.Ports.Put(tx, &changed)
	}
	bump(s, tx, s.Networks, sub.NetworkID, (*model.Network).Of)
	return nil
}
