// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/fault"
)

// gathered is the value of a metric without labels.
func gathered(t testing.TB, g prometheus.Gatherer, name string) float64 {
	t.Helper()
	for _, m := range families(t, g)[name].GetMetric() {
		return m.GetGauge().GetValue() + m.GetCounter().GetValue()
	}
	t.Fatal("no metric ", name)
	return 0
}

func families(t testing.TB, g prometheus.Gatherer) map[string]*dto.MetricFamily {
	t.Helper()
	list, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]*dto.MetricFamily)
	for _, f := range list {
		out[f.GetName()] = f
	}
	return out
}

// awaitSession waits until the binder is connected, or is not.
func awaitSession(t testing.TB, b *Binder, connected bool) {
	t.Helper()
	ctx := testContext(t)
	for {
		b.session.mu.Lock()
		cur, changed := b.session.cur, b.session.changed
		b.session.mu.Unlock()
		if (cur != nil) == connected {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatal("session never became connected=", connected)
		}
	}
}

// While ovsdb-server is away ovs-vswitchd's userspace datapath moves nothing
// (its main thread, which polls the devices, then waits for the database; the
// kernel datapath goes on). So what is in flight arrives late, and must arrive.
func TestARestartOfTheDatabaseLosesNothingAndBindsGoOn(t *testing.T) {
	n := startNode(t)
	registry := prometheus.NewRegistry()
	b := n.newBinder(func(o *Options) { o.Registerer = registry })
	r1, r2, r3 := request(newSandbox(t), 1), request(newSandbox(t), 2), request(newSandbox(t), 3)
	bound(t, b, r1)
	bound(t, b, r2)
	conversation := talk(t, r1, r2, 0)
	for round := range 3 {
		n.stopDB()
		awaitSession(t, b, false)
		if got := gathered(t, registry, "kuryr_ovs_connected"); got != 0 {
			t.Error("kuryr_ovs_connected is", got)
		}
		exchanged := inBackground(conversation.exchange)
		// A request that comes now waits for the session.
		rebound := inBackground(func() error { _, err := b.Bind(testContext(t), r3); return err })
		n.startDB()
		if err := <-rebound; err != nil {
			t.Fatal("bind after the restart:", err)
		}
		if err := <-exchanged; err != nil {
			t.Fatal("a running container lost data:", err)
		}
		talk(t, r1, r3, 1)
		unbound(t, b, r3)
		checkNothingLeft(t, n, b, r3)
		if got := gathered(t, registry, "kuryr_ovs_reconnects_total"); got != float64(round+1) {
			t.Error("kuryr_ovs_reconnects_total is", got)
		}
	}
}

