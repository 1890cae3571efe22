// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kuryr-go/kuryr/internal/binder"
)

// prewired expects that a port is made ready.
func prewired(t testing.TB, b *Binder, r binder.Request) {
	t.Helper()
	done, err := b.Prewire(testContext(t), r.Lease)
	if err != nil || !done {
		t.Fatal("prewire: ", done, err)
	}
}

func wantWires(t testing.TB, b *Binder, want ...string) {
	t.Helper()
	got, err := b.Wires(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) || len(want) > 0 && !cmp.Equal(want, got) {
		t.Errorf("wires are %v, want %v", got, want)
	}
}

func TestWithARealOVNAPrewiredPortTalks(t *testing.T) {
	n := startOVN(t)
	b := n.newBinder()
	r1, r2, classic := request(newSandbox(t), 1), request(newSandbox(t), 2), request(newSandbox(t), 3)
	for _, r := range []*binder.Request{&r1, &r2, &classic} {
		n.addLogicalPort(r)
	}
	prewired(t, b, r1)
	prewired(t, b, r2)
	wantWires(t, b, r1.Lease.PortID, r2.Lease.PortID)
	for _, r := range []binder.Request{r1, r2} {
		made := bound(t, b, r)
		if !made.Wired || !made.Prewired {
			t.Errorf("%+v", made)
		}
		if err := b.Check(testContext(t), r, made); err != nil {
			t.Error(err)
		}
	}
	if made := bound(t, b, classic); !made.Wired || made.Prewired {
		t.Errorf("%+v", made)
	}
	for family := range 2 {
		talk(t, r1, r2, family)
		talk(t, r1, classic, family)
		talk(t, classic, r2, family)
	}
	for _, r := range []binder.Request{r1, r2, classic} {
		if err := b.Unplug(testContext(t), refFor(&r)); err != nil {
			t.Fatal(err)
		}
	}
	wantWires(t, b)
}
