// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/binder/sandbox"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
)

func TestBindMakesTheInterfaceAndTheRowAndUnbindLeavesNothing(t *testing.T) {
	n := startNode(t)
	b := n.newBinder()
	r := request(newSandbox(t), 1)
	got := bound(t, b, r)
	want := binder.Result{
		Host:      binder.Interface{Name: "tap00000001-00", MAC: got.Host.MAC, MTU: 1442},
		Container: binder.Interface{Name: "eth0", MAC: "fa:16:3e:00:00:01", MTU: 1442},
		DefaultRoutes: []binder.DefaultRoute{
			{Via: "10.0.255.254"}, {Via: "fd00::ffff", Metric: 1024},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error("result (-want +got):\n", d)
	}
	checkHostDevice(t, b, r, got)
	ids := interfaceIDs(t, b, got.Host.Name)
	wantIDs := map[string]string{
		"iface-id": r.Lease.PortID, "attached-mac": r.Lease.MAC, "iface-status": "active", "vm-uuid": r.Attachment,
		"kuryr-attachment": r.Attachment, "kuryr-sandbox": "sandbox-1", "kuryr-interface": "eth0",
		"kuryr-cluster": "test", "kuryr-node": "node1",
	}
	if d := cmp.Diff(wantIDs, ids); d != "" {
		t.Error("external_ids (-want +got):\n", d)
	}
	if err := b.Check(testContext(t), r, got); err != nil {
		t.Error("check:", err)
	}
	for range 2 {
		unbound(t, b, r)
		checkNothingLeft(t, n, b, r)
	}
}

func checkHostDevice(t *testing.T, b *Binder, r binder.Request, made binder.Result) {
	t.Helper()
	link, err := b.findLink(made.Host.Name)
	if err != nil || link == nil {
		t.Fatal("host device:", err)
	}
	a := link.Attrs()
	got := fmt.Sprintln(link.Type(), a.HardwareAddr, a.MTU, a.Alias, a.Group, a.Flags&net.FlagUp)
	want := fmt.Sprintln("veth", made.Host.MAC, made.Host.MTU, "kuryr "+r.Attachment, b.owner.group, net.FlagUp)
	if got != want {
		t.Errorf("host device is %s, want %s", got, want)
	}
}

func interfaceIDs(t *testing.T, b *Binder, name string) map[string]string {
	t.Helper()
	c, err := b.session.connected(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	in, ok := c.iface(name)
	if !ok {
		t.Fatal("no interface row ", name)
	}
	return in.ExternalIDs
}

// checkNothingLeft asks the database and the kernel, not the binder's replica.
func checkNothingLeft(t *testing.T, n *node, b *Binder, r binder.Request) {
	t.Helper()
	name := hostName(r.Lease.PortID)
	if link, err := b.findLink(name); link != nil || err != nil {
		t.Errorf("host device is left: %v %v", link, err)
	}
	for _, table := range []string{"Port", "Interface"} {
		if rows := n.vsctl("--bare", "--columns=name", "find", table, "name="+name); rows != "" {
			t.Errorf("a row is left in table %s: %s", table, rows)
		}
	}
}

func TestContainersTalkOverBothFamilies(t *testing.T) {
	n := startNode(t)
	b := n.newBinder()
	r1, r2 := request(newSandbox(t), 1), request(newSandbox(t), 2)
	bound(t, b, r1)
	bound(t, b, r2)
	for family := range 2 {
		talk(t, r1, r2, family)
		talk(t, r2, r1, family)
	}
}

func TestAddressesOfAnIPv6OnlyPortWorkWhereIPv6WasOff(t *testing.T) {
	n := startNode(t)
	b := n.newBinder()
	r1, r2 := request(newSandbox(t), 1), request(newSandbox(t), 2)
	for _, r := range []*binder.Request{&r1, &r2} {
		r.Lease.Addresses = r.Lease.Addresses[1:]
		in(t, r.Netns, func(*netlink.Handle) error { return writeSysctl("net/ipv6/conf/default/disable_ipv6", "1") })
		bound(t, b, *r)
		in(t, r.Netns, func(*netlink.Handle) error {
			return errors.Join(expectSysctl("net/ipv6/conf/eth0/disable_ipv6", "0"), expectSysctl("net/ipv6/conf/eth0/accept_ra", "0"))
		})
	}
	talk(t, r1, r2, 0)
}

func TestTwoInterfacesGetMetricsByTheirNumberWhateverTheOrder(t *testing.T) {
	n := startNode(t)
	b := n.newBinder()
	r0, r1 := request(newSandbox(t), 1), request("", 2)
	r1.Netns, r1.Sandbox, r1.Interface = r0.Netns, r0.Sandbox, "eth1"
	got1 := bound(t, b, r1)
	got0 := bound(t, b, r0)
	if d := cmp.Diff([]binder.DefaultRoute{{Via: "10.0.255.254", Metric: 1}, {Via: "fd00::ffff", Metric: 1025}}, got1.DefaultRoutes); d != "" {
		t.Error("eth1 (-want +got):\n", d)
	}
	in(t, r0.Netns, func(h *netlink.Handle) error {
		for _, far := range []string{"192.0.2.1", "2001:db8::1"} {
			routes, err := h.RouteGet(net.ParseIP(far))
			if err != nil {
				return err
			}
			link, err := h.LinkByIndex(routes[0].LinkIndex)
			if err != nil || link.Attrs().Name != "eth0" {
				t.Errorf("%s is routed over %v (%v), want eth0", far, link, err)
			}
		}
		return nil
	})
	for i, r := range []binder.Request{r0, r1} {
		if err := b.Check(testContext(t), r, []binder.Result{got0, got1}[i]); err != nil {
			t.Error(err)
		}
	}
	unbound(t, b, r0)
	if err := b.Check(testContext(t), r1, got1); err != nil {
		t.Error("the other interface suffered:", err)
	}
}

func TestRoutesAreAsNeutronSaysThem(t *testing.T) {
	n := startNode(t)
	b := n.newBinder()
	r := request(newSandbox(t), 1)
	r.Lease.Addresses = append(r.Lease.Addresses, lease.Address{
		// A gateway outside of the prefix, and a second one that must not compete.
		Prefix: netip.MustParsePrefix("192.168.7.7/32"), Gateway: netip.MustParseAddr("192.168.0.1"),
	})
	r.Lease.Routes = []lease.Route{
		{Dst: netip.MustParsePrefix("169.254.169.254/32"), Via: netip.MustParseAddr("10.0.0.99")},
		{Dst: netip.MustParsePrefix("172.20.0.0/16"), Via: netip.MustParseAddr("192.168.0.9")},
		{Dst: netip.MustParsePrefix("172.21.0.0/16"), Via: netip.IPv4Unspecified()},
		{Dst: netip.MustParsePrefix("fd99::/64"), Via: netip.MustParseAddr("fe80::1")},
	}
	got := bound(t, b, r)
	if err := b.Check(testContext(t), r, got); err != nil {
		t.Error(err)
	}
	if len(got.DefaultRoutes) != 2 {
		t.Error("default routes:", got.DefaultRoutes)
	}
}

func TestDefaultRouteFalseSetsNone(t *testing.T) {
	n := startNode(t)
	b := n.newBinder()
	r := request(newSandbox(t), 1)
	no := false
	r.DefaultRoute = &no
	if got := bound(t, b, r); got.DefaultRoutes != nil {
		t.Error("default routes:", got.DefaultRoutes)
	}
	in(t, r.Netns, func(h *netlink.Handle) error {
		for _, far := range []string{"192.0.2.1", "2001:db8::1"} {
			if routes, err := h.RouteGet(net.ParseIP(far)); err == nil {
				t.Errorf("%s is routed: %v", far, routes)
			}
		}
		return nil
	})
}

func TestASmallerMTUIsHonouredOnBothEnds(t *testing.T) {
	n := startNode(t)
	b := n.newBinder()
	r := request(newSandbox(t), 1)
	r.MTU = 1300
	got := bound(t, b, r)
	link, err := b.findLink(got.Host.Name)
	if err != nil || link.Attrs().MTU != 1300 || got.Container.MTU != 1300 {
		t.Error("host", link.Attrs().MTU, "container", got.Container.MTU, err)
	}
	if err := b.Check(testContext(t), r, got); err != nil {
		t.Error(err)
	}
}

func TestCheckNamesWhatDiffers(t *testing.T) {
	n := startNode(t)
	b := n.newBinder()
	r := request(newSandbox(t), 1)
	made := bound(t, b, r)
	change := func(f func(h *netlink.Handle, eth0 netlink.Link) error) {
		in(t, r.Netns, func(h *netlink.Handle) error {
			link, err := h.LinkByName("eth0")
			if err != nil {
				return err
			}
			return f(h, link)
		})
	}
	change(func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetMTU(l, 1400) })
	change(func(h *netlink.Handle, l netlink.Link) error {
		return h.AddrDel(l, &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(10, 0, 0, 1), Mask: net.CIDRMask(16, 32)}})
	})
	n.vsctl("set", "interface", made.Host.Name, "external_ids:iface-id=another")
	err := b.Check(testContext(t), r, made)
	for _, want := range []string{
		"MTU of eth0 is 1400, not 1442", "address 10.0.0.1/16 of eth0 is missing",
		"route 0.0.0.0/0 via 10.0.255.254 of eth0 is missing", `iface-id "another"`,
	} {
		wantError(t, err, fault.Conflict, want)
	}
	change(func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetDown(l) })
	wantError(t, b.Check(testContext(t), r, made), fault.Conflict, "eth0 is down")
	change(func(h *netlink.Handle, l netlink.Link) error { return h.LinkDel(l) })
	err = b.Check(testContext(t), r, made)
	wantError(t, err, fault.Conflict, "interface eth0 is missing")
	wantError(t, err, fault.Conflict, "host device "+made.Host.Name+" is missing")
}

func TestChecksumOffloadIsLeftAloneWhereAskedFor(t *testing.T) {
	n := startNode(t)
	b := n.newBinder(func(o *Options) { o.ChecksumOffload = OffloadOn })
	r := request(newSandbox(t), 1)
	bound(t, b, r)
	box, err := sandbox.Open(r.Netns)
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	p, err := planInterface(&r)
	if err != nil {
		t.Fatal(err)
	}
	p.config.NoTxChecksum = true
	differs, err := box.Differences(p.config)
	if want := []string{"tx checksum offload of eth0 is on, the switch needs it off"}; err != nil || !cmp.Equal(want, differs) {
		t.Error(differs, err)
	}
}
