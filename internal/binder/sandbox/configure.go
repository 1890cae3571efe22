// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package sandbox

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// Configure gives the interface c.Name, which must be in the sandbox with its
// MAC and MTU, what c says: sysctls, checksum offload, up, addresses, routes.
// A route that the sandbox has already is a Conflict.
func (s *Sandbox) Configure(c Config) error {
	return s.Do(func(h *netlink.Handle) error { return configure(h, &c) })
}

func configure(h *netlink.Handle, c *Config) error {
	link, err := h.LinkByName(c.Name)
	if err != nil {
		return fmt.Errorf("sandbox: find %s: %w", c.Name, err)
	}
	if c.HasV6() {
		if err := enableV6(c.Name); err != nil {
			return err
		}
	}
	if c.NoTxChecksum {
		if err := setTxChecksum(c.Name, false); err != nil {
			return fmt.Errorf("sandbox: switch tx checksum offload of %s off: %w", c.Name, err)
		}
	}
	if err := h.LinkSetUp(link); err != nil {
		return fmt.Errorf("sandbox: set %s up: %w", c.Name, err)
	}
	for _, p := range c.Addresses {
		if err := addAddress(h, link, p); err != nil {
			return err
		}
	}
	for _, r := range c.Routes {
		if err := addRoute(h, link, r); err != nil {
			return err
		}
	}
	return nil
}

func addAddress(h *netlink.Handle, link netlink.Link, p netip.Prefix) error {
	a := &netlink.Addr{IPNet: ipNet(p)}
	if p.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	if err := h.AddrAdd(link, a); err != nil {
		return fmt.Errorf("sandbox: add address %s to %s: %w", p, link.Attrs().Name, err)
	}
	return nil
}

func addRoute(h *netlink.Handle, link netlink.Link, r Route) error {
	nr := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(r.Dst), Priority: r.Metric}
	if r.Via.IsValid() {
		nr.Gw = r.Via.AsSlice()
	} else {
		nr.Scope = netlink.SCOPE_LINK
	}
	if r.Onlink {
		nr.Flags = int(netlink.FLAG_ONLINK)
	}
	err := h.RouteAdd(nr)
	if errors.Is(err, unix.EEXIST) {
		return fault.New(fault.Conflict, "the sandbox has a route to %s with metric %d already", r.Dst, r.Metric)
	}
	if err != nil {
		return fmt.Errorf("sandbox: add route %s to %s: %w", r, link.Attrs().Name, err)
	}
	return nil
}

// String gives the route as the ip command writes it.
func (r Route) String() string {
	var b strings.Builder
	b.WriteString(r.Dst.String())
	if r.Via.IsValid() {
		b.WriteString(" via " + r.Via.String())
	}
	if r.Metric != 0 {
		fmt.Fprintf(&b, " metric %d", r.Metric)
	}
	return b.String()
}

// enableV6 makes the interface take static IPv6 addresses and nothing else.
func enableV6(name string) error {
	for _, s := range []struct{ key, value string }{{"disable_ipv6", "0"}, {"accept_ra", "0"}} {
		path := filepath.Join("/proc/sys/net/ipv6/conf", name, s.key)
		if err := setSysctl(path, s.value); err != nil {
			return fmt.Errorf("sandbox: set %s=%s for an IPv6 address: %w", path, s.value, err)
		}
	}
	return nil
}

// setSysctl writes only what differs: where /proc/sys is mounted read-only a
// value that is right already is no failure.
func setSysctl(path, value string) error {
	was, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(was)) == value {
		return nil
	}
	return os.WriteFile(path, []byte(value), 0)
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
