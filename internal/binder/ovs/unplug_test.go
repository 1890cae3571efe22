// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/fault"
)

func TestAfterUnplugThePortIsUsedAgainBeforeUnbindComes(t *testing.T) {
	n := startPlayedOVN(t)
	b := n.newBinder()
	peer := request(newSandbox(t), 1)
	bound(t, b, peer)
	for _, wired := range []bool{false, true} {
		old := request(newSandbox(t), 2)
		if wired {
			prewired(t, b, old)
		}
		if made := bound(t, b, old); made.Prewired != wired {
			t.Error("prewired is", made.Prewired)
		}
		talk(t, peer, old, 0).close()
		n.signalSwitch(sigStop)
		unplugged(t, b, old)
		unplugged(t, b, old)
		again := request(newSandbox(t), 2)
		again.Attachment = "bbbbbbbb-0000-4000-8000-000000000002"
		done := inBackground(func() error {
			if wired {
				if _, err := b.Prewire(testContext(t), again.Lease); err != nil {
					return err
				}
			}
			_, err := b.Bind(testContext(t), again)
			return err
		})
		n.signalSwitch(sigCont)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		talk(t, peer, again, 0).close()
		// The old attachment's end comes late, and more than once.
		unbound(t, b, old)
		unplugged(t, b, old)
		unbound(t, b, old)
		talk(t, peer, again, 1).close()
		unbound(t, b, again)
		checkNothingLeft(t, n, b, again)
		wantWires(t, b)
	}
}

func TestAfterUnplugTheSandboxGetsAnotherPortBeforeUnbindComes(t *testing.T) {
	n := startPlayedOVN(t)
	b := n.newBinder()
	peer, old := request(newSandbox(t), 1), request(newSandbox(t), 2)
	next := request(old.Netns, 3)
	bound(t, b, peer)
	bound(t, b, old)
	// While it is plugged its place is taken.
	_, err := b.Bind(testContext(t), next)
	wantError(t, err, fault.Conflict, "the sandbox has an interface eth0 already")
	talk(t, peer, old, 0).close()
	unplugged(t, b, old)
	bound(t, b, next)
	unbound(t, b, old)
	talk(t, peer, next, 0)
}

func TestUnbindAfterUnplugLeavesAWireMadeSince(t *testing.T) {
	n := startPlayedOVN(t)
	b := n.newBinder()
	r := request(newSandbox(t), 1)
	prewired(t, b, r)
	boundWired(t, b, r)
	unplugged(t, b, r)
	want := []binder.Ref{{Attachment: r.Attachment, HostInterface: hostName(r.Lease.PortID)}}
	if refs, err := b.List(testContext(t)); err != nil || !cmp.Equal(want, refs) {
		t.Error("a crash now would lose the device:", refs, err)
	}
	prewired(t, b, r)
	unbound(t, b, r)
	checkNothingLeft(t, n, b, r)
	wantWires(t, b, r)
	r.Netns = newSandbox(t)
	boundWired(t, b, r)
}

func TestUnplugAndUnwireOfNothingSucceedAndNeedTheDatabase(t *testing.T) {
	n := startPlayedOVN(t)
	b := n.newBinder()
	r, idle := request(newSandbox(t), 1), request("", 2)
	unplugged(t, b, r)
	if err := b.Unplug(testContext(t), binder.Ref{Attachment: r.Attachment}); err != nil {
		t.Error(err)
	}
	if err := b.Unwire(testContext(t), r.Lease.PortID); err != nil {
		t.Error(err)
	}
	prewired(t, b, r, idle)
	boundWired(t, b, r)
	unplugged(t, b, idle)
	wantWires(t, b, r)
	n.stopDB()
	awaitSession(t, b, false)
	for what, err := range map[string]error{
		"unplug":  b.Unplug(testContext(t), refFor(&r)),
		"unwire":  b.Unwire(testContext(t), r.Lease.PortID),
		"prewire": func() error { _, err := b.Prewire(testContext(t), r.Lease); return err }(),
		"wires":   func() error { _, err := b.Wires(testContext(t)); return err }(),
		"bridge":  b.Leave(testContext(t)),
	} {
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if link, err := b.findLink(hostName(r.Lease.PortID)); link == nil || err != nil {
		t.Error("unplug touched the device:", err)
	}
	n.startDB()
	awaitSession(t, b, true)
	if err := b.Unplug(testContext(t), binder.Ref{Attachment: r.Attachment}); err != nil {
		t.Error(err)
	}
	wantWires(t, b)
}
