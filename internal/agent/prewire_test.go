// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agent

import (
	"testing"
	"time"

	"github.com/kuryr-go/kuryr/internal/agent/journal"
	"github.com/kuryr-go/kuryr/internal/lease"
)

func TestTheSwitchIsNotWaitedForWhenALeaseIsOnItsWayOut(t *testing.T) {
	b := newBook(time.Second)
	class := lease.Class{Network: "net"}
	for _, id := range []string{"a", "b"} {
		b.put(journal.HeldLease{Lease: lease.Lease{PortID: id}, Class: class, State: journal.Free, Since: time.Now()})
	}
	orders := b.toWire(t.Context(), wireWorkers)
	if len(orders) != 2 || len(b.toWire(t.Context(), wireWorkers)) != 0 {
		t.Fatalf("ordered %+v", orders)
	}
	b.saved(b.find("a"))
	for _, o := range orders {
		defer o.stop()
		if ended := o.ctx.Err() != nil; ended != (o.lease.PortID == "a") {
			t.Errorf("%s: ended %v", o.lease.PortID, ended)
		}
	}
	if got := b.drained(); len(got) != 0 {
		t.Errorf("%+v may be deleted while the switch is asked to take it", got)
	}
	if free, stale := b.wired("a", false, true); free || !stale {
		t.Errorf("free %v, stale %v", free, stale)
	}
	if got := b.drained(); len(got) != 1 || got[0].PortID != "a" {
		t.Errorf("then %+v may be deleted", got)
	}
}
