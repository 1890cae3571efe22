// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// wire makes a VM's interface: a veth whose tap end is in the hypervisor's
// namespace and whose other end is in the VM's.
func (n *Node) wire(vm Netns, nic NIC, defaultRoute bool) error {
	mac, err := net.ParseMAC(nic.MAC)
	if err != nil {
		return fmt.Errorf("openstack: wire %s: %w", nic.Name, err)
	}
	fd, err := netns.GetFromPath(vm.Path())
	if err != nil {
		return fmt.Errorf("openstack: enter namespace %s: %w", vm.Name, err)
	}
	defer func() { _ = fd.Close() }()
	host, err := n.Netns().handle()
	if err != nil {
		return err
	}
	defer host.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = nic.Tap, nic.MTU
	if err := host.LinkAdd(&netlink.Veth{
		LinkAttrs: attrs, PeerName: nic.Name, PeerHardwareAddr: mac,
		PeerMTU: uint32(nic.MTU), PeerNamespace: netlink.NsFd(fd),
	}); err != nil {
		return fmt.Errorf("openstack: make %s in %s: %w", nic.Tap, n.Netns().Name, err)
	}
	if err := vm.txChecksumOff(nic.Name); err != nil {
		return err
	}
	if err := vm.ignoreAdvertisements(nic.Name); err != nil {
		return err
	}
	if err := setUp(host, nic.Tap); err != nil {
		return err
	}
	return vm.address(nic, defaultRoute)
}

// ignoreAdvertisements leaves the interface with the port's IPv6 addresses alone.
func (n Netns) ignoreAdvertisements(dev string) error {
	return n.Do(func() error {
		err := os.WriteFile("/proc/sys/net/ipv6/conf/"+dev+"/accept_ra", []byte("0"), 0o644)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("openstack: ignore router advertisements on %s: %w", dev, err)
		}
		return nil
	})
}

// address gives the interface its addresses and routes.
func (n Netns) address(nic NIC, defaultRoute bool) error {
	h, err := n.handle()
	if err != nil {
		return err
	}
	defer h.Close()
	if err := setUp(h, nic.Name); err != nil {
		return err
	}
	link, err := h.LinkByName(nic.Name)
	if err != nil {
		return fmt.Errorf("openstack: find %s in %s: %w", nic.Name, n.Name, err)
	}
	for _, a := range nic.Addresses {
		addr := &netlink.Addr{IPNet: ipNet(a)}
		if a.Addr().Is6() {
			// Neutron has seen to it that nobody else has it.
			addr.Flags = unix.IFA_F_NODAD
		}
		if err := h.AddrReplace(link, addr); err != nil {
			return fmt.Errorf("openstack: set address %s in %s: %w", a, n.Name, err)
		}
	}
	if !defaultRoute {
		return nil
	}
	for _, gw := range nic.Gateways {
		if err := h.RouteReplace(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: gw.AsSlice()}); err != nil {
			return fmt.Errorf("openstack: set default route by %s in %s: %w", gw, n.Name, err)
		}
	}
	return nil
}

// deleteLink deletes a device; one that is not there is success.
func (n Netns) deleteLink(name string) error {
	h, err := n.handle()
	if err != nil {
		return err
	}
	defer h.Close()
	link, err := h.LinkByName(name)
	if isLinkNotFound(err) {
		return nil
	}
	if err == nil {
		err = h.LinkDel(link)
	}
	if err != nil && !isLinkNotFound(err) && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("openstack: delete %s in %s: %w", name, n.Name, err)
	}
	return nil
}
