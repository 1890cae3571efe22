// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/binder/sandbox"
	"github.com/kuryr-go/kuryr/internal/fault"
)

const (
	sigStop = unix.SIGSTOP
	sigCont = unix.SIGCONT
)

func TestLeftoversOfTheSamePortAreReplaced(t *testing.T) {
	for _, c := range []struct {
		name  string
		crash func(t *testing.T, b *Binder, old binder.Request)
	}{
		{"everything is there", func(*testing.T, *Binder, binder.Request) {}},
		{"the sandbox went, and the device with it", func(t *testing.T, _ *Binder, old binder.Request) {
			deleteInSandbox(t, old)
		}},
		{"the row went", func(t *testing.T, b *Binder, old binder.Request) {
			c, err := b.session.current()
			if err != nil {
				t.Fatal(err)
			}
			port, _ := c.port(hostName(old.Lease.PortID))
			if err := b.session.removePorts(testContext(t), *port); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := startNode(t)
			peer, r := request(newSandbox(t), 1), request(newSandbox(t), 2)
			old := n.newBinder()
			bound(t, old, peer)
			bound(t, old, r)
			talk(t, peer, r, 0)
			c.crash(t, old, r)
			again := request(newSandbox(t), 2)
			again.Attachment = "bbbbbbbb-0000-4000-8000-000000000002"
			b := n.newBinder()
			bound(t, b, again)
			talk(t, peer, again, 0)
			// The old attachment's end comes late: it must not hurt the new one.
			unbound(t, b, r)
			talk(t, peer, again, 1)
			unbound(t, b, again)
			checkNothingLeft(t, n, b, again)
		})
	}
}

func deleteInSandbox(t *testing.T, r binder.Request) {
	t.Helper()
	in(t, r.Netns, func(h *netlink.Handle) error {
		link, err := h.LinkByName(r.Interface)
		if err != nil {
			return err
		}
		return h.LinkDel(link)
	})
}

func TestADeviceOfABindCutShortBeforeItsAliasIsReplacedAndListed(t *testing.T) {
	n := startNode(t)
	b := n.newBinder()
	r := request(newSandbox(t), 1)
	p, err := planInterface(&r)
	if err != nil {
		t.Fatal(err)
	}
	box, err := sandbox.Open(r.Netns)
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	if err := b.addVeth(p, box); err != nil {
		t.Fatal(err)
	}
	refs, err := b.List(testContext(t))
	if want := []binder.Ref{{HostInterface: p.host.Name}}; err != nil || !cmp.Equal(want, refs) {
		t.Error(cmp.Diff(want, refs), err)
	}
	bound(t, b, r)
	unbound(t, b, r)
	if err := b.addVeth(p, box); err != nil {
		t.Fatal(err)
	}
	if err := b.Unbind(testContext(t), refs[0]); err != nil {
		t.Error(err)
	}
	checkNothingLeft(t, n, b, r)
}

func TestWhatIsNotKuryrsIsAConflictAndStays(t *testing.T) {
	n := startNode(t)
	b := n.newBinder()
	name := hostName(request("", 1).Lease.PortID)

	t.Run("row of the port under another name", func(t *testing.T) {
		r := request(newSandbox(t), 1)
		n.vsctl("add-port", "br-int", "vm0", "--", "set", "interface", "vm0", "type=internal", "external_ids:iface-id="+r.Lease.PortID)
		awaitRow(t, b, "vm0")
		_, err := b.Bind(testContext(t), r)
		wantError(t, err, fault.Conflict, "interface vm0 of port")
		unbound(t, b, r)
		n.vsctl("get", "interface", "vm0", "name")
		n.vsctl("del-port", "vm0")
	})
	t.Run("row of the name", func(t *testing.T) {
		r := request(newSandbox(t), 1)
		n.vsctl("add-port", "br-int", name, "--", "set", "interface", name, "type=internal")
		awaitRow(t, b, name)
		_, err := b.Bind(testContext(t), r)
		wantError(t, err, fault.Conflict, "interface "+name)
		unbound(t, b, r)
		n.vsctl("get", "interface", name, "name")
		n.vsctl("del-port", name)
	})
	t.Run("device of the name", func(t *testing.T) {
		r := request(newSandbox(t), 1)
		if err := addVethPair(b.host, name); err != nil {
			t.Fatal(err)
		}
		_, err := b.Bind(testContext(t), r)
		wantError(t, err, fault.Conflict, "the node has a device "+name+" already that is not Kuryr's")
		unbound(t, b, r)
		link, err := b.findLink(name)
		if link == nil || err != nil {
			t.Fatal("somebody else's device was removed: ", err)
		}
		if err := b.host.LinkDel(link); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAPortUsedAgainAtOnceCarriesDataAlthoughTheSwitchWasSlow(t *testing.T) {
	n := startNode(t)
	b := n.newBinder()
	peer, r := request(newSandbox(t), 1), request(newSandbox(t), 2)
	bound(t, b, peer)
	bound(t, b, r)
	talk(t, peer, r, 0)
	n.signalSwitch(sigStop)
	unbound(t, b, r)
	again := request(newSandbox(t), 2)
	done := inBackground(func() error { _, err := b.Bind(testContext(t), again); return err })
	n.signalSwitch(sigCont)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	talk(t, peer, again, 0)
}

func TestListIsOfThisClusterAndNodeOnly(t *testing.T) {
	n := startNode(t)
	b := n.newBinder()
	other := n.newBinder(func(o *Options) { o.Node = "node2" })
	r1, r2, r3 := request(newSandbox(t), 1), request(newSandbox(t), 2), request(newSandbox(t), 3)
	bound(t, b, r1)
	bound(t, b, r2)
	bound(t, other, r3)
	n.vsctl("add-port", "br-int", "vm0", "--", "set", "interface", "vm0", "type=internal", "external_ids:iface-id=x")
	refs, err := b.List(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]binder.Ref)
	for _, ref := range refs {
		got[ref.PortID] = ref
	}
	want := make(map[string]binder.Ref)
	for _, r := range []binder.Request{r1, r2} {
		ref := refFor(&r)
		ref.Netns, ref.HostInterface = "", hostName(r.Lease.PortID)
		want[r.Lease.PortID] = ref
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error("list (-want +got):\n", d)
	}
	if h := b.Probe(testContext(t)); h.Ports != 2 {
		t.Error("probe counts", h.Ports, "ports")
	}
	for _, ref := range refs {
		if err := b.Unbind(testContext(t), ref); err != nil {
			t.Error(err)
		}
	}
	if refs, err := b.List(testContext(t)); err != nil || len(refs) != 0 {
		t.Error("left:", refs, err)
	}
}

func TestUnbindNeedsNoNamespace(t *testing.T) {
	n := startNode(t)
	b := n.newBinder()
	r := request(newSandbox(t), 1)
	bound(t, b, r)
	endSandbox(r.Netns)
	if err := b.Unbind(testContext(t), binder.Ref{Attachment: r.Attachment}); err != nil {
		t.Error(err)
	}
	checkNothingLeft(t, n, b, r)
}

func TestAliveFollowsTheSandboxNotItsPath(t *testing.T) {
	n := startNode(t)
	b := n.newBinder()
	r := request(newSandbox(t), 1)
	alive := func(want bool) {
		t.Helper()
		if got, err := b.Alive(testContext(t), refFor(&r)); got != want || err != nil {
			t.Error("alive:", got, err)
		}
	}
	alive(false)
	bound(t, b, r)
	alive(true)
	n.stopDB()
	alive(true)
	deleteInSandbox(t, r)
	alive(false)
}
