// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package store

import (
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type thing struct {
	ID    string   `json:"id"`
	Owner string   `json:"owner"`
	Tags  []string `json:"tags"`
}

type things struct {
	*Store
	table        *Table[thing]
	owner, label *Index[thing]
}

func open(t interface{ Fatal(...any) }, path string) things {
	s := things{Store: New()}
	s.owner = NewIndex(func(x *thing) []string { return []string{x.Owner} })
	s.label = NewIndex(func(x *thing) []string { return x.Tags })
	s.table = NewTable(s.Store, "things", func(x *thing) string { return x.ID }, s.owner, s.label)
	if err := s.Open(path); err != nil {
		t.Fatal(err)
	}
	return s
}

// snapshot is everything that a reader can see.
func (s things) snapshot() map[string]thing {
	seen := map[string]thing{}
	s.View(func(r Reader) {
		for row := range s.table.All(r) {
			seen[row.ID] = *row
		}
	})
	return seen
}

var errRefused = errors.New("refused")

func TestAStoreIsAMapOfWhatSucceededAndOutlivesItsProcess(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		path := filepath.Join(dir, string(rune('a'+n%26))+rapid.StringMatching("[a-z]{12}").Draw(t, "file"))
		s, want := open(t, path), map[string]thing{}
		var seen []uint64
		s.Subscribe(func(c Commit) { seen = append(seen, c.Seq) })
		for range rapid.IntRange(1, 20).Draw(t, "updates") {
			draft, fail := maps.Clone(want), rapid.Bool().Draw(t, "fail")
			_, err := s.Update(func(tx *Tx) error {
				for range rapid.IntRange(0, 5).Draw(t, "steps") {
					step(t, s, tx, draft)
				}
				if fail {
					return errRefused
				}
				return nil
			})
			if fail != (err != nil) {
				t.Fatalf("update: %v", err)
			}
			if !fail {
				want = draft
			}
			if diff := cmp.Diff(want, s.snapshot()); diff != "" {
				t.Fatal(diff)
			}
			checkIndexes(t, s, want)
		}
		for i, seq := range seen {
			if seq != uint64(i+1) {
				t.Fatalf("commits seen: %v", seen)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		again := open(t, path)
		if diff := cmp.Diff(want, again.snapshot()); diff != "" {
			t.Fatal(diff)
		}
		checkIndexes(t, again, want)
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

var (
	ids  = rapid.SampledFrom([]string{"1", "2", "3", "4", "5"})
	keys = rapid.SampledFrom([]string{"", "x", "y", "yy"})
)

func step(t *rapid.T, s things, tx *Tx, want map[string]thing) {
	id := ids.Draw(t, "id")
	if rapid.Bool().Draw(t, "delete") {
		_, was := want[id]
		if s.table.Delete(tx, id) != was {
			t.Fatalf("delete %s: there before: %v", id, was)
		}
		delete(want, id)
		return
	}
	tags := rapid.SliceOfNDistinct(keys, 0, 3, rapid.ID).Draw(t, "tags")
	if len(tags) == 0 {
		tags = nil
	}
	row := thing{id, keys.Draw(t, "owner"), tags}
	s.table.Put(tx, &row)
	want[id] = row
	if got := s.table.Get(tx, id); got != &row {
		t.Fatalf("an update does not see what it did: %v", got)
	}
}

func checkIndexes(t *rapid.T, s things, want map[string]thing) {
	for _, key := range []string{"", "x", "y", "yy"} {
		var byOwner, byTag []string
		for _, id := range slices.Sorted(maps.Keys(want)) {
			if want[id].Owner == key {
				byOwner = append(byOwner, id)
			}
			if slices.Contains(want[id].Tags, key) {
				byTag = append(byTag, id)
			}
		}
		s.View(func(r Reader) {
			if got := named(s.table.By(r, s.owner, key)); !slices.Equal(got, byOwner) {
				t.Fatalf("owner %q: %v, want %v", key, got, byOwner)
			}
			if got := named(s.table.By(r, s.label, key)); !slices.Equal(got, byTag) || s.table.Count(r, s.label, key) != len(byTag) {
				t.Fatalf("tag %q: %v, want %v", key, got, byTag)
			}
		})
	}
}

func named(rows func(func(*thing) bool)) (names []string) {
	for row := range rows {
		names = append(names, row.ID)
	}
	return names
}

func TestAPanicInAnUpdateChangesNothingAndLeavesTheStoreUsable(t *testing.T) {
	s := open(t, "")
	func() {
		defer func() { _ = recover() }()
		_, _ = s.Update(func(tx *Tx) error {
			s.table.Put(tx, &thing{ID: "1"})
			panic("half-way")
		})
	}()
	if got := s.snapshot(); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
	if _, err := s.Update(func(tx *Tx) error { s.table.Put(tx, &thing{ID: "2"}); return nil }); err != nil {
		t.Error(err)
	}
}

func TestAFileServesOneProcessAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s := open(t, path)
	second := New()
	if err := second.Open(path); err == nil {
		t.Error("two stores have one file")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
