// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"errors"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"github.com/kuryr-go/kuryr/internal/fault"
)

func TestTheBridgeForWiresIsItsOwnersAndGoesWhenNothingIsWired(t *testing.T) {
	n := startPlayedOVN(t)
	b, other := n.newBinder(), n.newBinder(func(o *Options) { o.Cluster = "another" })
	if err := b.Leave(testContext(t)); err != nil {
		t.Error("remove what never was:", err)
	}
	r, peer := request(newSandbox(t), 1), request(newSandbox(t), 2)
	prewired(t, b, r)
	prewired(t, other, peer)
	boundWired(t, b, r)
	boundWired(t, other, peer)
	talk(t, r, peer, 0)
	name := b.owner.bridge
	if name == other.owner.bridge || len(name) > 15 {
		t.Error("bridges:", name, other.owner.bridge)
	}
	for column, want := range map[string]string{
		"datapath_type": "netdev", "external_ids": "{kuryr-cluster=test, kuryr-node=node1}", "fail_mode": "standalone",
		"stp_enable": "false", "rstp_enable": "false", "mcast_snooping_enable": "false",
	} {
		if got := n.vsctl("get", "bridge", name, column); got != want {
			t.Errorf("%s is %s, want %s", column, got, want)
		}
	}
	wantError(t, b.Leave(testContext(t)), fault.Conflict, "1 of its VLANs are still used")
	// Nothing but its own end cuts a sandbox off.
	wantError(t, b.Unwire(testContext(t), r.Lease.PortID), fault.Conflict, "of a sandbox hangs on the wire")
	talk(t, r, peer, 0)
	unbound(t, b, r)
	awaitNoRow(t, b, hostName(r.Lease.PortID))
	for range 2 {
		if err := b.Leave(testContext(t)); err != nil {
			t.Error(err)
		}
	}
	if got, want := n.vsctl("list-br"), "br-int\n"+other.owner.bridge; !cmp.Equal(got, want) {
		t.Errorf("bridges are %q, want %q", got, want)
	}
	prewired(t, b, r)
	r.Netns = newSandbox(t)
	boundWired(t, b, r)
	talk(t, r, peer, 1)
}

func TestABridgeOfTheNameThatIsNotKuryrsIsAConflictAndStays(t *testing.T) {
	n := startPlayedOVN(t)
	b := n.newBinder()
	n.vsctl("add-br", b.owner.bridge)
	awaitRow(t, b, b.owner.bridge)
	_, err := b.Prewire(testContext(t), request("", 1).Lease)
	wantError(t, err, fault.Conflict, "interface "+b.owner.bridge+" already that is not Kuryr's")
	if err := b.Leave(testContext(t)); err != nil {
		t.Error(err)
	}
	n.vsctl("br-exists", b.owner.bridge)
}

func TestTheBridgeFollowsTheIntegrationBridgesDatapath(t *testing.T) {
	n := startPlayedOVN(t)
	b := n.newBinder()
	prewired(t, b, request("", 1))
	n.vsctl("--no-wait", "set", "bridge", b.owner.bridge, "datapath_type=system")
	c, err := b.session.connected(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	w := b.session.watches.open(b.owner.bridge)
	defer w.stop()
	for br, _ := c.bridge(b.owner.bridge); br.datapath() != "system"; br, _ = c.bridge(b.owner.bridge) {
		<-w.C
	}
	prewired(t, b, request("", 2))
	if got := n.vsctl("get", "bridge", b.owner.bridge, "datapath_type"); got != "netdev" {
		t.Error("datapath_type is", got)
	}
}

func TestTheNodeIsNotReachedThroughTheBridgeForWires(t *testing.T) {
	n := startPlayedOVN(t)
	b := n.newBinder()
	r, peer := request(newSandbox(t), 1), request(newSandbox(t), 2)
	prewired(t, b, r, peer)
	boundWired(t, b, r, peer)
	local, err := b.findLink(b.owner.bridge)
	if err != nil || local == nil {
		t.Fatal("no local port: ", err)
	}
	if local.Attrs().Flags&net.FlagUp != 0 {
		t.Error("the local port is up")
	}
	// Somebody gives it an address of the container's subnet and sets it up,
	// for all VLANs: the worst case.
	addr, _ := netlink.ParseAddr("10.0.77.77/16")
	if err := errors.Join(b.host.AddrAdd(local, addr), b.host.LinkSetUp(local), b.host.SetPromiscOn(local)); err != nil {
		t.Fatal(err)
	}
	asker, witness := newWiretap(t, r.Netns, "eth0"), newWiretap(t, peer.Netns, "eth0")
	node := newWiretap(t, "", b.owner.bridge)
	for range 20 {
		asker.send(arp(r.Lease.MAC, "10.0.0.1", "broadcast"))
		to := udp(r.Lease.MAC, local.Attrs().HardwareAddr.String(), "10.0.0.1", "10.0.77.77", "to the node")
		asker.send(to)
	}
	asker.send(arp(r.Lease.MAC, "10.0.0.1", "end"))
	witness.until("end")
	// What is in the local port's queue by now is all there is; its own
	// question is the last of it.
	marker := "marker of the node"
	newWiretap(t, "", b.owner.bridge).send(arp(local.Attrs().HardwareAddr.String(), "10.0.77.77", marker))
	if got := node.untilOwn(marker, "broadcast", "to the node", "end"); len(got) > 0 {
		t.Error("the node received", got)
	}
}
