// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kuryr-go/kuryr/internal/fault"
)

func TestTheMTUIsTheNetworksOrASmallerOneAskedFor(t *testing.T) {
	for _, c := range []struct {
		network, asked int
		v4only         bool
		want           int
		err            string
	}{
		{network: 1442, want: 1442},
		{network: 1442, asked: 1442, want: 1442},
		{network: 1442, asked: 1280, want: 1280},
		{network: 0, want: 1500},
		{network: 0, asked: 1400, want: 1400},
		{network: 1442, asked: 1443, err: "mtu: 1443 is larger than 1442, the MTU of network blue"},
		{network: 0, asked: 1501, err: "mtu: 1501 is larger than 1500"},
		{network: 1442, asked: 1279, err: "mtu: 1279 is smaller than 1280, the least that an IPv6 address needs"},
		{network: 1442, asked: 68, v4only: true, want: 68},
		{network: 1442, asked: 67, v4only: true, err: "mtu: 67 is smaller than 68, the least that IPv4 needs"},
		{network: 1442, asked: -1, err: "mtu: -1 is smaller than 1280"},
		{network: 1000, err: "mtu: 1000 is smaller than 1280"},
	} {
		r := request("", 1)
		r.Lease.MTU, r.MTU = c.network, c.asked
		if c.v4only {
			r.Lease.Addresses = r.Lease.Addresses[:1]
		}
		got, err := chooseMTU(&r)
		if c.err != "" {
			wantError(t, err, fault.Invalid, c.err)
		} else if got != c.want || err != nil {
			t.Errorf("network %d, asked %d: %d (%v), want %d", c.network, c.asked, got, err, c.want)
		}
	}
}

func TestTunnelOverheadIsAsNeutronCountsIt(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for _, c := range []struct {
		kind   string
		v4, v6 int
	}{{"geneve", 58, 78}, {"vxlan", 50, 70}, {"gre", 42, 62}, {"vlan", 0, 0}, {"flat", 0, 0}, {"", 0, 0}} {
		got4, ok := overhead(c.kind, v4)
		got6, _ := overhead(c.kind, v6)
		if got4 != c.v4 || got6 != c.v6 || ok != (c.v4 > 0) {
			t.Errorf("%s: %d and %d (%v)", c.kind, got4, got6, ok)
		}
	}
}

func TestAnMTUTooLargeForTheTunnelsIsRefusedWithTheNumbers(t *testing.T) {
	n := startNode(t)
	var logged bytes.Buffer
	b := n.newBinder(func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&logged, nil)) })
	if err := addVethPair(b.host, "under0"); err != nil {
		t.Fatal(err)
	}
	under, err := b.findLink("under0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = netlink.LinkDel(under) })
	addr, _ := netlink.ParseAddr("172.30.0.1/24")
	addr6, _ := netlink.ParseAddr("2001:db8:9::1/64")
	addr6.Flags = unix.IFA_F_NODAD
	for _, err := range []error{b.host.AddrAdd(under, addr), b.host.AddrAdd(under, addr6), b.host.LinkSetUp(under), b.host.LinkSetMTU(under, 1500)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	encap := func(ip string) {
		n.vsctl("set", "open_vswitch", ".", `external_ids:ovn-encap-ip="`+ip+`"`)
		awaitSwitchRow(t, b, func(sw *switchRow) bool { return sw.ExternalIDs[keyEncapIP] == ip })
	}
	bind := func(networkType string, mtu int) error {
		r := request(newSandbox(t), 1)
		r.Lease.NetworkType, r.Lease.MTU = networkType, mtu
		_, err := b.Bind(testContext(t), r)
		if err == nil {
			unbound(t, b, r)
		} else {
			checkNothingLeft(t, n, b, r)
		}
		return err
	}
	succeed := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	encap("172.30.0.1")
	succeed(bind("geneve", 1442))
	succeed(bind("vxlan", 1450))
	succeed(bind("vlan", 9000))
	wantError(t, bind("geneve", 1443), fault.Conflict,
		"MTU 1443 of geneve network blue plus 58 bytes of tunnel header is 1501, but device under0, which carries the tunnels from 172.30.0.1, has MTU 1500; "+
			"set Neutron's global_physnet_mtu to 1500 and the network's MTU to 1442, or raise the MTU of under0 to 1501")
	// What is remembered of the device refuses nothing.
	if err := b.host.LinkSetMTU(under, 1501); err != nil {
		t.Fatal(err)
	}
	succeed(bind("geneve", 1443))
	encap("172.30.0.1,2001:db8:9::1")
	wantError(t, bind("geneve", 1442), fault.Conflict, "plus 78 bytes of tunnel header is 1520")
	succeed(bind("vxlan", 1430))
	if logged.Len() > 0 && strings.Contains(logged.String(), "not checked") {
		t.Error("warned although all was known:", logged.String())
	}
	encap("172.30.0.77")
	succeed(bind("geneve", 9000))
	succeed(bind("geneve", 9000))
	if got := strings.Count(logged.String(), "no device of the node has the tunnel address 172.30.0.77"); got != 1 {
		t.Errorf("warned %d times, want once: %s", got, logged.String())
	}
}
