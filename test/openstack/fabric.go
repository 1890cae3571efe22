// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// The addresses. All are of ranges that belong to nobody: 198.18.0.0/15 is
// for benchmarks (RFC 2544), 203.0.113.0/24 for documentation (RFC 5737).
var (
	// controlAddress is the control plane's on the management network.
	controlAddress = netip.MustParsePrefix("198.18.0.1/24")
	// managementNet and tunnelNet hold hypervisor N at .10+N.
	managementNet = netip.MustParsePrefix("198.18.0.0/24")
	tunnelNet     = netip.MustParsePrefix("198.18.1.0/24")
	// ProviderNet is the network outside; ProviderGateway its router and the
	// address of the host Outside.
	ProviderNet     = netip.MustParsePrefix("203.0.113.0/24")
	ProviderGateway = netip.MustParseAddr("203.0.113.1")
)

// providerMAC is the outside host's. It is fixed, since OVN remembers it in
// MAC_Binding over restarts, and would go on sending to an older one.
var providerMAC = net.HardwareAddr{0x02, 0x00, 0xcb, 0x00, 0x71, 0x01}

// The fabric's bridges.
const (
	bridgeManagement = "mgmt"
	bridgeTunnel     = "ul"
	bridgeProvider   = "ex"
)

// makeFabric makes the fabric's and the control plane's namespaces and what is
// in them, as far as it is missing.
func (c *Cloud) makeFabric() error {
	if err := c.mayOwn(); err != nil {
		return err
	}
	fab := c.Outside()
	if err := fab.Make(); err != nil {
		return err
	}
	for _, b := range []string{bridgeManagement, bridgeTunnel, bridgeProvider} {
		if err := c.makeBridge(fab, b); err != nil {
			return err
		}
	}
	if err := fab.setAddress(bridgeProvider, netip.PrefixFrom(ProviderGateway, ProviderNet.Bits())); err != nil {
		return err
	}
	ctl := c.Control()
	if err := ctl.Make(); err != nil {
		return err
	}
	if err := c.cable(ctl, "mgmt0", bridgeManagement, "mgmtc"); err != nil {
		return err
	}
	return ctl.setAddress("mgmt0", controlAddress)
}

// mayOwn refuses a prefix whose namespaces are another directory's.
func (c *Cloud) mayOwn() error {
	owner, err := c.owner()
	if err == nil && owner != "" && owner != c.dir {
		err = fault.New(fault.Conflict, "openstack: prefix %s is in use by %s; take another prefix, or bring that cloud down", c.rec.Prefix, owner)
	}
	return err
}

// owner gives the directory whose cloud the prefix's namespaces are: the
// management bridge's alias says so. Empty: nobody's.
func (c *Cloud) owner() (string, error) {
	fab := c.Outside()
	if !fab.Exists() {
		return "", nil
	}
	h, err := fab.handle()
	if err != nil {
		return "", err
	}
	defer h.Close()
	link, err := h.LinkByName(bridgeManagement)
	if isLinkNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("openstack: find the owner of %s: %w", fab.Name, err)
	}
	return link.Attrs().Alias, nil
}

func (c *Cloud) makeBridge(fab Netns, name string) error {
	h, err := fab.handle()
	if err != nil {
		return err
	}
	defer h.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	if name == bridgeProvider {
		attrs.HardwareAddr = providerMAC
	}
	if err := h.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("openstack: make bridge %s in %s: %w", name, fab.Name, err)
	}
	link, err := h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("openstack: find bridge %s in %s: %w", name, fab.Name, err)
	}
	// The kernel ignores an alias in the request that makes a link.
	if err := h.LinkSetAlias(link, c.dir); err != nil {
		return fmt.Errorf("openstack: make bridge %s in %s: %w", name, fab.Name, err)
	}
	return setUp(h, name)
}

