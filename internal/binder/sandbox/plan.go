// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package sandbox

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
)

// metricV6 is the metric the kernel gives an IPv6 route that names none.
const metricV6 = 1024

// maxMetric bounds what a long number at the end of an interface's name adds.
const maxMetric = 1_000_000

// Config is what an interface inside a sandbox shall be.
type Config struct {
	// Name is the interface's name in the sandbox.
	Name string
	// MAC is its hardware address.
	MAC net.HardwareAddr
	// MTU in bytes; zero: as the device was made.
	MTU int
	// Addresses with the prefix length of their subnet.
	Addresses []netip.Prefix
	// Routes in the order they are added: host routes, then default routes.
	Routes []Route
	// NoTxChecksum switches transmit checksum offload off, for a switch that
	// takes packets as they are (OVS's userspace datapath).
	NoTxChecksum bool
}

// Route is a route through the interface.
type Route struct {
	Dst netip.Prefix
	// Via is the next hop; the zero Addr when Dst is on the link.
	Via netip.Addr
	// Onlink says that Via is on the link although no address of the
	// interface says so.
	Onlink bool
	// Metric is the route's priority, the smaller the better.
	Metric int
}

// Plan derives the interface's configuration from a request: all addresses,
// the subnets' host routes, and one default route per family, over the first
// gateway in the port's order (a host route to 0.0.0.0/0 or ::/0 takes its
// place, as Neutron's DHCP does it).
//
// Metrics: IPv4 counts from 0, IPv6 from 1024, plus the number at the end of
// the interface's name, so that eth0 wins over eth1 whatever their order and
// two interfaces never claim the same route. With DefaultRoute set to true
// the default routes get the best metric whatever the name.
//
// Errors are Invalid, naming "interface" or "mac".
func Plan(r binder.Request, mtu int) (Config, error) {
	if err := validateName(r.Interface); err != nil {
		return Config{}, err
	}
	mac, err := net.ParseMAC(r.Lease.MAC)
	if err != nil || len(mac) != 6 {
		return Config{}, fault.InvalidField("mac", "port %s has no usable MAC address: %q", r.Lease.PortID, r.Lease.MAC)
	}
	c := Config{Name: r.Interface, MAC: mac, MTU: mtu}
	for _, a := range r.Lease.Addresses {
		c.Addresses = append(c.Addresses, a.Prefix)
	}
	c.Routes = routes(r)
	return c, nil
}

// DefaultRoutes are the plan's default routes as a Result tells them.
func (c *Config) DefaultRoutes() []binder.DefaultRoute {
	var out []binder.DefaultRoute
	for _, r := range c.Routes {
		if r.Dst.Bits() == 0 {
			out = append(out, binder.DefaultRoute{Via: r.Via.String(), Metric: r.Metric})
		}
	}
	return out
}

// HasV6 reports whether the interface gets an IPv6 address.
func (c *Config) HasV6() bool {
	for _, p := range c.Addresses {
		if p.Addr().Is6() {
			return true
		}
	}
	return false
}

// routes lists the host routes, each destination once, then the default routes.
func routes(r binder.Request) []Route {
	number := interfaceNumber(r.Interface)
	var out []Route
	var gateways []netip.Addr
	seen := make(map[netip.Prefix]bool)
	for _, hr := range r.Lease.Routes {
		dst := hr.Dst.Masked()
		if dst.Bits() == 0 {
			gateways = append(gateways, hr.Via)
			continue
		}
		if seen[dst] {
			continue
		}
		seen[dst] = true
		out = append(out, route(&r.Lease, dst, hr.Via, number))
	}
	if r.DefaultRoute != nil && !*r.DefaultRoute {
		return out
	}
	if r.DefaultRoute != nil {
		number = 0
	}
	for _, a := range r.Lease.Addresses {
		gateways = append(gateways, a.Gateway)
	}
	return append(out, defaultRoutes(&r.Lease, gateways, number)...)
}

// defaultRoutes makes one default route per family, over the first gateway of
// that family.
func defaultRoutes(l *lease.Lease, gateways []netip.Addr, number int) []Route {
	var out []Route
	var have4, have6 bool
	for _, gw := range gateways {
		switch {
		case !gw.IsValid() || gw.IsUnspecified():
		case gw.Is4() && !have4:
			have4 = true
			out = append(out, route(l, netip.PrefixFrom(netip.IPv4Unspecified(), 0), gw, number))
		case gw.Is6() && !have6:
			have6 = true
			out = append(out, route(l, netip.PrefixFrom(netip.IPv6Unspecified(), 0), gw, number))
		}
	}
	return out
}

func route(l *lease.Lease, dst netip.Prefix, via netip.Addr, number int) Route {
	r := Route{Dst: dst, Metric: number}
	if dst.Addr().Is6() {
		r.Metric += metricV6
	}
	if via.IsValid() && !via.IsUnspecified() {
		r.Via = via
		r.Onlink = !onLink(l, via)
	}
	return r
}

// onLink reports whether the kernel will find via on the interface by itself.
func onLink(l *lease.Lease, via netip.Addr) bool {
	if via.Is6() && via.IsLinkLocalUnicast() {
		return true
	}
	for _, a := range l.Addresses {
		if a.Prefix.Contains(via) {
			return true
		}
	}
	return false
}

// interfaceNumber is the number at the end of an interface's name; 0 without one.
func interfaceNumber(name string) int {
	digits := name[len(strings.TrimRight(name, "0123456789")):]
	if digits == "" {
		return 0
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n > maxMetric {
		return maxMetric
	}
	return n
}

// validateName applies the kernel's rules for a device name (dev_valid_name),
// so that a bad one is refused by name and before anything is made.
func validateName(name string) error {
	const maxLen = 15
	bad := strings.ContainsFunc(name, func(r rune) bool {
		return r == '/' || r == ':' || r <= ' ' || r == 0x7f || r == '%'
	})
	if name == "" || len(name) > maxLen || name == "." || name == ".." || bad {
		return fault.InvalidField("interface",
			"%q is no name for a network interface: 1 to %d characters, none of them a slash, colon, percent sign or space", name, maxLen)
	}
	return nil
}
