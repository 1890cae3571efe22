// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ovn-kubernetes/libovsdb/cache"
	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// playController does on a node what ovn-controller does to Interface rows: it
// sets ovn-installed on each with an iface-id, once ovs-vswitchd has opened it.
func playController(t *testing.T, n *node) {
	t.Helper()
	m, err := databaseModel()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.NewOVSDBClient(m, client.WithEndpoint(n.database()))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Connect(testContext(t)); err != nil {
		t.Fatal(err)
	}
	rows := make(chan *interfaceRow, 1000)
	notify := func(_ string, m model.Model) {
		if in, ok := m.(*interfaceRow); ok {
			rows <- in
		}
	}
	c.Cache().AddEventHandler(&cache.EventHandlerFuncs{AddFunc: notify, UpdateFunc: func(table string, _, m model.Model) { notify(table, m) }})
	var in interfaceRow
	if _, err := c.Monitor(testContext(t), c.NewMonitor(client.WithTable(&in, &in.Name, &in.ExternalIDs, &in.OfPort))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case in := <-rows:
				if in.ExternalIDs[keyPort] != "" && in.ExternalIDs[keyInstalled] == "" && in.taken(false) {
					setInstalled(ctx, c, in)
				}
			}
		}
	})
	gone := make(chan struct{})
	go func() { <-c.DisconnectNotify(); close(gone) }()
	t.Cleanup(func() {
		cancel()
		running.Wait()
		c.Close()
		<-gone
	})
}

func setInstalled(ctx context.Context, c client.Client, in *interfaceRow) {
	_, _ = c.Transact(ctx, ovsdb.Operation{
		Op: ovsdb.OperationMutate, Table: tableInterface,
		Where:     []ovsdb.Condition{ovsdb.NewCondition("_uuid", ovsdb.ConditionEqual, ovsdb.UUID{GoUUID: in.UUID})},
		Mutations: []ovsdb.Mutation{*ovsdb.NewMutation(columnExternal, ovsdb.MutateOperationInsert, externalID(keyInstalled, "true"))},
	})
}

func TestWithOVNABindIsWiredWhenOVNSaysSo(t *testing.T) {
	n := startNode(t)
	n.vsctl("set", "open_vswitch", ".", "external_ids:ovn-remote=unix:/nowhere", "external_ids:system-id=c1")
	playController(t, n)
	b := n.newBinder()
	r := request(newSandbox(t), 1)
	if res := bound(t, b, r); !res.Wired {
		t.Error("not wired")
	}
	if got := interfaceIDs(t, b, hostName(r.Lease.PortID))[keyInstalled]; got != "true" {
		t.Errorf("returned with ovn-installed=%q", got)
	}
	if h := b.Probe(testContext(t)); h.Ready != "ovn" || h.Problem != "" {
		t.Errorf("probe: %+v", h)
	}
}

func TestWhenOVNIsSilentABindFailsWithWhatIsKnownAndLeavesNothing(t *testing.T) {
	n := startNode(t)
	n.vsctl("set", "open_vswitch", ".", "external_ids:ovn-remote=unix:/nowhere", "external_ids:system-id=c1", "external_ids:hostname=h1")
	b := n.newBinder()
	r := request(newSandbox(t), 1)
	r.Lease.Host = "h2"
	ctx, giveUp := context.WithCancel(testContext(t))
	done := inBackground(func() error { _, err := b.Bind(ctx, r); return err })
	awaitTaken(t, b, hostName(r.Lease.PortID))
	giveUp()
	err := <-done
	for _, want := range []string{
		"ovn-controller did not wire port " + r.Lease.PortID, `ofport 1, ovn-installed=""`, "chassis c1", "ovn-remote unix:/nowhere",
		"the port's binding:host_id is h2, this node is h1 (system-id c1)",
	} {
		wantError(t, err, fault.Unavailable, want)
	}
	checkNothingLeft(t, n, b, r)
}

// awaitTaken waits until ovs-vswitchd has opened an interface.
func awaitTaken(t *testing.T, b *Binder, name string) {
	t.Helper()
	w := b.session.watches.open(name)
	defer w.stop()
	ctx := testContext(t)
	for {
		if in, _ := b.lookByName(name); in != nil && in.taken(false) {
			return
		}
		select {
		case <-w.C:
		case <-ctx.Done():
			t.Fatal("not taken: ", name)
		}
	}
}

func TestWithoutTheSwitchDaemonABindSaysSo(t *testing.T) {
	n := startNode(t)
	b := n.newBinder()
	n.stopSwitch()
	r := request(newSandbox(t), 1)
	ctx, giveUp := context.WithCancel(testContext(t))
	done := inBackground(func() error { _, err := b.Bind(ctx, r); return err })
	awaitRow(t, b, hostName(r.Lease.PortID))
	giveUp()
	wantError(t, <-done, fault.Unavailable, "is ovs-vswitchd running?")
	checkNothingLeft(t, n, b, r)
}

func TestABindIsTraced(t *testing.T) {
	n := startNode(t)
	playController(t, n)
	b := n.newBinder(func(o *Options) { o.Ready = ReadyOVN })
	recorder := tracetest.NewSpanRecorder()
	ctx, root := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("test").Start(testContext(t), "add")
	r := request(newSandbox(t), 1)
	if _, err := b.Bind(ctx, r); err != nil {
		t.Fatal(err)
	}
	if err := b.Unbind(ctx, refFor(&r)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range recorder.Ended() {
		if s.Parent().SpanID() != root.SpanContext().SpanID() {
			t.Error("not a child of the caller's span:", s.Name())
		}
		got = append(got, s.Name())
	}
	slices.Sort(got)
	want := []string{spanConfigure, spanCreate, spanDelete, spanTransact, spanTransact, spanInstalled}
	if d := cmp.Diff(want, got); d != "" {
		t.Error("spans (-want +got):\n", d)
	}
}