// cable joins device dev in ns with a bridge of the fabric, on which its other
// end is called port. Checksums are computed before a packet enters the cable:
// a switch that is not the kernel's reads from it.
func (c *Cloud) cable(ns Netns, dev, bridge, port string) error {
	h, err := ns.handle()
	if err != nil {
		return err
	}
	defer h.Close()
	fab, err := c.Outside().handle()
	if err != nil {
		return err
	}
	defer fab.Close()
	if _, err := h.LinkByName(dev); isLinkNotFound(err) {
		if err := makeVeth(h, dev, c.Outside(), port); err != nil {
			return err
		}
	} else if err != nil {
		return fmt.Errorf("openstack: find %s in %s: %w", dev, ns.Name, err)
	}
	if err := ns.txChecksumOff(dev); err != nil {
		return err
	}
	if err := c.Outside().txChecksumOff(port); err != nil {
		return err
	}
	if err := enslave(fab, port, bridge); err != nil {
		return err
	}
	return errors.Join(setUp(h, dev), setUp(fab, port))
}

func makeVeth(h *netlink.Handle, dev string, peerNS Netns, peer string) error {
	fd, err := netns.GetFromPath(peerNS.Path())
	if err != nil {
		return fmt.Errorf("openstack: enter namespace %s: %w", peerNS.Name, err)
	}
	defer func() { _ = fd.Close() }()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = dev
	if err := h.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: peer, PeerNamespace: netlink.NsFd(fd)}); err != nil {
		return fmt.Errorf("openstack: make veth %s with %s in %s: %w", dev, peer, peerNS.Name, err)
	}
	return nil
}

func enslave(h *netlink.Handle, port, bridge string) error {
	p, err := h.LinkByName(port)
	if err != nil {
		return fmt.Errorf("openstack: find %s: %w", port, err)
	}
	b, err := h.LinkByName(bridge)
	if err != nil {
		return fmt.Errorf("openstack: find %s: %w", bridge, err)
	}
	if err := h.LinkSetMaster(p, b); err != nil {
		return fmt.Errorf("openstack: add %s to %s: %w", port, bridge, err)
	}
	return nil
}

func setUp(h *netlink.Handle, name string) error {
	link, err := h.LinkByName(name)
	if err == nil {
		err = h.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("openstack: set %s up: %w", name, err)
	}
	return nil
}

// setAddress gives a device an address and sets it up.
func (n Netns) setAddress(dev string, addr netip.Prefix) error {
	h, err := n.handle()
	if err != nil {
		return err
	}
	defer h.Close()
	link, err := h.LinkByName(dev)
	if err != nil {
		return fmt.Errorf("openstack: find %s in %s: %w", dev, n.Name, err)
	}
	if err := h.AddrReplace(link, &netlink.Addr{IPNet: ipNet(addr)}); err != nil {
		return fmt.Errorf("openstack: set address %s of %s in %s: %w", addr, dev, n.Name, err)
	}
	return setUp(h, dev)
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// txChecksumOff makes the kernel compute checksums before a packet leaves dev.
func (n Netns) txChecksumOff(dev string) error {
	err := n.Do(func() error {
		e, err := ethtool.NewEthtool()
		if err != nil {
			return err
		}
		defer e.Close()
		features, err := e.Features(dev)
		if err != nil {
			return err
		}
		off := make(map[string]bool)
		for _, f := range []string{"tx-checksum-ip-generic", "tx-checksum-sctp"} {
			if features[f] {
				off[f] = false
			}
		}
		if len(off) == 0 {
			return nil
		}
		return e.Change(dev, off)
	})
	if err != nil {
		return fmt.Errorf("openstack: turn TX checksum offload of %s in %s off: %w", dev, n.Name, err)
	}
	return nil
}

func isLinkNotFound(err error) bool {
	var notFound netlink.LinkNotFoundError
	return errors.As(err, &notFound)
}

// nth gives the n-th address of a network, with its length.
func nth(network netip.Prefix, n int) netip.Prefix {
	b := network.Addr().As4()
	b[3] += byte(n)
	return netip.PrefixFrom(netip.AddrFrom4(b), network.Bits())
}

// namespaces gives every namespace of the prefix, the fabric's last.
func (c *Cloud) namespaces() ([]Netns, error) {
	names, err := listNetns(c.rec.Prefix + "-")
	if err != nil {
		return nil, err
	}
	var all []Netns
	for _, n := range names {
		all = append(all, Netns{n})
	}
	slices.SortFunc(all, func(a, b Netns) int {
		switch c.Outside() {
		case a:
			return 1
		case b:
			return -1
		}
		return 0
	})
	return all, nil
}