func inBackground(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

func TestADatabaseThatHangsIsNoticedAndUsedAgain(t *testing.T) {
	n := startNode(t)
	b := n.newBinder()
	awaitSession(t, b, true)
	n.signal("ovsdb.pid", sigStop)
	awaitSession(t, b, false)
	n.signal("ovsdb.pid", sigCont)
	awaitSession(t, b, true)
	bound(t, b, request(newSandbox(t), 1))
}

func TestABinderStartsWithoutTheDatabaseAndSaysSo(t *testing.T) {
	n := newNode(t)
	b := n.newBinder()
	r := request(newSandbox(t), 1)
	h := b.Probe(testContext(t))
	if h.Connected || h.Problem == "" {
		t.Errorf("probe: %+v", h)
	}
	_, err := b.Bind(testContext(t), r)
	wantError(t, err, fault.Unavailable, "ovsdb-server at "+n.database()+" has not answered for ")
	wantError(t, err, fault.Unavailable, "is Open vSwitch running on this node?")
	if _, err := b.List(testContext(t)); !fault.Is(err, fault.Unavailable) {
		t.Error("list:", err)
	}
	n.startDB()
	awaitSession(t, b, true)
	if h := b.Probe(testContext(t)); !h.Connected || h.Problem != noBridge("br-int", n.database()).Error() {
		t.Errorf("probe without a bridge: %+v", h)
	}
	n.startSwitch()
	n.vsctl("add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=netdev")
	n.vsctl("set", "open_vswitch", ".", "external_ids:system-id=chassis-1", "external_ids:hostname=host-1", "ovs_version=3.1.0")
	bound(t, b, r)
	want := binder.Health{Kind: "ovs", Connected: true, Version: "3.1.0", Bridge: "br-int", Datapath: "netdev", Chassis: "chassis-1", Host: "host-1", Ready: "neutron", Ports: 1}
	if got := b.Probe(testContext(t)); got != want {
		t.Errorf("probe is %+v, want %+v", got, want)
	}
}

func TestTheBridgeIsTheLeasesElseTheDatabases(t *testing.T) {
	n := startNode(t)
	b := n.newBinder()
	for _, br := range []string{"br-a", "br-b"} {
		n.vsctl("add-br", br, "--", "set", "bridge", br, "datapath_type=netdev")
	}
	n.vsctl("set", "open_vswitch", ".", "external_ids:ovn-bridge=br-a")
	awaitSwitchRow(t, b, func(sw *switchRow) bool { return sw.ExternalIDs["ovn-bridge"] == "br-a" })
	r1, r2 := request(newSandbox(t), 1), request(newSandbox(t), 2)
	r2.Lease.Bridge = "br-b"
	bound(t, b, r1)
	bound(t, b, r2)
	for r, want := range map[*binder.Request]string{&r1: "br-a", &r2: "br-b"} {
		if got := n.vsctl("port-to-br", hostName(r.Lease.PortID)); got != want {
			t.Errorf("%s is in bridge %s, want %s", r.Sandbox, got, want)
		}
		unbound(t, b, *r)
		checkNothingLeft(t, n, b, *r)
	}
}

// awaitSwitchRow waits until the replica's Open_vSwitch row is as wanted.
func awaitSwitchRow(t testing.TB, b *Binder, ok func(*switchRow) bool) {
	t.Helper()
	w := b.session.watches.open(watchSwitch)
	defer w.stop()
	ctx := testContext(t)
	for {
		if c, err := b.session.connected(ctx); err == nil && ok(c.theSwitch()) {
			return
		}
		select {
		case <-w.C:
		case <-ctx.Done():
			t.Fatal("the Open_vSwitch row never became as wanted")
		}
	}
}

func TestUnbindWithoutTheDatabaseRemovesTheDeviceAndAsksForMore(t *testing.T) {
	n := startNode(t)
	b := n.newBinder()
	r := request(newSandbox(t), 1)
	bound(t, b, r)
	n.stopDB()
	awaitSession(t, b, false)
	err := b.Unbind(testContext(t), refFor(&r))
	wantError(t, err, fault.Unavailable, "ovsdb-server at ")
	if link, err := b.findLink(hostName(r.Lease.PortID)); link != nil || err != nil {
		t.Error("the device is left:", err)
	}
	n.startDB()
	awaitSession(t, b, true)
	unbound(t, b, r)
	checkNothingLeft(t, n, b, r)
}

func TestABindCutShortByTheDatabasesDeathIsUndoneWhenItIsBack(t *testing.T) {
	n := startNode(t)
	b := n.newBinder(func(o *Options) { o.Ready = ReadyOVN })
	r := request(newSandbox(t), 1)
	ctx, giveUp := context.WithCancel(testContext(t))
	done := inBackground(func() error { _, err := b.Bind(ctx, r); return err })
	name := hostName(r.Lease.PortID)
	awaitRow(t, b, name)
	n.stopDB()
	awaitSession(t, b, false)
	giveUp()
	// Either the answer to the transaction got lost, or the wait was cut short.
	wantError(t, <-done, fault.Unavailable, "ovs: bind port "+r.Lease.PortID)
	if link, err := b.findLink(name); link != nil || err != nil {
		t.Error("the device is left:", err)
	}
	n.startDB()
	awaitSession(t, b, true)
	awaitNoRow(t, b, name)
	checkNothingLeft(t, n, b, r)
}

func awaitNoRow(t testing.TB, b *Binder, name string) {
	t.Helper()
	w := b.session.watches.open(name)
	defer w.stop()
	ctx := testContext(t)
	for {
		if in, known := b.lookByName(name); known && in == nil {
			return
		}
		select {
		case <-w.C:
		case <-ctx.Done():
			t.Fatal("the row stays: ", name)
		}
	}
}

func (b *Binder) lookByName(name string) (in *interfaceRow, known bool) {
	c, err := b.session.current()
	if err != nil {
		return nil, false
	}
	in, _ = c.iface(name)
	return in, true
}
