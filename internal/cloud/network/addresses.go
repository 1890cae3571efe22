// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"net/netip"
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/ipam"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// addresses knows the free addresses of the subnets that it was asked for. The
// store's lock guards it.
type addresses struct {
	of    map[string]*subnetAddresses
	fresh []*subnetAddresses // by an update that is not committed
}

type subnetAddresses struct {
	*ipam.Free
	// by is the update that looked first, until it is committed. What an update
	// saw that failed was not so.
	by *store.Tx
}

// follow sees what a commit did.
func (a *addresses) follow(c store.Change) {
	switch c.Table {
	case "ports":
		before, _ := c.Before.(*model.Port)
		after, _ := c.After.(*model.Port)
		if before != nil && after != nil && slices.Equal(before.FixedIPs, after.FixedIPs) {
			return
		}
		a.each(before, (*ipam.Free).Give)
		a.each(after, (*ipam.Free).Take)
	case "subnets":
		before, _ := c.Before.(*model.Subnet)
		after, _ := c.After.(*model.Subnet)
		if before != nil && (after == nil || !slices.Equal(before.AllocationPools, after.AllocationPools)) {
			delete(a.of, before.ID)
		}
	}
}

func (a *addresses) each(p *model.Port, do func(*ipam.Free, netip.Addr)) {
	if p == nil {
		return
	}
	for _, f := range p.FixedIPs {
		if known := a.of[f.SubnetID]; known != nil {
			if address, ok := parseIP(f.IPAddress); ok {
				do(known.Free, address)
			}
		}
	}
}

// committed says that what the last update saw is so.
func (a *addresses) committed() {
	for _, known := range a.fresh {
		known.by = nil
	}
	a.fresh = nil
}

// freeOf gives what is free of a subnet.
func (s *Service) freeOf(tx *store.Tx, sub *model.Subnet) *ipam.Free {
	if known := s.addresses.of[sub.ID]; known != nil && (known.by == nil || known.by == tx) {
		return known.Free
	}
	known := &subnetAddresses{Free: ipam.NewFree(poolsOf(sub)), by: tx}
	for p := range s.Ports.By(tx, s.Index.PortBySubnet, sub.ID) {
		for _, f := range p.FixedIPs {
			if address, ok := parseIP(f.IPAddress); ok && f.SubnetID == sub.ID {
				known.Take(address)
			}
		}
	}
	s.addresses.of[sub.ID] = known
	s.addresses.fresh = append(s.addresses.fresh, known)
	return known.Free
}

// poolsOf gives a subnet's allocation pools.
func poolsOf(sub *model.Subnet) ipam.Set {
	var ranges []ipam.Range
	for _, p := range sub.AllocationPools {
		from, ok := parseIP(p.Start)
		to, also := parseIP(p.End)
		if ok && also {
			ranges = append(ranges, ipam.Range{From: from, To: to})
		}
	}
	return ipam.SetOf(ranges...)
}

// cidrOf gives a subnet's prefix.
func cidrOf(sub *model.Subnet) netip.Prefix {
	p, _ := parseCIDR(sub.CIDR)
	return p
}

// holder gives the port that has an address of a subnet, or nil.
func (s *Service) holder(r store.Reader, subnet, address string) *model.Port {
	return s.Ports.First(r, s.Index.PortByAddress, subnet+" "+address)
}

// pick gives a free address of a subnet that is not in taken: the next one, or
// with lowest the least one. released are what the update has freed itself.
func (s *Service) pick(tx *store.Tx, sub *model.Subnet, lowest bool, taken map[netip.Addr]bool, released []model.FixedIP) (netip.Addr, bool) {
	usable := func(a netip.Addr) bool { return !taken[a] && s.holder(tx, sub.ID, a.String()) == nil }
	if a, ok := s.freeOf(tx, sub).Next(lowest, usable); ok {
		return a, true
	}
	pools := poolsOf(sub)
	for _, f := range released {
		if a, ok := parseIP(f.IPAddress); ok && f.SubnetID == sub.ID && !taken[a] && pools.Contains(ipam.Range{From: a, To: a}) {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// stateful is the IPv6 mode in which hosts do not make their addresses.
const stateful = "dhcpv6-stateful"

// isAuto tells whether the hosts of a subnet make their addresses of their MACs.
func isAuto(sub *model.Subnet) bool {
	return sub.IPv6AddressMode != nil && *sub.IPv6AddressMode != stateful || sub.IPv6RAMode != nil && *sub.IPv6RAMode != stateful
}

// eui64 is the address of a MAC in a prefix of 64 bits.
func eui64(prefix netip.Prefix, mac string) (netip.Addr, bool) {
	mac, ok := parseMAC(mac)
	if !ok || !prefix.Addr().Is6() {
		return netip.Addr{}, false
	}
	var m [6]byte
	for i := range m {
		m[i] = hex(mac[3*i])<<4 | hex(mac[3*i+1])
	}
	a := prefix.Masked().Addr().As16()
	copy(a[8:], []byte{m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
	return netip.AddrFrom16(a), true
}

func hex(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}

// isEUI64 tells whether an address looks as one that was made of a MAC.
func isEUI64(address string) bool {
	a, ok := parseIP(address)
	if !ok || !a.Is6() {
		return false
	}
	b := a.As16()
	return b[11] == 0xff && b[12] == 0xfe
}
