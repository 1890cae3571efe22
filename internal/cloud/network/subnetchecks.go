// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"cmp"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/ipam"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// The most that a subnet may tell its hosts.
const mostNameservers, mostHostRoutes = 5, 20

// checkVersion refuses an address or prefix of the other family.
func checkVersion(version int, text, name string) error {
	if p, ok := parseCIDR(text); !ok || p.Addr().Is4() != (version == 4) {
		return rest.InvalidInput("%s '%s' does not match the ip_version '%d'", name, text, version)
	}
	return nil
}

func (s *Service) checkNewSubnet(v rest.Values, sub *model.Subnet) error {
	if err := checkVersion(sub.IPVersion, sub.CIDR, "cidr"); err != nil {
		return err
	}
	if sub.EnableDHCP {
		if err := mayServeDHCP(sub); err != nil {
			return err
		}
	}
	if v["gateway_ip"] != nil {
		if err := checkGateway(sub); err != nil {
			return err
		}
	}
	if err := checkTold(sub, "new subnet"); err != nil {
		return err
	}
	return checkModes(sub)
}

// mayServeDHCP refuses DHCP for prefixes that have no ordinary hosts.
func mayServeDHCP(sub *model.Subnet) error {
	p := cidrOf(sub)
	switch {
	case p.Addr().Is4() && p.Bits() > 30 || p.Addr().Is6() && p.Bits() > 126:
		return rest.InvalidInput("Subnet has a prefix length that is incompatible with DHCP service enabled")
	case p.Addr().IsMulticast() && ipam.Last(p).IsMulticast():
		return rest.InvalidInput("Multicast IP subnet is not supported if enable_dhcp is True")
	case p.Addr().IsLoopback() && ipam.Last(p).IsLoopback():
		return rest.InvalidInput("Loopback IP subnet is not supported if enable_dhcp is True")
	case p.Addr().Is4() && p.Addr().IsUnspecified():
		return rest.InvalidInput("First IP '0.0.0.0' of network is not supported if enable_dhcp is True.")
	}
	return nil
}

func checkGateway(sub *model.Subnet) error {
	if err := checkVersion(sub.IPVersion, *sub.GatewayIP, "gateway_ip"); err != nil {
		return err
	}
	if gatewayIsWrong(sub) {
		return rest.InvalidInput("Gateway is not valid on subnet")
	}
	return nil
}

// checkTold checks what a subnet tells its hosts.
func checkTold(sub *model.Subnet, called string) error {
	if len(sub.DNSNameservers) > mostNameservers {
		return badRequest("DNSNameServersExhausted", "Unable to complete operation for %s. The number of DNS nameservers exceeds the limit %d.", called, mostNameservers)
	}
	for _, dns := range sub.DNSNameservers {
		if err := checkVersion(sub.IPVersion, dns, "dns_nameserver"); err != nil {
			return err
		}
	}
	if len(sub.HostRoutes) > mostHostRoutes {
		return badRequest("HostRoutesExhausted", "Unable to complete operation for %s. The number of host routes exceeds the limit %d.", called, mostHostRoutes)
	}
	for _, route := range sub.HostRoutes {
		if err := checkVersion(sub.IPVersion, route.NextHop, "nexthop"); err != nil {
			return err
		}
		if err := checkVersion(sub.IPVersion, route.Destination, "destination"); err != nil {
			return err
		}
	}
	sub.HostRoutes = slices.Clone(sub.HostRoutes)
	slices.SortFunc(sub.HostRoutes, func(a, b model.Route) int {
		return cmp.Or(strings.Compare(a.Destination, b.Destination), strings.Compare(a.NextHop, b.NextHop))
	})
	return nil
}

// checkModes checks the IPv6 modes of a new subnet.
func checkModes(sub *model.Subnet) error {
	ra, address := sub.IPv6RAMode, sub.IPv6AddressMode
	if sub.IPVersion == 4 {
		if ra != nil {
			return rest.InvalidInput("ipv6_ra_mode is not valid when ip_version is 4")
		}
		if address != nil {
			return rest.InvalidInput("ipv6_address_mode is not valid when ip_version is 4")
		}
		return nil
	}
	switch {
	case (ra != nil || address != nil) && !sub.EnableDHCP:
		return rest.InvalidInput("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False")
	case ra != nil && address != nil && *ra != *address:
		return rest.InvalidInput("ipv6_ra_mode set to '%s' with ipv6_address_mode set to '%s' is not valid. If both attributes are set, they must be the same value", *ra, *address)
	case isAuto(sub) && cidrOf(sub).Bits() != 64:
		return rest.InvalidInput("Invalid CIDR %s for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the prefix to be /64", sub.CIDR)
	}
	return nil
}

