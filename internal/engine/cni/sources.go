// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cni

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// source is a place where an address or a MAC can be asked for, the strongest first.
type source int

const (
	fromRuntimeConfig source = iota // runtimeConfig, by the capabilities ips and mac
	fromArgs                        // args.cni, CNI's convention
	fromCNIArgs                     // the variable CNI_ARGS
	fromMesos                       // network_info.ip_addresses
	fromConfig                      // the keys fixedIPs and mac
)

// addressWish is what one source asks for; name is its spelling.
type addressWish struct {
	from source
	name string
	ips  []wishedIP
}

// wishedIP is one address; name is the spelling of its place.
type wishedIP struct {
	ip   netip.Addr
	name string
}

// macWish is what one source asks for; name is its spelling.
type macWish struct {
	from source
	name string
	mac  string
}

// settleAddresses takes, for each address family, the addresses of the
// strongest source that has any: nerdctl asks for IPv4 in CNI_ARGS and for IPv6 in
// runtimeConfig. Other sources must not ask for different ones: which was meant,
// nobody can tell.
func (c *config) settleAddresses() error {
	slices.SortStableFunc(c.addresses, func(a, b addressWish) int { return int(a.from - b.from) })
	decided := map[bool]addressWish{} // by Is4; ips are the family's
	var chosen []wishedIP
	for _, w := range c.addresses {
		taken := map[bool]bool{}
		for _, is4 := range []bool{true, false} {
			part := addressWish{w.from, w.name, slices.DeleteFunc(slices.Clone(w.ips), func(x wishedIP) bool { return x.ip.Is4() != is4 })}
			strong, found := decided[is4]
			switch {
			case len(part.ips) == 0:
			case !found:
				decided[is4], taken[is4] = part, true
			case w.from != fromCNIArgs && !sameSet(strong.bare(), part.bare()):
				return contradiction(strong.name, fmt.Sprint(strong.bare()), w.name, fmt.Sprint(part.bare()))
			}
		}
		for _, x := range w.ips {
			if taken[x.ip.Is4()] {
				chosen = append(chosen, x)
			}
		}
	}
	for i, x := range chosen {
		c.demand.FixedIPs = append(c.demand.FixedIPs, x.ip)
		c.spelling[fmt.Sprintf("fixedIPs[%d]", i)] = x.name
	}
	if len(chosen) > 0 {
		c.spelling["fixedIPs"] = chosen[0].name
	}
	return nil
}

// bare gives the addresses alone.
func (w addressWish) bare() []netip.Addr {
	list := make([]netip.Addr, 0, len(w.ips))
	for _, x := range w.ips {
		list = append(list, x.ip)
	}
	return list
}

// settleMAC is settleAddresses for the MAC.
func (c *config) settleMAC() error {
	wishes := slices.DeleteFunc(c.macs, func(w macWish) bool { return w.mac == "" })
	slices.SortStableFunc(wishes, func(a, b macWish) int { return int(a.from - b.from) })
	if len(wishes) == 0 {
		return nil
	}
	first := wishes[0]
	for _, w := range wishes[1:] {
		if w.from != fromCNIArgs && w.mac != first.mac {
			return contradiction(first.name, first.mac, w.name, w.mac)
		}
	}
	c.demand.MAC = first.mac
	c.spelling["mac"] = first.name
	return nil
}

// contradiction names both sources of two wishes that cannot both be met.
// CNI_ARGS never contradicts a stronger source: CNI's conventions have it
// ignored beside one.
func contradiction(strong, strongly, weak, weakly string) error {
	e := fault.InvalidField(weak, "asks for %s, but %s asks for %s", weakly, strong, strongly)
	e.Hint = "leave one of them out"
	return e
}

func sameSet[T comparable](a, b []T) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(x T) bool { return !slices.Contains(b, x) })
}

// readCapabilities refuses what the user expects of Kuryr and would not get.
func (c *config) readCapabilities(v value) error {
	if v.isNull() {
		return nil
	}
	members, err := v.object()
	if err != nil {
		return err
	}
	for _, m := range members {
		on, err := m.flag()
		if err != nil {
			return err
		}
		if on && m.key != "ips" && m.key != "mac" {
			e := fault.InvalidField(m.field, "not a capability of kuryr-cni; it has ips and mac")
			e.Hint = "give it to the plugin behind kuryr-cni that has it, such as portmap or bandwidth"
			return e
		}
	}
	return nil
}

// readRuntimeConfig reads what the runtime fills in by capability. Others than
// the two asked for are not Kuryr's.
func (c *config) readRuntimeConfig(v value) error { return c.readWishes(v, fromRuntimeConfig) }

// readConfigArgs reads args: CNI's own convention and Mesos's. Whatever else
// stands there is somebody else's.
func (c *config) readConfigArgs(v value) error {
	if v.isNull() {
		return nil
	}
	members, err := v.object()
	if err != nil {
		return err
	}
	for _, m := range members {
		switch m.key {
		case "cni":
			err = c.readWishes(m.value, fromArgs)
		case mesosArgs:
			err = c.readMesos(m.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readWishes reads the keys ips and mac of an object of the runtime's. A
// runtime may write them empty.
func (c *config) readWishes(v value, from source) error {
	if v.isNull() {
		return nil
	}
	members, err := v.object()
	if err != nil {
		return err
	}
	for _, m := range members {
		if m.isNull() || string(m.raw) == `""` {
			continue
		}
		switch m.key {
		case "ips":
			ips, err := m.addresses()
			if err != nil {
				return err
			}
			c.addresses = append(c.addresses, addressWish{from, m.field, ips})
		case "mac":
			mac, err := m.mac()
			if err != nil {
				return err
			}
			c.macs = append(c.macs, macWish{from, m.field, mac})
		}
	}
	return nil
}
