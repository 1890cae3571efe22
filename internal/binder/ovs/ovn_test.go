// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/kuryr-go/kuryr/internal/binder"
)

// startOVN starts a node with a real OVN: central databases, ovn-northd, and
// ovn-controller, which makes br-int.
func startOVN(t testing.TB) *node {
	t.Helper()
	needOVS(t)
	for _, tool := range []string{"ovn-nbctl", "ovn-northd", "ovn-controller"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("KURYR_TEST_REQUIRE") == "1" {
				t.Fatal("cannot run: no ", tool)
			}
			t.Skip("cannot run: no " + tool + " (Debian: ovn-central, ovn-host)")
		}
	}
	n := newNode(t)
	t.Cleanup(func() {
		for _, daemon := range []string{"controller", "northd", "ovnsb", "ovnnb"} {
			n.kill(daemon + ".pid")
		}
	})
	n.startDB()
	n.startSwitch()
	for _, db := range []string{"nb", "sb"} {
		n.run("ovsdb-tool", "create", n.path("ovn"+db+".db"), "/usr/share/ovn/ovn-"+db+".ovsschema")
		n.run("ovsdb-server", append(n.daemon("ovn"+db), "--unixctl="+n.path("ovn"+db+".ctl"), "--remote=p"+n.socket("ovn"+db), n.path("ovn"+db+".db"))...)
	}
	n.run("ovn-northd", append(n.daemon("northd"), "--unixctl="+n.path("northd.ctl"), "--ovnnb-db="+n.socket("ovnnb"), "--ovnsb-db="+n.socket("ovnsb"))...)
	n.vsctl("set", "open_vswitch", ".", "external_ids:system-id=chassis-1", "external_ids:hostname=host-1",
		"external_ids:ovn-remote="+n.socket("ovnsb"), "external_ids:ovn-encap-type=geneve", "external_ids:ovn-encap-ip=127.0.0.1",
		"external_ids:ovn-bridge-datapath-type=netdev")
	n.run("ovn-controller", append(n.daemon("controller"), n.database())...)
	n.vsctl("wait-until", "bridge", "br-int", "datapath_type=netdev")
	n.nbctl("ls-add", "blue")
	return n
}

func (n *node) socket(name string) string { return "unix:" + n.path(name+".sock") }

func (n *node) daemon(name string) []string {
	return []string{
		"--detach", "--no-chdir", "-vconsole:off", "-vsyslog:off", "--log-file=" + n.path(name+".log"),
		"--pidfile=" + n.path(name+".pid"),
	}
}

func (n *node) nbctl(args ...string) {
	n.t.Helper()
	n.run("ovn-nbctl", append([]string{"--db=" + n.socket("ovnnb"), "--timeout=30"}, args...)...)
}

// addLogicalPort does what Neutron does for a port.
func (n *node) addLogicalPort(r *binder.Request) {
	n.t.Helper()
	addresses := r.Lease.MAC
	for _, a := range r.Lease.Addresses {
		addresses += " " + a.Prefix.Addr().String()
	}
	id := r.Lease.PortID
	n.nbctl("lsp-add", "blue", id, "--", "lsp-set-addresses", id, addresses)
}

func TestWithARealOVNPortsAreWiredAndTalkThoughUsedAgainAtOnce(t *testing.T) {
	n := startOVN(t)
	b := n.newBinder()
	peer, r := request(newSandbox(t), 1), request(newSandbox(t), 2)
	n.addLogicalPort(&peer)
	n.addLogicalPort(&r)
	if !bound(t, b, peer).Wired {
		t.Error("not wired")
	}
	var bind, unbind []time.Duration
	for range 10 {
		r.Netns = newSandbox(t)
		start := time.Now()
		if !bound(t, b, r).Wired {
			t.Error("not wired")
		}
		bind = append(bind, time.Since(start))
		talk(t, r, peer, 0).close()
		talk(t, r, peer, 1).close()
		start = time.Now()
		unbound(t, b, r)
		unbind = append(unbind, time.Since(start))
	}
	slices.Sort(bind)
	slices.Sort(unbind)
	t.Logf("bind %v to %v, median %v; unbind median %v", bind[0], bind[9], bind[5], unbind[5])
	checkNothingLeft(t, n, b, r)
}
