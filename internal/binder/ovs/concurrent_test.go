// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/fault"
)

func TestFiftyBindsAtOnceAndNothingLeaks(t *testing.T) {
	n := startNode(t)
	registry := prometheus.NewRegistry()
	b := n.newBinder(func(o *Options) { o.Registerer = registry })
	const count = 50
	requests := make([]binder.Request, count)
	for i := range requests {
		requests[i] = request(newSandbox(t), i+1)
	}
	fds := countFDs(t)
	for range 2 {
		atOnce(t, requests, func(r binder.Request) error { _, err := b.Bind(testContext(t), r); return err })
		talk(t, requests[0], requests[count-1], 0).close()
		if h := b.Probe(testContext(t)); h.Ports != count {
			t.Error("probe counts", h.Ports, "ports")
		}
		atOnce(t, requests, func(r binder.Request) error { return b.Unbind(testContext(t), refFor(&r)) })
	}
	for _, r := range []binder.Request{requests[0], requests[count-1]} {
		checkNothingLeft(t, n, b, r)
	}
	if refs, err := b.List(testContext(t)); err != nil || len(refs) != 0 {
		t.Error("left:", refs, err)
	}
	if now := countFDs(t); now > fds {
		t.Errorf("%d file descriptors were open, now %d", fds, now)
	}
	batches := families(t, registry)["kuryr_ovs_transaction_batch_size"].GetMetric()[0].GetHistogram()
	if batches.GetSampleSum() != 4*count || batches.GetSampleCount() >= 4*count {
		t.Errorf("%v items went in %d transactions", batches.GetSampleSum(), batches.GetSampleCount())
	}
	t.Logf("%v items went in %d transactions", batches.GetSampleSum(), batches.GetSampleCount())
}

func atOnce(t testing.TB, requests []binder.Request, f func(binder.Request) error) {
	t.Helper()
	var all sync.WaitGroup
	errs := make([]error, len(requests))
	for i, r := range requests {
		all.Go(func() { errs[i] = f(r) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func countFDs(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestInABatchWhatIsRefusedFailsAlone(t *testing.T) {
	n := startNode(t)
	b := n.newBinder()
	awaitSession(t, b, true)
	n.vsctl("add-port", "br-int", "taken", "--", "set", "interface", "taken", "type=internal")
	names := []string{"p1", "p2", "taken", "p3", "p4"}
	var batch []*item
	for i, name := range names {
		ids := map[string]string{keyPort: request("", i).Lease.PortID}
		batch = append(batch, &item{ops: insertOps(newPort{bridge: "br-int", name: name, ids: ids}), done: make(chan outcome, 1)})
	}
	// A bad bridge makes nothing, and refuses nothing.
	ids := map[string]string{keyPort: request("", 99).Lease.PortID}
	batch = append(batch, &item{ops: insertOps(newPort{bridge: "br-nowhere", name: "p5", ids: ids}), done: make(chan outcome, 1)})
	b.session.commit(batch)
	for i, name := range names {
		o := <-batch[i].done
		var no *refusal
		if refused := errors.As(o.err, &no); refused != (name == "taken") {
			t.Errorf("%s: %v", name, o.err)
		}
		if name != "taken" {
			n.vsctl("get", "port", name, "name")
		}
	}
	if o := <-batch[len(names)].done; o.err != nil || o.results[2].Count != 0 {
		t.Errorf("no bridge: %+v", o)
	}
}

func TestSeveralOperationsOnOnePortTakeTurns(t *testing.T) {
	n := startNode(t)
	b := n.newBinder()
	requests := make([]binder.Request, 8)
	for i := range requests {
		requests[i] = request(newSandbox(t), 1)
	}
	// Each Bind replaces the one before it: in the end one is left, whole.
	atOnce(t, requests, func(r binder.Request) error {
		_, err := b.Bind(testContext(t), r)
		return err
	})
	whole := 0
	for _, r := range requests {
		if b.Check(testContext(t), r, binder.Result{}) == nil {
			whole++
		}
	}
	if whole != 1 {
		t.Errorf("%d of the attachments are whole, want 1", whole)
	}
	unbound(t, b, requests[0])
	checkNothingLeft(t, n, b, requests[0])
}

func TestAfterCloseRequestsFail(t *testing.T) {
	n := startNode(t)
	b, err := New(Options{Database: n.database(), Cluster: "c", Node: "n"})
	if err != nil {
		t.Fatal(err)
	}
	awaitSession(t, b, true)
	b.Close()
	if _, err := b.List(testContext(t)); !fault.Is(err, fault.Unavailable) {
		t.Error("list:", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{
		{},
		{Cluster: "c"},
		{Cluster: "c", Node: "n", Ready: "soon"},
		{Cluster: "c", Node: "n", ChecksumOffload: "maybe"},
		{Cluster: "c", Node: "n", Database: "/run/db.sock"},
	} {
		if b, err := New(o); err == nil {
			b.Close()
			t.Errorf("accepted: %+v", o)
		}
	}
}
