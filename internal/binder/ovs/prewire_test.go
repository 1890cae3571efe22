// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/fault"
)

// startPlayedOVN starts a node where playController stands for OVN.
func startPlayedOVN(t *testing.T) *node {
	t.Helper()
	n := startNode(t)
	n.vsctl("set", "open_vswitch", ".", "external_ids:ovn-remote=unix:/nowhere", "external_ids:system-id=c1", "external_ids:hostname=h1")
	playController(t, n)
	return n
}

// prewired expects that ports are made ready.
func prewired(t testing.TB, b *Binder, requests ...binder.Request) {
	t.Helper()
	for _, r := range requests {
		done, err := b.Prewire(testContext(t), r.Lease)
		if err != nil || !done {
			t.Fatal("prewire: ", done, err)
		}
	}
}

// boundWired expects that a sandbox is hung on its port's wire.
func boundWired(t testing.TB, b *Binder, requests ...binder.Request) {
	t.Helper()
	for _, r := range requests {
		made := bound(t, b, r)
		if !made.Wired || !made.Prewired {
			t.Errorf("wired %v, prewired %v", made.Wired, made.Prewired)
		}
		if err := b.Check(testContext(t), r, made); err != nil {
			t.Error(err)
		}
	}
}

func unplugged(t testing.TB, b *Binder, r binder.Request) {
	t.Helper()
	if err := b.Unplug(testContext(t), refFor(&r)); err != nil {
		t.Fatal(err)
	}
}

func wantWires(t testing.TB, b *Binder, want ...binder.Request) {
	t.Helper()
	ids := []string{}
	for _, r := range want {
		ids = append(ids, r.Lease.PortID)
	}
	got, err := b.Wires(testContext(t))
	if d := cmp.Diff(ids, append([]string{}, got...)); d != "" || err != nil {
		t.Errorf("wires (-want +got):\n%s%v", d, err)
	}
}

// wireRows are the UUIDs of a wire's two interfaces, as the database has them.
func wireRows(n *node, r binder.Request) string {
	return n.vsctl("--bare", "--columns=_uuid", "find", "interface", "external_ids:kuryr-wire="+r.Lease.PortID)
}

func TestAPrewiredPortIsHungOnAndUnbindLeavesNothing(t *testing.T) {
	n := startPlayedOVN(t)
	registry := prometheus.NewRegistry()
	b := n.newBinder(func(o *Options) { o.Registerer = registry })
	r, peer, classic := request(newSandbox(t), 1), request(newSandbox(t), 2), request(newSandbox(t), 3)
	prewired(t, b, r, peer)
	wantWires(t, b, r, peer)
	if refs, err := b.List(testContext(t)); len(refs) != 0 || err != nil {
		t.Error("wires are listed as attachments:", refs, err)
	}
	boundWired(t, b, r, peer)
	if bound(t, b, classic).Prewired {
		t.Error("hung on a wire that was never made")
	}
	wantIDs := map[string]string{
		"kuryr-port": r.Lease.PortID, "attached-mac": r.Lease.MAC, "vm-uuid": r.Attachment,
		"kuryr-attachment": r.Attachment, "kuryr-sandbox": "sandbox-1", "kuryr-interface": "eth0",
		"kuryr-cluster": "test", "kuryr-node": "node1",
	}
	if d := cmp.Diff(wantIDs, interfaceIDs(t, b, hostName(r.Lease.PortID))); d != "" {
		t.Error("external_ids (-want +got):\n", d)
	}
	for family := range 2 {
		talk(t, r, peer, family)
		talk(t, classic, r, family)
	}
	if h := b.Probe(testContext(t)); h.Ports != 3 || h.Prewired != 2 {
		t.Error("probe counts", h.Ports, "ports,", h.Prewired, "prewired")
	}
	if got := gathered(t, registry, "kuryr_ovs_prewired"); got != 2 {
		t.Error("kuryr_ovs_prewired is", got)
	}
	for range 2 {
		unbound(t, b, r)
		checkNothingLeft(t, n, b, r)
		wantWires(t, b, peer)
	}
	talk(t, classic, peer, 0)
}