// checkPoolsOf checks the pools that a request gives a subnet, and that the gateway is in none.
func (s *Service) checkPoolsOf(sub *model.Subnet) error {
	hosts := ipam.RangeOf(cidrOf(sub))
	if hosts.From.Is6() {
		hosts.From = hosts.From.Next()
	} else if cidrOf(sub).Bits() <= 30 {
		hosts.From, hosts.To = hosts.From.Next(), hosts.To.Prev()
	}
	var ranges []ipam.Range
	for _, p := range sub.AllocationPools {
		from, _ := parseIP(p.Start)
		to, _ := parseIP(p.End)
		if from.BitLen() != to.BitLen() || to.Less(from) {
			return badRequest("InvalidAllocationPool", "The allocation pool {'start': '%s', 'end': '%s'} is not valid.", p.Start, p.End)
		}
		ranges = append(ranges, ipam.Range{From: from, To: to})
	}
	for _, r := range ranges {
		if r.From.BitLen() != cidrOf(sub).Addr().BitLen() {
			return badRequest("InvalidAllocationPool", "The allocation pool %s is not valid.", r)
		}
		if !hosts.Has(r.From) || !hosts.Has(r.To) {
			return badRequest("OutOfBoundsAllocationPool", "The allocation pool %s spans beyond the subnet cidr %s.", r, sub.CIDR)
		}
	}
	for i, r := range ranges {
		for _, o := range ranges[i+1:] {
			if r.Overlaps(o) {
				return rest.Conflict("OverlappingAllocationPools", "Found overlapping allocation pools: %s %s for subnet %s.", r, o, sub.CIDR)
			}
		}
	}
	slices.SortFunc(ranges, func(a, b ipam.Range) int { return a.From.Compare(b.From) })
	sub.AllocationPools = make([]model.Pool, len(ranges))
	for i, r := range ranges {
		sub.AllocationPools[i] = model.Pool{Start: r.From.String(), End: r.To.String()}
	}
	return gatewayOutOf(sub)
}

// gatewayOutOf refuses a gateway that is in a pool.
func gatewayOutOf(sub *model.Subnet) error {
	if sub.GatewayIP == nil {
		return nil
	}
	gateway, _ := parseIP(*sub.GatewayIP)
	for _, p := range sub.AllocationPools {
		from, _ := parseIP(p.Start)
		to, _ := parseIP(p.End)
		if r := (ipam.Range{From: from, To: to}); r.Has(gateway) {
			return rest.Conflict("GatewayConflictWithAllocationPools", "Gateway ip %s conflicts with allocation pool %s.", gateway, r)
		}
	}
	return nil
}

// checkSubnetChange checks what an update changes.
func (s *Service) checkSubnetChange(r store.Reader, v rest.Values, old, sub *model.Subnet) error {
	if v.Bool("enable_dhcp") && !old.EnableDHCP {
		if err := mayServeDHCP(sub); err != nil {
			return err
		}
	}
	if v["gateway_ip"] != nil {
		if err := checkGateway(sub); err != nil {
			return err
		}
		if old.GatewayIP != nil && *old.GatewayIP != *sub.GatewayIP {
			if p := s.holder(r, sub.ID, *old.GatewayIP); p != nil && slices.Contains(routerPorts, p.DeviceOwner) && s.Routers.Get(r, p.DeviceID) != nil {
				return rest.Conflict("GatewayIpInUse", "Current gateway ip %s already in use by port %s. Unable to update.", *old.GatewayIP, p.ID)
			}
		}
	}
	if err := checkTold(sub, sub.ID); err != nil {
		return err
	}
	if v.Has("enable_dhcp") && !sub.EnableDHCP && (old.IPv6RAMode != nil || old.IPv6AddressMode != nil) {
		return rest.InvalidInput("Cannot disable enable_dhcp with ipv6 attributes set")
	}
	return nil
}
