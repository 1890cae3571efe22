// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/neutron"
)

// chooseSubnets finds the subnets asked for, by name or id, among those of the
// network.
func chooseSubnets(words []string, network neutron.Network, all []neutron.Subnet) ([]neutron.Subnet, error) {
	var chosen []neutron.Subnet
	for i, word := range words {
		field := element("subnets", i)
		found := matching(all, func(s neutron.Subnet) bool { return s.ID == word })
		if len(found) == 0 {
			found = matching(all, func(s neutron.Subnet) bool { return s.Name == word })
		}
		switch len(found) {
		case 1:
			chosen = append(chosen, found[0])
		case 0:
			e := fault.New(fault.NotFound, "network %s has no subnet %q; it has %s", called(network.Name, network.ID), word, listSubnets(all))
			e.Field = field
			return nil, e
		default:
			e := fault.InvalidField(field, "%d subnets of network %s are called %q: %s", len(found), called(network.Name, network.ID), word, listSubnets(found))
			e.Hint = "use the id"
			return nil, e
		}
	}
	return chosen, nil
}

// chooseAddresses turns the subnets chosen and the addresses asked for into
// the port's fixed IPs: one for each chosen subnet, in their order, with the
// first address asked for that lies in it; then the other addresses. With no
// subnets chosen, the addresses asked for are all there are. With neither,
// the answer is nil, and Neutron chooses.
func chooseAddresses(asked []netip.Addr, chosen, all []neutron.Subnet) ([]neutron.FixedIP, error) {
	var fixed []neutron.FixedIP
	for _, s := range chosen {
		fixed = append(fixed, neutron.FixedIP{SubnetID: s.ID})
	}
	allowed := chosen
	if len(chosen) == 0 {
		allowed = all
	}
	for i, a := range asked {
		at := slices.IndexFunc(allowed, func(s neutron.Subnet) bool { return s.CIDR.Contains(a) })
		if at < 0 {
			return nil, fault.InvalidField(element("fixedIPs", i), "%s is in none of the subnets allowed: %s", a, listSubnets(allowed))
		}
		if err := checkAddressIn(allowed[at], a, element("fixedIPs", i)); err != nil {
			return nil, err
		}
		id := allowed[at].ID
		free := slices.IndexFunc(fixed, func(f neutron.FixedIP) bool { return f.SubnetID == id && !f.IPAddress.IsValid() })
		if free >= 0 {
			fixed[free].IPAddress = a
		} else {
			fixed = append(fixed, neutron.FixedIP{SubnetID: id, IPAddress: a})
		}
	}
	return fixed, nil
}

// checkAddressIn refuses the addresses of a subnet that no port can have.
func checkAddressIn(s neutron.Subnet, a netip.Addr, field string) error {
	if s.IPv6AddressMode == "slaac" || s.IPv6AddressMode == "dhcpv6-stateless" {
		return fault.InvalidField(field, "%s cannot be asked for: in subnet %s addresses follow from the MAC (%s)", a, called(s.Name, s.ID), s.IPv6AddressMode)
	}
	if !a.Is4() || s.CIDR.Bits() > 30 {
		return nil
	}
	switch a {
	case s.CIDR.Masked().Addr():
		return fault.InvalidField(field, "%s is the network address of subnet %s", a, called(s.Name, s.ID))
	case broadcast(s.CIDR):
		return fault.InvalidField(field, "%s is the broadcast address of subnet %s", a, called(s.Name, s.ID))
	}
	return nil
}

// broadcast is the last address of an IPv4 prefix.
func broadcast(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		b[bit/8] |= 1 << (7 - bit%8)
	}
	return netip.AddrFrom4(b)
}

// listSubnets names subnets with their prefixes.
func listSubnets(subnets []neutron.Subnet) string {
	if len(subnets) == 0 {
		return "none"
	}
	var parts []string
	for _, s := range subnets {
		parts = append(parts, fmt.Sprintf("%s %s", called(s.Name, s.ID), s.CIDR))
	}
	return strings.Join(parts, ", ")
}

// called is how an object is named in messages: its name with its id, or the
// id alone.
func called(name, id string) string {
	if name == "" {
		return id
	}
	return fmt.Sprintf("%q (%s)", name, id)
}

func matching[T any](all []T, keep func(T) bool) []T {
	var kept []T
	for _, x := range all {
		if keep(x) {
			kept = append(kept, x)
		}
	}
	return kept
}