func TestARightWireIsKeptByTheNextAgentAndAWrongOneReplaced(t *testing.T) {
	n := startPlayedOVN(t)
	r, peer := request(newSandbox(t), 1), request(newSandbox(t), 2)
	first := n.newBinder()
	prewired(t, first, r, peer)
	bound(t, first, peer)
	near, far := nearName(r.Lease.PortID), first.owner.farName(1)
	for _, c := range []struct {
		name  string
		wrong func()
		kept  bool
	}{
		{"it is right", func() {}, true},
		{"the near end went", func() { n.vsctl("del-port", near) }, false},
		{"the far end went", func() { n.vsctl("del-port", far) }, false},
		{"it is of another MAC", func() { n.vsctl("set", "interface", near, "external_ids:attached-mac=fa:16:3e:00:00:99") }, false},
		{"it is of no port", func() { n.vsctl("remove", "interface", near, "external_ids", "iface-id") }, false},
		{"it is of an agent that had another name", func() {
			n.vsctl("set", "interface", near, "external_ids:kuryr-node=old", "--", "set", "interface", far, "external_ids:kuryr-node=old")
		}, false},
		{"it leads elsewhere", func() { n.vsctl("set", "interface", far, "options:peer=nowhere") }, false},
		{"it has another tag", func() { n.vsctl("set", "port", far, "tag=2") }, false},
		{"it is in another bridge", func() {
			n.vsctl("add-br", "br-x", "--", "set", "bridge", "br-x", "datapath_type=netdev")
			n.vsctl("remove", "bridge", "br-int", "ports", n.vsctl("get", "port", near, "_uuid"), "--",
				"add", "bridge", "br-x", "ports", n.vsctl("get", "port", near, "_uuid"))
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := wireRows(n, r)
			c.wrong()
			b := n.newBinder()
			prewired(t, b, r)
			after := wireRows(n, r)
			if kept := before == after; kept != c.kept {
				t.Errorf("kept is %v: before %q, after %q", kept, before, after)
			}
			r := r
			r.Netns = newSandbox(t)
			boundWired(t, b, r)
			talk(t, r, peer, 0).close()
			// The wire stays for the next case.
			dropSandbox(t, b, r)
		})
	}
}

