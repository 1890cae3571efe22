// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/kuryr-go/kuryr/internal/agent"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
	"github.com/kuryr-go/kuryr/internal/neutron"
)

// maxDescription is the length of a port's description in Neutron's database.
const maxDescription = 255

// description is the description of a port that is made: who it is for.
func description(cluster, node string, k agent.Key) string {
	s := fmt.Sprintf("%snode=%s sandbox=%s interface=%s", mark(cluster), node, k.Sandbox, k.Interface)
	for len(s) > maxDescription || !utf8.ValidString(s) {
		s = s[:min(len(s)-1, maxDescription)]
	}
	return s
}

// poolDescription is the description of a port that is made for a pool.
func poolDescription(cluster, node, key string) string {
	return fmt.Sprintf("%snode=%s pool=%s", mark(cluster), node, key)
}

// poolPortName is the name of such a port. Who has it now only the node knows.
func poolPortName(node string) string { return "kuryr-" + node }

func sameMAC(a, b string) bool { return strings.EqualFold(a, b) }

// mark begins the description of every port that a cluster made.
func mark(cluster string) string { return fmt.Sprintf("kuryr cluster=%s ", cluster) }

// defaultName is the name of a port that the demand does not name.
func defaultName(k agent.Key) string {
	return fmt.Sprintf("kuryr-%.12s-%s", k.Sandbox, k.Interface)
}

// portSpec is the port to be made: everything in one call.
func portSpec(node, cluster string, o agent.Order, d order, r resolved) neutron.PortCreate {
	up := true
	spec := neutron.PortCreate{
		NetworkID:           r.network.ID,
		Name:                d.Name,
		Description:         description(cluster, node, o.Key),
		AdminStateUp:        &up,
		DeviceID:            o.Attachment,
		DeviceOwner:         OwnerMade,
		MACAddress:          d.MAC,
		FixedIPs:            r.fixed,
		PortSecurityEnabled: d.PortSecurity,
		QoSPolicyID:         r.policy,
		DNSName:             d.DNSName,
		HostID:              node,
	}
	if spec.Name == "" {
		spec.Name = defaultName(o.Key)
	}
	// Naming one's own project would ask for a right that is not needed.
	if r.foreign {
		spec.ProjectID = r.project
	}
	if r.groups != nil {
		spec.SecurityGroups = []string{}
		for _, g := range r.groups {
			spec.SecurityGroups = append(spec.SecurityGroups, g.ID)
		}
	}
	for _, p := range d.AllowedAddressPairs {
		spec.AllowedAddressPairs = append(spec.AllowedAddressPairs, neutron.AddressPair{IPAddress: p.IPAddress, MACAddress: p.MACAddress})
	}
	return spec
}

// defaultVIFType is taken for granted where the policy hides how a port is
// bound: it is what every node with Open vSwitch gets.
const defaultVIFType = "ovs"

// leaseOf describes a port to those who wire it, except for the host that it
// is bound to, which the caller has chosen. subnets must hold every subnet
// that the port has an address of.
func leaseOf(p neutron.Port, n neutron.Network, subnets []neutron.Subnet, groups []lease.Ref) (lease.Lease, error) {
	l := lease.Lease{
		PortID:         p.ID,
		PortName:       p.Name,
		Network:        lease.Ref{ID: n.ID, Name: n.Name},
		NetworkType:    n.NetworkType,
		ProjectID:      p.ProjectID,
		DeviceID:       p.DeviceID,
		MAC:            strings.ToLower(p.MACAddress),
		MTU:            n.MTU,
		SecurityGroups: groups,
		VIFType:        defaultVIFType,
	}
	if p.VIFType != nil {
		l.VIFType = *p.VIFType
	}
	l.Bridge, _ = p.VIFDetails["bridge_name"].(string)
	l.DNS.Domain = strings.TrimSuffix(n.DNSDomain, ".")
	for _, f := range p.FixedIPs {
		s, ok := subnetOf(f, subnets)
		if !ok {
			return lease.Lease{}, fault.New(fault.Unavailable, "supply: describe port %s: its subnet %s is not to be seen", p.ID, f.SubnetID)
		}
		addAddress(&l, f.IPAddress, s)
	}
	return l, nil
}

func subnetOf(f neutron.FixedIP, subnets []neutron.Subnet) (neutron.Subnet, bool) {
	i := slices.IndexFunc(subnets, func(s neutron.Subnet) bool { return s.ID == f.SubnetID })
	if i < 0 {
		return neutron.Subnet{}, false
	}
	return subnets[i], true
}

// addAddress adds a fixed IP and what its subnet says. A host route to
// everywhere is a gateway, for a subnet without one of its own, as it is for
// Neutron's DHCP agent; it never is a route.
func addAddress(l *lease.Lease, a netip.Addr, s neutron.Subnet) {
	address := lease.Address{
		Prefix:  netip.PrefixFrom(a, s.CIDR.Bits()),
		Gateway: s.GatewayIP,
		Subnet:  lease.Ref{ID: s.ID, Name: s.Name},
	}
	for _, h := range s.HostRoutes {
		route := lease.Route{Dst: h.Destination.Masked(), Via: h.NextHop}
		if route.Dst.Bits() == 0 {
			if !address.Gateway.IsValid() {
				address.Gateway = route.Via
			}
			continue
		}
		if !slices.Contains(l.Routes, route) {
			l.Routes = append(l.Routes, route)
		}
	}
	l.Addresses = append(l.Addresses, address)
	for _, ns := range s.DNSNameservers {
		if !slices.Contains(l.DNS.Nameservers, ns) {
			l.DNS.Nameservers = append(l.DNS.Nameservers, ns)
		}
	}
}
