// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package journal

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/kuryr-go/kuryr/internal/lease"
)

func held(port string) HeldLease {
	return HeldLease{
		Lease: lease.Lease{PortID: port, MAC: "fa:16:3e:00:00:01"}, Class: lease.Class{Network: "blue", SecurityGroups: []string{}},
		State: Free, Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
}

func TestALeaseIsHeldOrInAnAttachmentAndSurvivesReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	j := open(t, path)
	want := held("p1")
	check(t, j.Hold(want, held("p2")))
	reopen := func() {
		check(t, j.Close())
		j = open(t, path)
	}
	reopen()
	expect := func(ports ...string) {
		t.Helper()
		got := map[string]HeldLease{}
		list, err := j.Held()
		check(t, err)
		for _, l := range list {
			got[l.Lease.PortID] = l
		}
		if len(got) != len(ports) {
			t.Errorf("held: %v, want %v", got, ports)
		}
		for _, p := range ports {
			if d := cmp.Diff(want.Class, got[p].Class); d != "" {
				t.Errorf("class of %s (-want +got):\n%s", p, d)
			}
		}
	}
	expect("p1", "p2")

	rec := Record{ID: "a1", Sandbox: "c", Interface: "eth0", State: Attaching, Class: &want.Class, Lease: &want.Lease}
	check(t, j.Take(rec))
	expect("p2")
	other := rec
	other.ID, other.Lease = "a2", &lease.Lease{PortID: "p2"}
	if err := j.Take(other); !errors.Is(err, ErrExists) {
		t.Errorf("second Take of a key: %v", err)
	}
	reopen()
	expect("p2") // what could not be taken is still held

	check(t, j.Release(rec))
	cooling := want
	cooling.State = Cooling
	check(t, j.Recycle(rec, cooling))
	reopen()
	expect("p1", "p2")
	if all, err := j.All(); err != nil || len(all) != 0 {
		t.Errorf("records: %v, %v", all, err)
	}
	check(t, j.Drop("p1", "p2", "never"))
	expect()
}

func TestAFileOfTheLayoutBeforeLeasesIsTakenOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	j := open(t, path)
	check(t, j.Begin(full()))
	check(t, j.db.Update(func(tx *bolt.Tx) error {
		if err := tx.DeleteBucket(bucketLeases); err != nil {
			return err
		}
		return tx.Bucket(bucketMeta).Put(keySchema, []byte("1"))
	}))
	check(t, j.Close())
	j = open(t, path)
	if _, found, err := j.Get("c1", "eth0"); !found || err != nil {
		t.Errorf("the record is lost: %v", err)
	}
	check(t, j.Hold(held("p1")))
}

func TestChangesThatComeTogetherAreAllMadeAndOneThatFailsFailsAlone(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "a.db"))
	const n = 100
	errs := make([]error, 2*n)
	var all sync.WaitGroup
	for i := range 2 * n {
		all.Go(func() { // each key twice
			errs[i] = j.Begin(Record{ID: fmt.Sprint(i), Sandbox: fmt.Sprint(i / 2), Interface: "eth0"})
		})
	}
	all.Wait()
	for i := 0; i < 2*n; i += 2 {
		if made, refused := errs[i] == nil, errors.Is(errs[i+1], ErrExists); made != refused || !made && !errors.Is(errs[i], ErrExists) {
			t.Errorf("key %d: %v and %v", i/2, errs[i], errs[i+1])
		}
	}
	if recs, err := j.All(); err != nil || len(recs) != n {
		t.Errorf("%d records, want %d; %v", len(recs), n, err)
	}
	check(t, j.Close())
	if err := j.Put(Record{ID: "late"}); err == nil {
		t.Error("a closed journal took a record")
	}
}

func TestACordonSurvivesReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	j := open(t, path)
	for _, want := range []bool{false, true, false} {
		check(t, j.Cordon(want))
		check(t, j.Close())
		j = open(t, path)
		if got, err := j.Cordoned(); got != want || err != nil {
			t.Errorf("cordoned %v, want %v; %v", got, want, err)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
