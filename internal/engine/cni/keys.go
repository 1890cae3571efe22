// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cni

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
)

// The bounds of an MTU, in bytes: the least that IPv4 works with (RFC 791),
// the most a Linux interface takes. Neutron's network sets the real upper bound.
const (
	minMTU = 68
	maxMTU = 65535
)

func (c *config) readMTU(v value) (err error) {
	c.mtu, err = v.number(minMTU, maxMTU)
	return err
}

// readSocket checks what the plugin has used already.
func (c *config) readSocket(v value) error {
	path, err := v.text("the path of the agent's socket")
	if err == nil && !strings.HasPrefix(path, "/") {
		return fault.InvalidField(v.field, "%q is not an absolute path", path)
	}
	return err
}

func (c *config) readFixedIPs(v value) error {
	ips, err := v.addresses()
	c.addresses = append(c.addresses, addressWish{fromConfig, v.field, ips})
	return err
}

func (c *config) readMAC(v value) error {
	mac, err := v.mac()
	c.macs = append(c.macs, macWish{fromConfig, v.field, mac})
	return err
}

// addresses reads a list of IP addresses.
func (v value) addresses() ([]wishedIP, error) {
	items, err := v.list("IP addresses")
	if err != nil {
		return nil, err
	}
	list := make([]wishedIP, 0, min(len(items), maxItems))
	for _, item := range items {
		s, err := item.text("an IP address")
		if err != nil {
			return nil, err
		}
		if list, err = addAddress(list, item.field, s); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// addAddress appends an address that may carry a prefix length, as CNI's
// conventions allow. The length is not used: the subnet's own counts.
func addAddress(list []wishedIP, field, s string) ([]wishedIP, error) {
	bare, length, hasLength := strings.Cut(s, "/")
	ip, err := netip.ParseAddr(bare)
	if err == nil && hasLength {
		_, err = netip.ParsePrefix(bare + "/" + length)
	}
	switch {
	case err != nil:
		return nil, fault.InvalidField(field, "%.80q is not an IP address", s)
	case ip.Zone() != "" || ip.Is4In6() || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLoopback():
		return nil, fault.InvalidField(field, "%s is not an address that a port can have", ip)
	case slices.ContainsFunc(list, func(x wishedIP) bool { return x.ip == ip }):
		return nil, fault.InvalidField(field, "%s stands twice in the list", ip)
	case len(list) == maxItems:
		return nil, fault.InvalidField(field, "more than %d items in a list", maxItems)
	}
	return append(list, wishedIP{ip, field}), nil
}

func (v value) mac() (string, error) {
	s, err := v.text("a MAC address")
	if err != nil {
		return "", err
	}
	return parseMAC(v.field, s)
}

// parseMAC gives a MAC address in Neutron's spelling.
func parseMAC(field, s string) (string, error) {
	mac, err := net.ParseMAC(s)
	switch {
	case err != nil || len(mac) != 6:
		return "", fault.InvalidField(field, "%.80q is not a MAC address of six bytes (fa:16:3e:00:00:01)", s)
	case mac[0]&1 != 0:
		return "", fault.InvalidField(field, "%s is a group address; want a unicast MAC address", mac)
	case mac.String() == "00:00:00:00:00:00":
		return "", fault.InvalidField(field, "%s is no address", mac)
	}
	return mac.String(), nil
}

func (c *config) readPairs(v value) error {
	items, err := v.list("address pairs")
	if err != nil {
		return err
	}
	if len(items) > maxItems {
		return fault.InvalidField(v.field, "more than %d items in a list", maxItems)
	}
	c.demand.AllowedAddressPairs = make([]lease.AddressPair, 0, len(items))
	for _, item := range items {
		pair, err := readPair(item)
		if err != nil {
			return err
		}
		c.demand.AllowedAddressPairs = append(c.demand.AllowedAddressPairs, pair)
	}
	return nil
}

func readPair(v value) (lease.AddressPair, error) {
	members, err := v.object()
	if err != nil {
		return lease.AddressPair{}, err
	}
	var pair lease.AddressPair
	for _, m := range members {
		switch m.key {
		case "ipAddress":
			pair.IPAddress, err = m.addressOrPrefix()
		case "macAddress":
			pair.MACAddress, err = m.mac()
		default:
			e := fault.InvalidField(m.field, "unknown key in an address pair")
			e.Hint = suggest(m.key, []string{"ipAddress", "macAddress"})
			err = e
		}
		if err != nil {
			return lease.AddressPair{}, err
		}
	}
	if pair.IPAddress == "" {
		return lease.AddressPair{}, fault.InvalidField(join(v.field, "ipAddress"), "missing")
	}
	return pair, nil
}

// addressOrPrefix reads what Neutron takes as a pair's ip_address.
func (v value) addressOrPrefix() (string, error) {
	s, err := v.text("an IP address or a prefix")
	if err != nil {
		return "", err
	}
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		return s, nil
	}
	if _, err := netip.ParsePrefix(s); err == nil {
		return s, nil
	}
	return "", fault.InvalidField(v.field, "%q is neither an IP address nor a prefix (10.0.0.0/24)", s)
}
