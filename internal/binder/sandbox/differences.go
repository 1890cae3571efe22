// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package sandbox

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Differences compares the interface c.Name with c and says, a phrase each,
// what is missing or not as it should be; nothing when all is well. What
// others added beside it (more addresses, more routes) is no difference.
func (s *Sandbox) Differences(c Config) ([]string, error) {
	var out []string
	err := s.Do(func(h *netlink.Handle) error {
		var err error
		out, err = differences(h, &c)
		return err
	})
	return out, err
}

func differences(h *netlink.Handle, c *Config) ([]string, error) {
	link, err := h.LinkByName(c.Name)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return []string{"interface " + c.Name + " is missing"}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("sandbox: find %s: %w", c.Name, err)
	}
	out := linkDifferences(link.Attrs(), c)
	if c.NoTxChecksum {
		if on, err := txChecksum(c.Name); err == nil && on {
			out = append(out, "tx checksum offload of "+c.Name+" is on, the switch needs it off")
		}
	}
	addrs, err := addressDifferences(h, link, c)
	if err != nil {
		return nil, err
	}
	routes, err := routeDifferences(h, link, c)
	return append(append(out, addrs...), routes...), err
}

func linkDifferences(a *netlink.LinkAttrs, c *Config) []string {
	var out []string
	if a.HardwareAddr.String() != c.MAC.String() {
		out = append(out, fmt.Sprintf("MAC of %s is %s, not %s", c.Name, a.HardwareAddr, c.MAC))
	}
	if c.MTU != 0 && a.MTU != c.MTU {
		out = append(out, fmt.Sprintf("MTU of %s is %d, not %d", c.Name, a.MTU, c.MTU))
	}
	if a.Flags&net.FlagUp == 0 {
		out = append(out, c.Name+" is down")
	}
	return out
}

func addressDifferences(h *netlink.Handle, link netlink.Link, c *Config) ([]string, error) {
	list, err := Dump(func() ([]netlink.Addr, error) { return h.AddrList(link, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("sandbox: list addresses of %s: %w", c.Name, err)
	}
	have := make(map[netip.Prefix]bool, len(list))
	for _, a := range list {
		have[prefix(a.IPNet)] = true
	}
	var out []string
	for _, p := range c.Addresses {
		if !have[p] {
			out = append(out, fmt.Sprintf("address %s of %s is missing", p, c.Name))
		}
	}
	return out, nil
}

func routeDifferences(h *netlink.Handle, link netlink.Link, c *Config) ([]string, error) {
	filter := &netlink.Route{LinkIndex: link.Attrs().Index, Table: unix.RT_TABLE_MAIN}
	list, err := Dump(func() ([]netlink.Route, error) {
		return h.RouteListFiltered(netlink.FAMILY_ALL, filter, netlink.RT_FILTER_OIF|netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return nil, fmt.Errorf("sandbox: list routes of %s: %w", c.Name, err)
	}
	have := make(map[string]bool, len(list))
	for _, r := range list {
		via, _ := netip.AddrFromSlice(r.Gw)
		have[Route{Dst: prefix(r.Dst), Via: via.Unmap(), Metric: r.Priority}.String()] = true
	}
	var out []string
	for _, r := range c.Routes {
		if !have[r.String()] {
			out = append(out, fmt.Sprintf("route %s of %s is missing", r, c.Name))
		}
	}
	return out, nil
}

func prefix(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	a, _ := netip.AddrFromSlice(n.IP)
	if n.IP.To4() != nil && len(n.Mask) == net.IPv4len {
		a = a.Unmap()
	}
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(a, bits)
}
