// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package journal

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	bolt "go.etcd.io/bbolt"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var byValue = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmpopts.SortSlices(func(a, b Record) bool { return a.ID < b.ID }),
}

func open(t *testing.T, path string) *Journal {
	t.Helper()
	j, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func full() Record {
	no := false
	return Record{
		ID: "a1", Sandbox: "c1", Interface: "eth0", Scope: "net", Netns: "/run/netns/x", NetnsID: "4:1", State: Attached,
		Demand: lease.Demand{Network: "n", SecurityGroups: []string{}, FixedIPs: []netip.Addr{netip.MustParseAddr("10.0.0.5")}, PortSecurity: &no},
		MTU:    1400, DefaultRoute: &no,
		Lease: &lease.Lease{PortID: "p1", MAC: "fa:16:3e:00:00:01", MTU: 1442, Addresses: []lease.Address{
			{Prefix: netip.MustParsePrefix("10.0.0.5/24"), Gateway: netip.MustParseAddr("10.0.0.1"), Subnet: lease.Ref{ID: "s"}},
			{Prefix: netip.MustParsePrefix("2001:db8::5/64"), Subnet: lease.Ref{ID: "s6"}},
		}, Adopted: &lease.Adoption{DeviceID: "d"}},
		Bound: &binder.Result{Host: binder.Interface{Name: "tapx"}, Wired: true},
		Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
}

func TestARecordComesBackWholeAfterReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "agent.db")
	j := open(t, path)
	want := full()
	if err := j.Begin(want); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	got, found, err := open(t, path).Get("c1", "eth0")
	if err != nil || !found {
		t.Fatalf("Get: found %v, err %v", found, err)
	}
	if d := cmp.Diff(want, got, byValue); d != "" {
		t.Errorf("record differs (-want +got):\n%s", d)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("file mode: %v, %v; want 0600", fi.Mode(), err)
	}
}

func TestNilAndEmptySecurityGroupsStayDifferent(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "a.db"))
	for id, groups := range map[string][]string{"nil": nil, "empty": {}} {
		if err := j.Begin(Record{ID: id, Sandbox: id, Interface: "eth0", Demand: lease.Demand{SecurityGroups: groups}}); err != nil {
			t.Fatal(err)
		}
		got, _, err := j.Get(id, "eth0")
		if err != nil || (got.Demand.SecurityGroups == nil) != (groups == nil) {
			t.Errorf("%s: got %#v, err %v", id, got.Demand.SecurityGroups, err)
		}
	}
}

func TestAKeyHasOneAttachmentAndManyReleases(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "a.db"))
	first := Record{ID: "1", Sandbox: "c", Interface: "eth0", State: Attaching}
	if err := j.Begin(first); err != nil {
		t.Fatal(err)
	}
	second := first
	second.ID = "2"
	if err := j.Begin(second); !errors.Is(err, ErrExists) {
		t.Fatalf("second Begin: %v, want ErrExists", err)
	}
	if err := j.Release(first); err != nil {
		t.Fatal(err)
	}
	if err := j.Begin(second); err != nil {
		t.Fatalf("Begin after Release: %v", err)
	}
	// A late end of the first must not free the key of the second.
	if err := j.Delete(first); err != nil {
		t.Fatal(err)
	}
	got, found, err := j.Get("c", "eth0")
	if err != nil || !found || got.ID != "2" {
		t.Errorf("Get: %v %v %v, want record 2", got.ID, found, err)
	}
}

func TestASecondProcessIsToldThatTheJournalIsInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	open(t, path)
	_, err := Open(path)
	if !fault.Is(err, fault.Conflict) {
		t.Errorf("second Open: %v, want a conflict", err)
	}
}

func TestANewerLayoutAndADamagedFileAreRefused(t *testing.T) {
	newer := filepath.Join(t.TempDir(), "newer.db")
	j := open(t, newer)
	if err := j.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(keySchema, []byte("99")) }); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(t.TempDir(), "damaged.db")
	if err := os.WriteFile(damaged, []byte(fmt.Sprintf("%8192s", "not a database")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{newer, damaged} {
		if _, err := Open(path); err == nil {
			t.Errorf("%s was opened", filepath.Base(path))
		}
	}
}

// TestTheJournalEqualsAMap drives random histories against the obvious model.
func TestTheJournalEqualsAMap(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		j, err := Open(filepath.Join(dir, fmt.Sprint(n)))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = j.Close() }()
		j.db.NoSync = true // the histories are many, and no power fails here
		records, keys := map[string]Record{}, map[string]string{}
		for i := range rapid.IntRange(1, 25).Draw(t, "steps") {
			k := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
			switch op := rapid.SampledFrom([]string{"begin", "put", "release", "delete"}).Draw(t, "op"); {
			case op == "begin":
				r := Record{ID: fmt.Sprint(i), Sandbox: k, Interface: "eth0", State: Attaching}
				err := j.Begin(r)
				if _, taken := keys[k]; taken != errors.Is(err, ErrExists) {
					t.Fatalf("begin %s: taken %v, err %v", k, taken, err)
				} else if !taken {
					records[r.ID], keys[k] = r, r.ID
				}
			case keys[k] == "":
			case op == "put":
				r := records[keys[k]]
				r.State, r.MTU = Attached, i
				must(t, j.Put(r))
				records[r.ID] = r
			case op == "release":
				r := records[keys[k]]
				must(t, j.Release(r))
				r.State = Releasing
				records[r.ID] = r
				delete(keys, k)
			case op == "delete":
				must(t, j.Delete(records[keys[k]]))
				delete(records, keys[k])
				delete(keys, k)
			}
		}
		all, err := j.All()
		must(t, err)
		want := make([]Record, 0, len(records))
		for _, r := range records {
			want = append(want, r)
		}
		if d := cmp.Diff(want, all, byValue, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("records differ (-model +journal):\n%s", d)
		}
		for _, k := range []string{"a", "b", "c"} {
			r, found, err := j.Get(k, "eth0")
			must(t, err)
			if found != (keys[k] != "") || r.ID != keys[k] {
				t.Fatalf("key %s: got %q %v, want %q", k, r.ID, found, keys[k])
			}
		}
	})
}

func must(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