// dropSandbox removes a sandbox's interface, and not its wire.
func dropSandbox(t *testing.T, b *Binder, r binder.Request) {
	t.Helper()
	c, err := b.session.connected(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	port, _ := c.port(hostName(r.Lease.PortID))
	if err := b.session.removePorts(testContext(t), *port); err != nil {
		t.Fatal(err)
	}
	if err := b.deleteVeth(port.Name, ""); err != nil {
		t.Fatal(err)
	}
	if err := b.session.awaitSeen(testContext(t), port.Name); err != nil {
		t.Fatal(err)
	}
}

func TestPrewireDoesNothingWhereThereIsNothingToGain(t *testing.T) {
	n := startNode(t)
	r := request("", 1)
	for _, b := range []*Binder{
		n.newBinder(func(o *Options) { o.Ready = ReadyNeutron }),
		n.newBinder(func(o *Options) { o.Ready = ReadyOVN }),
	} {
		l := r.Lease
		if b.opts.Ready == ReadyOVN {
			l.Bridge = "br-nowhere"
		}
		if done, err := b.Prewire(testContext(t), l); done || err != nil {
			t.Error(done, err)
		}
	}
	if got := n.vsctl("list-br"); got != "br-int" {
		t.Error("bridges:", got)
	}
}

func TestWhenOVNIsSilentAPrewireSaysSoAndLeavesNothing(t *testing.T) {
	n := startNode(t)
	n.vsctl("set", "open_vswitch", ".", "external_ids:ovn-remote=unix:/nowhere", "external_ids:system-id=c1", "external_ids:hostname=h1")
	b := n.newBinder()
	r := request("", 1)
	r.Lease.Host = "h2"
	ctx, giveUp := context.WithCancel(testContext(t))
	done := inBackground(func() error { _, err := b.Prewire(ctx, r.Lease); return err })
	awaitTaken(t, b, nearName(r.Lease.PortID))
	giveUp()
	err := <-done
	for _, want := range []string{
		"prewire port " + r.Lease.PortID, "ovn-controller did not wire port " + r.Lease.PortID, `ovn-installed=""`,
		"the port's binding:host_id is h2, this node is h1 (system-id c1)",
	} {
		wantError(t, err, fault.Unavailable, want)
	}
	if rows := wireRows(n, r); rows != "" {
		t.Error("left:", rows)
	}
}

func TestAWireWhoseSandboxRunsIsNotRemovedBecauseOVNIsSilent(t *testing.T) {
	n := startPlayedOVN(t)
	b := n.newBinder()
	r := request(newSandbox(t), 1)
	prewired(t, b, r)
	boundWired(t, b, r)
	// ovs-vswitchd hangs and OVN takes its word back.
	before := wireRows(n, r)
	n.signalSwitch(sigStop)
	n.vsctl("--no-wait", "remove", "interface", nearName(r.Lease.PortID), "ofport", "1", "--",
		"clear", "interface", nearName(r.Lease.PortID), "ofport")
	awaitNotTaken(t, b, nearName(r.Lease.PortID))
	ctx, giveUp := context.WithCancel(testContext(t))
	giveUp()
	if _, err := b.Prewire(ctx, r.Lease); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	n.signalSwitch(sigCont)
	if after := wireRows(n, r); after != before {
		t.Errorf("the wire was %q, is %q", before, after)
	}
}

func awaitNotTaken(t *testing.T, b *Binder, name string) {
	t.Helper()
	w := b.session.watches.open(name)
	defer w.stop()
	ctx := testContext(t)
	for {
		if in, known := b.lookByName(name); known && in != nil && !in.taken(true) {
			return
		}
		select {
		case <-w.C:
		case <-ctx.Done():
			t.Fatal("still taken: ", name)
		}
	}
}

func TestABindOnAWireWaitsForOVNsWordAndNoLongerThanItsCaller(t *testing.T) {
	n := startNode(t)
	b := n.newBinder(func(o *Options) { o.Ready = ReadyOVN })
	r := request(newSandbox(t), 1)
	near := nearName(r.Lease.PortID)
	setInstalled := func() { n.vsctl("set", "interface", near, "external_ids:ovn-installed=true") }
	ready := inBackground(func() error { _, err := b.Prewire(testContext(t), r.Lease); return err })
	awaitTaken(t, b, near)
	setInstalled()
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	n.vsctl("remove", "interface", near, "external_ids", "ovn-installed")
	awaitNotTaken(t, b, near)
	ctx, giveUp := context.WithCancel(testContext(t))
	failed := inBackground(func() error { _, err := b.Bind(ctx, r); return err })
	awaitTaken(t, b, hostName(r.Lease.PortID))
	giveUp()
	wantError(t, <-failed, fault.Unavailable, "ovn-controller did not wire port "+r.Lease.PortID)
	checkNothingLeft(t, n, b, r)
	wantWires(t, b, r)
	done := inBackground(func() error { _, err := b.Bind(testContext(t), r); return err })
	awaitTaken(t, b, hostName(r.Lease.PortID))
	setInstalled()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestPrewireRefusesABoundPortAndWhatIsNotKuryrs(t *testing.T) {
	n := startPlayedOVN(t)
	b := n.newBinder()
	r, other := request(newSandbox(t), 1), request("", 2)
	bound(t, b, r)
	_, err := b.Prewire(testContext(t), r.Lease)
	wantError(t, err, fault.Conflict, "the port is bound already, to interface "+hostName(r.Lease.PortID))
	near := nearName(other.Lease.PortID)
	n.vsctl("add-port", "br-int", near, "--", "set", "interface", near, "type=internal")
	awaitRow(t, b, near)
	_, err = b.Prewire(testContext(t), other.Lease)
	wantError(t, err, fault.Conflict, "interface "+near+" already")
	n.vsctl("get", "interface", near, "name")
	wantWires(t, b)
}

func TestAWireThatCannotBeUsedGivesWayToAPlainBind(t *testing.T) {
	n := startPlayedOVN(t)
	b := n.newBinder()
	r, peer := request(newSandbox(t), 1), request(newSandbox(t), 2)
	bound(t, b, peer)
	prewired(t, b, r)
	n.vsctl("del-port", b.owner.farName(1))
	awaitNoRow(t, b, b.owner.farName(1))
	if bound(t, b, r).Prewired {
		t.Error("hung on half a wire")
	}
	talk(t, r, peer, 0)
	wantWires(t, b)
}

func TestCheckNamesABrokenWireAndPrewireMendsIt(t *testing.T) {
	n := startPlayedOVN(t)
	b := n.newBinder()
	r, peer := request(newSandbox(t), 1), request(newSandbox(t), 2)
	prewired(t, b, peer, r)
	boundWired(t, b, peer, r)
	made := binder.Result{Prewired: true}
	for _, damage := range [][]string{
		{"del-port", b.owner.farName(2)},
		{"set", "interface", b.owner.farName(2), "options:peer=nowhere"},
		{"set", "port", b.owner.farName(2), "tag=7"},
	} {
		n.vsctl(damage...)
		if damage[0] == "del-port" {
			awaitNoRow(t, b, b.owner.farName(2))
		}
		err := b.Check(testContext(t), r, made)
		wantError(t, err, fault.Conflict, "the wire ")
		prewired(t, b, r)
		if err := b.Check(testContext(t), r, made); err != nil {
			t.Error(err)
		}
		talk(t, peer, r, 0).close()
	}
	n.vsctl("set", "port", hostName(r.Lease.PortID), "tag=7")
	wantError(t, b.Check(testContext(t), r, made), fault.Conflict, "does not join "+hostName(r.Lease.PortID))
}

func TestTagsAreUniqueTheLowestFreeAndEnd(t *testing.T) {
	n := startPlayedOVN(t)
	b, other := n.newBinder(), n.newBinder(func(o *Options) { o.Node = "node2" })
	const count = 40
	requests := make([]binder.Request, count)
	for i := range requests {
		requests[i] = request("", i+1)
	}
	atOnce(t, requests, func(r binder.Request) error { _, err := b.Prewire(testContext(t), r.Lease); return err })
	tags := func(b *Binder) []string {
		c, err := b.session.connected(testContext(t))
		if err != nil {
			t.Fatal(err)
		}
		used, _ := c.usedTags(b.owner, "")
		out := []string{}
		for tag := range used {
			out = append(out, b.owner.farName(tag))
		}
		slices.Sort(out)
		return out
	}
	if got := tags(b); len(got) != count || !slices.Contains(got, b.owner.farName(count)) {
		t.Error("far ends:", got)
	}
	prewired(t, other, request("", 100))
	if got := tags(other); !cmp.Equal(got, []string{other.owner.farName(1)}) {
		t.Error("another agent's far ends:", got)
	}
	wantWires(t, other, request("", 100))
	c, err := b.session.connected(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	freed := c.wireOf(b.owner, requests[6].Lease.PortID).tag
	if err := b.Unwire(testContext(t), requests[6].Lease.PortID); err != nil {
		t.Fatal(err)
	}
	if err := b.session.awaitSeen(testContext(t), b.owner.farName(freed)); err != nil {
		t.Fatal(err)
	}
	b.tags.pending = map[int]bool{}
	for tag := 1; tag <= maxTag; tag++ {
		b.tags.pending[tag] = tag != freed
	}
	prewired(t, b, request("", 200))
	_, err = b.Prewire(testContext(t), request("", 201).Lease)
	wantError(t, err, fault.Quota, "all 4094 VLAN tags of bridge "+b.owner.bridge+" are used")
}

func TestFiftyPrewiredBindsAtOnceAndNothingLeaks(t *testing.T) {
	n := startPlayedOVN(t)
	b := n.newBinder()
	const count = 50
	requests := make([]binder.Request, count)
	for i := range requests {
		requests[i] = request(newSandbox(t), i+1)
	}
	for range 2 {
		atOnce(t, requests, func(r binder.Request) error { _, err := b.Prewire(testContext(t), r.Lease); return err })
		atOnce(t, requests, func(r binder.Request) error { _, err := b.Bind(testContext(t), r); return err })
		talk(t, requests[0], requests[count-1], 0).close()
		atOnce(t, requests, func(r binder.Request) error { return b.Unplug(testContext(t), refFor(&r)) })
		wantWires(t, b)
		atOnce(t, requests, func(r binder.Request) error { return b.Unbind(testContext(t), refFor(&r)) })
	}
	for _, r := range []binder.Request{requests[0], requests[count-1]} {
		checkNothingLeft(t, n, b, r)
	}
	if got := n.vsctl("list-ports", b.owner.bridge) + n.vsctl("list-ports", "br-int"); got != "" {
		t.Error("left:", got)
	}
	if refs, err := b.List(testContext(t)); err != nil || len(refs) != 0 {
		t.Error("left:", refs, err)
	}
}
