// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"net"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/kuryr-go/kuryr/internal/binder"
)

func TestAContainerCannotReachTheNodeOverItsHostDevice(t *testing.T) {
	n := startNode(t)
	b := n.newBinder()
	if err := addVethPair(b.host, "node0"); err != nil {
		t.Fatal(err)
	}
	node0, err := b.findLink("node0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = netlink.LinkDel(node0) })
	// The node has an address in the container's subnet and a way back: the
	// worst case.
	addr, _ := netlink.ParseAddr("10.0.77.77/32")
	if err := b.host.AddrAdd(node0, addr); err != nil {
		t.Fatal(err)
	}
	if err := b.host.LinkSetUp(node0); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "10.0.77.77:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	r := request(newSandbox(t), 1)
	made := bound(t, b, r)
	wayBack(t, b, r)
	for _, c := range []struct {
		name, mac string
		reached   bool
	}{
		{"the node answers no ARP", "", false},
		{"nor takes a broadcast for its own", "ff:ff:ff:ff:ff:ff", false},
		{"nor a multicast", "01:00:5e:00:00:01", false},
		{"(with the device's secret MAC it would)", made.Host.MAC, true},
	} {
		err := dialNode(t, r, l.Addr().String(), c.mac)
		if reached := err == nil; reached != c.reached {
			t.Errorf("%s: reached %v (%v)", c.name, reached, err)
		}
	}
}

func wayBack(t *testing.T, b *Binder, r binder.Request) {
	t.Helper()
	tap, err := b.findLink(hostName(r.Lease.PortID))
	if err != nil {
		t.Fatal(err)
	}
	_, dst, _ := net.ParseCIDR("10.0.0.1/32")
	if err := b.host.RouteAdd(&netlink.Route{LinkIndex: tap.Attrs().Index, Dst: dst, Scope: netlink.SCOPE_LINK}); err != nil {
		t.Fatal(err)
	}
	neighbour(t, b.host, tap.Attrs().Index, "10.0.0.1", r.Lease.MAC)
}

func neighbour(t *testing.T, h *netlink.Handle, link int, ip, mac string) {
	t.Helper()
	hw, err := net.ParseMAC(mac)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.NeighSet(&netlink.Neigh{LinkIndex: link, IP: net.ParseIP(ip), HardwareAddr: hw, State: netlink.NUD_PERMANENT}); err != nil {
		t.Fatal(err)
	}
}

// dialNode connects from the sandbox to an address of the node, as if mac had
// it; empty: as ARP says. An open way takes less than a millisecond.
func dialNode(t *testing.T, r binder.Request, addr, mac string) error {
	t.Helper()
	return within(r.Netns, func(h *netlink.Handle) error {
		eth0, err := h.LinkByName(r.Interface)
		if err != nil {
			t.Fatal(err)
		}
		if mac != "" {
			neighbour(t, h, eth0.Attrs().Index, "10.0.77.77", mac)
		}
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err
	})
}
