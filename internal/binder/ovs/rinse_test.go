// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"os"
	"strings"
	"testing"

	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/fault"
)

// tracked is what the switch remembers of a port's connections.
func (n *node) tracked(portID string) string {
	n.t.Helper()
	zone := strings.Trim(n.vsctl("get", "bridge", "br-int", "external_ids:"+keyZone+portID), `"`)
	return n.run("ovs-appctl", "-t", n.path("vswitchd.ctl"), "dpctl/dump-conntrack", "zone="+zone)
}

// cutOff ends a sandbox and keeps its port's wire.
func cutOff(t *testing.T, b *Binder, r binder.Request) {
	t.Helper()
	ref := refFor(&r)
	ref.KeepWire = true
	if err := b.Unplug(testContext(t), ref); err != nil {
		t.Fatal(err)
	}
	if err := b.Unbind(testContext(t), ref); err != nil {
		t.Fatal(err)
	}
}

// guarded starts a real OVN with a peer and a sandbox on a wire, which may open
// connections and to which nobody may.
func guarded(t *testing.T) (n *node, b *Binder, r, peer binder.Request) {
	t.Helper()
	n = startOVN(t)
	b = n.newBinder()
	r, peer = request(newSandbox(t), 1), request(newSandbox(t), 2)
	n.addLogicalPort(&r)
	n.addLogicalPort(&peer)
	n.nbctl("acl-add", "blue", "from-lport", "1002", `inport == "`+r.Lease.PortID+`" && ip4`, "allow-related")
	n.nbctl("acl-add", "blue", "to-lport", "1001", `outport == "`+r.Lease.PortID+`" && ip4`, "drop")
	prewired(t, b, r)
	bound(t, b, peer)
	boundWired(t, b, r)
	return n, b, r, peer
}

func TestARinsedWireServesTheNextSandboxAndRemembersNothingOfTheOneBefore(t *testing.T) {
	n, b, r, peer := guarded(t)
	for range 3 {
		talk(t, r, peer, 0).close()
		if n.tracked(r.Lease.PortID) == "" {
			t.Fatal("the connections are not tracked: the test shows nothing")
		}
		cutOff(t, b, r)
		if wired, err := b.Rinse(testContext(t), r.Lease.PortID); !wired || err != nil {
			t.Fatal("rinse: ", wired, err)
		}
		if left := n.tracked(r.Lease.PortID); left != "" {
			t.Errorf("still tracked: %s", left)
		}
		wantWires(t, b, r)
		r.Netns = newSandbox(t)
		boundWired(t, b, r)
	}
	talk(t, r, peer, 0).close()
}

func TestAWireWhoseConnectionsCannotBeForgottenIsRemoved(t *testing.T) {
	n, b, r, peer := guarded(t)
	talk(t, r, peer, 0).close()
	if err := os.Remove(n.path("br-int.mgmt")); err != nil {
		t.Fatal(err)
	}
	cutOff(t, b, r)
	if wired, err := b.Rinse(testContext(t), r.Lease.PortID); wired || err != nil {
		t.Error("rinse: ", wired, err)
	}
	wantWires(t, b)
	if wired, err := b.Rinse(testContext(t), r.Lease.PortID); wired || err != nil {
		t.Error("rinse without a wire: ", wired, err)
	}
}

func TestAWireInUseIsNotRinsed(t *testing.T) {
	n, b, r, peer := guarded(t)
	c := talk(t, r, peer, 0)
	if _, err := b.Rinse(testContext(t), r.Lease.PortID); !fault.Is(err, fault.Conflict) {
		t.Error(err)
	}
	if n.tracked(r.Lease.PortID) == "" {
		t.Error("the connections of a sandbox that lives were forgotten")
	}
	resumed(t, c)
}
