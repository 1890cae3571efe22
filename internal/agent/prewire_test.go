// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agent

import (
	"fmt"
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

func TestALeaseIsTakenForWiredOnlyWhenTheSwitchHasIt(t *testing.T) {
	b := newBook(0)
	b.put(free("p"))
	orders := b.toWire(t.Context(), wireWorkers)
	if len(orders) != 1 {
		t.Fatalf("ordered %+v", orders)
	}
	defer orders[0].stop()
	// It is not lost, it is only not there yet.
	if g, err := b.take(t.Context(), blue); err != nil || g.wired {
		t.Errorf("while the switch is asked: %+v", g)
	}
	b.back(free("p"), true)
	if g, err := b.take(t.Context(), blue); err != nil || !g.wired {
		t.Errorf("when it has it: %+v", g)
	}
}

func TestOnlySoManyLeasesOfAPoolAreWiredAhead(t *testing.T) {
	b := newBook(0)
	for i := range 2 * WireAhead {
		b.back(free(fmt.Sprint(i)), i < 3)
	}
	orders := b.toWire(t.Context(), 100)
	for _, o := range orders {
		defer o.stop()
	}
	if want := WireAhead - 3; len(orders) != want {
		t.Errorf("%d are wired beside three, not %d", len(orders), want)
	}
	if again := b.toWire(t.Context(), 100); len(again) != 0 {
		t.Errorf("%d more are wired while these are", len(again))
	}
}

func TestAWireStaysWhileItsLeaseRestsAndGoesWithIt(t *testing.T) {
	b := newBook(0)
	resting := free("p")
	resting.State = journal.Cooling
	b.back(resting, true)
	b.put(free("p")) // it was checked
	if got := b.toUnwire(); len(got) != 0 || !b.pools[blue.Key()].held["p"].wired {
		t.Errorf("unwired: %v", got)
	}
	b.saved(b.find("p"))
	if got := b.toUnwire(); len(got) != 1 {
		t.Errorf("on its way out, unwired: %v", got)
	}
}
