// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovsdb

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var schema = &Schema{Database: "test", Tables: []*Table{
	{Name: "Parent", Root: true, Columns: []Column{{"name", Scalar}, {"strong", Strong}, {"weak", Weak}}},
	{Name: "Child", Columns: []Column{
		{"name", Scalar}, {"number", Scalar}, {"yes", Scalar}, {"maybe", Optional}, {"set", Strings}, {"map", Text}, {"counts", Integers},
	}},
}}

// row is a row as the server has it, in the form of the wire.
type row struct {
	table  string
	atoms  map[string]any
	sets   map[string]map[string]bool // also of references
	maps   map[string]map[string]string
	parent bool
}

// db is a database of rows by id, made of nothing but the model above.
type db map[string]row

func uuid(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

var words = []string{"a", "b", "c", `q"<&`}

func someRow(t *rapid.T, n int) row {
	r := row{table: "Child", atoms: map[string]any{}, sets: map[string]map[string]bool{}, maps: map[string]map[string]string{}}
	set := func(from []string) map[string]bool {
		s := map[string]bool{}
		for _, w := range rapid.SliceOfN(rapid.SampledFrom(from), 0, 4).Draw(t, "set") {
			s[w] = true
		}
		return s
	}
	r.atoms["name"] = rapid.SampledFrom(append(words, "")).Draw(t, "name")
	if n%2 == 0 {
		r.table, r.parent = "Parent", true
		children := []string{uuid(1), uuid(3), uuid(5)}
		r.sets["strong"], r.sets["weak"] = set(children), set(children)
		return r
	}
	r.atoms["number"] = float64(rapid.IntRange(0, 2).Draw(t, "number"))
	r.atoms["yes"] = rapid.Bool().Draw(t, "yes")
	if rapid.Bool().Draw(t, "maybe") {
		r.atoms["maybe"] = rapid.SampledFrom(words).Draw(t, "value")
	}
	r.sets["set"] = set(words)
	for _, column := range []string{"map", "counts"} {
		r.maps[column] = map[string]string{}
		for k := range set(words) {
			r.maps[column][k] = rapid.SampledFrom([]string{"1", "2"}).Draw(t, "value")
		}
	}
	return r
}

// wireSet writes a set as the server does: one element is written alone.
func wireSet(elements []string, refs bool) any {
	all := []any{}
	for _, e := range elements {
		if refs {
			all = append(all, []any{"uuid", e})
			continue
		}
		all = append(all, e)
	}
	if len(all) == 1 {
		return all[0]
	}
	return []any{"set", all}
}

func wireMap(m map[string]string, integers bool) any {
	all := []any{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		var v any = m[k]
		if integers {
			v = json.Number(m[k])
		}
		all = append(all, []any{k, v})
	}
	return []any{"map", all}
}

// difference is what update2 tells of a row that was and is. Nothing is told
// of columns that are the same, or initial in a new row.
func difference(was, is row) map[string]any {
	told := map[string]any{}
	for _, column := range []string{"name", "number", "yes", "maybe"} {
		before, after := was.atoms[column], is.atoms[column]
		if was.table == "" && (after == "" || after == 0.0 || after == false) {
			continue
		}
		if before != after {
			if after == nil {
				after = []any{"set", []any{}}
			}
			told[column] = after
		}
	}
	for column, set := range is.sets {
		var differ []string
		for e := range set {
			if !was.sets[column][e] {
				differ = append(differ, e)
			}
		}
		for e := range was.sets[column] {
			if !set[e] {
				differ = append(differ, e)
			}
		}
		if len(differ) > 0 {
			told[column] = wireSet(differ, column != "set")
		}
	}
	for column, m := range is.maps {
		differ := map[string]string{}
		for k, v := range m {
			if old, ok := was.maps[column][k]; !ok || old != v {
				differ[k] = v
			}
		}
		for k, v := range was.maps[column] {
			if _, ok := m[k]; !ok {
				differ[k] = v
			}
		}
		if len(differ) > 0 {
			told[column] = wireMap(differ, column == "counts")
		}
	}
	return told
}

// tell is the message that tells of a transaction.
func tell(t *rapid.T, was, is db, first bool) tableUpdates {
	message := map[string]map[string]any{"Parent": {}, "Child": {}}
	for id, r := range is {
		old, there := was[id]
		word := "modify"
		if !there {
			word = "insert"
			if first {
				word = "initial"
			}
		}
		if told := difference(old, r); !there || len(told) > 0 {
			message[r.table][id] = map[string]any{word: told}
		}
	}
	for id, r := range was {
		if _, left := is[id]; !left {
			message[r.table][id] = map[string]any{"delete": nil}
		}
	}
	text, err := json.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	var updates tableUpdates
	if err := json.Unmarshal(text, &updates); err != nil {
		t.Fatal(err)
	}
	return updates
}

// tidy takes away what the server would not keep: references to nothing.
func (d db) tidy() {
	for _, r := range d {
		for column, set := range r.sets {
			if column == "set" {
				continue
			}
			for id := range set {
				if _, there := d[id]; !there {
					delete(set, id)
				}
			}
		}
	}
}

func (d db) copied() db {
	c := db{}
	for id, r := range d {
		r.sets = maps.Clone(r.sets)
		for column, set := range r.sets {
			r.sets[column] = maps.Clone(set)
		}
		c[id] = r
	}
	return c
}

func TestAReplicaIsWhatTheServersMessagesSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		told := map[*Row]bool{}
		replica := newReplica(schema, func(changes []Change) {
			for _, c := range changes {
				told[c.Row] = !c.Deleted
				if c.Deleted != c.Row.Gone() {
					t.Fatalf("deleted: %v, gone: %v", c.Deleted, c.Row.Gone())
				}
			}
		})
		state := db{}
		for i := range rapid.IntRange(1, 8).Draw(t, "transactions") {
			next := state.copied()
			for range rapid.IntRange(1, 4).Draw(t, "changes") {
				n := rapid.IntRange(1, 6).Draw(t, "row")
				if rapid.IntRange(0, 2).Draw(t, "delete") == 0 {
					delete(next, uuid(n))
					continue
				}
				next[uuid(n)] = someRow(t, n)
			}
			next.tidy()
			if err := replica.apply(tell(t, state, next, i == 0)); err != nil {
				t.Fatal(err)
			}
			state = next
			if diff := cmp.Diff(described(state), shown(replica)); diff != "" {
				t.Fatal(diff)
			}
		}
		alive := 0
		for row, is := range told {
			if is != (replica.Row(row.UUID) == row) {
				t.Fatalf("row %s: told of as there: %v", row.UUID, is)
			}
			if is {
				alive++
			}
		}
		if alive != len(state) {
			t.Fatalf("told of %d rows, there are %d", alive, len(state))
		}
	})
}

// described is a database as text, a line for a row and for a reference.
func described(d db) (all []string) {
	for id, r := range d {
		all = append(all, fmt.Sprintf("%s %s %v %v %v %v", r.table, id, r.atoms["name"], r.atoms["maybe"], names(r.sets["set"]), r.maps))
		if !r.parent {
			all = append(all, fmt.Sprintf("%s %v %v", id, r.atoms["number"], r.atoms["yes"]))
		}
		for _, column := range []string{"strong", "weak"} {
			for child := range r.sets[column] {
				all = append(all, fmt.Sprintf("%s %s %s", id, column, child))
			}
		}
	}
	slices.Sort(all)
	return all
}

func names(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

func shown(r *Replica) (all []string) {
	for row := range r.All() {
		m := map[string]map[string]string{}
		if row.Table.Name == "Child" {
			for _, column := range []string{"map", "counts"} {
				m[column] = map[string]string{}
				for k, v := range row.Entries(column) {
					m[column][k] = v
					if row.Entry(column, k) != v {
						all = append(all, "entry "+k)
					}
				}
			}
			all = append(all, fmt.Sprintf("%s %v %v", row.UUID, row.Int("number"), row.Bool("yes")))
		}
		var maybe any
		if s := row.String("maybe"); s != "" {
			maybe = s
		}
		all = append(all, fmt.Sprintf("%s %s %v %v %v %v", row.Table.Name, row.UUID, row.String("name"), maybe, slices.Clone(row.Strings("set")), m))
		for place := range row.Places() {
			all = append(all, fmt.Sprintf("%s %s %s", place.Row.UUID, place.Column, row.UUID))
		}
	}
	slices.Sort(all)
	return all
}

func TestARowHasWhatItWasToldAndWhatIsInitial(t *testing.T) {
	replica := newReplica(schema, func([]Change) {})
	var updates tableUpdates
	message := `{"Child":{"` + uuid(1) + `":{"insert":{"name":"x","set":["set",["b","a"]],"map":["map",[["k","v"]]],"counts":["map",[["n",3]]]}},
		"` + uuid(3) + `":{"insert":{}}}}`
	if err := json.Unmarshal([]byte(message), &updates); err != nil {
		t.Fatal(err)
	}
	if err := replica.apply(updates); err != nil {
		t.Fatal(err)
	}
	id, _ := ParseUUID(uuid(1))
	row := replica.Row(id)
	id, _ = ParseUUID(uuid(3))
	plain := replica.Row(id)
	for _, test := range []struct {
		row    *Row
		column string
		value  any
		has    bool
	}{
		{row, "name", "x", true},
		{row, "name", "y", false},
		{row, "set", Set{"a", "b", "a"}, true},
		{row, "set", Set{"a"}, false},
		{row, "set", Set{}, false},
		{row, "map", Map{"k": "v"}, true},
		{row, "map", Map{"k": "w"}, false},
		{row, "counts", IntMap{"n": 3}, true},
		{row, "maybe", nil, true},
		{row, "maybe", "x", false},
		{row, "missing", "x", false},
		{plain, "name", "", true},
		{plain, "number", 0, true},
		{plain, "number", 1, false},
		{plain, "yes", false, true},
		{plain, "maybe", false, false},
		{plain, "set", Set{}, true},
		{plain, "map", Map{}, true},
		{plain, "map", nil, false},
	} {
		if got := test.row.Has(test.column, test.value); got != test.has {
			t.Errorf("row %s has %s %v: %v", test.row.UUID, test.column, test.value, got)
		}
	}
}

func TestAMessageThatDoesNotFitTheReplicaIsAnError(t *testing.T) {
	for _, message := range []string{
		`{"Child":{"` + uuid(1) + `":{"modify":{"name":"x"}}}}`,
		`{"Child":{"` + uuid(1) + `":{"delete":null}}}`,
		`{"Other":{"` + uuid(1) + `":{"insert":{}}}}`,
		`{"Child":{"1":{"insert":{}}}}`,
		`{"Child":{"` + uuid(1) + `":{"insert":{"name":["set",["a","b"]]}}}}`,
		`{"Child":{"` + uuid(1) + `":{"insert":{"set":["map",[]]}}}}`,
		`{"Child":{"` + uuid(1) + `":{"insert":{"map":["set",[]]}}}}`,
		`{"Parent":{"` + uuid(2) + `":{"insert":{"strong":"x"}}}}`,
	} {
		var updates tableUpdates
		if err := json.Unmarshal([]byte(message), &updates); err != nil {
			t.Fatal(err)
		}
		if newReplica(schema, func([]Change) {}).apply(updates) == nil {
			t.Errorf("taken: %s", message)
		}
	}
}

// FuzzUpdates: whatever the server sends is taken or refused.
func FuzzUpdates(f *testing.F) {
	f.Add([]byte(`{"Parent":{"00000000-0000-4000-8000-000000000002":{"initial":{"strong":["uuid","00000000-0000-4000-8000-000000000001"]}}}}`))
	f.Add([]byte(`{"Child":{"00000000-0000-4000-8000-000000000001":{"insert":{"set":["set",["a"]],"map":["map",[["a","b"]]],"maybe":["set",[]]}}}}`))
	f.Fuzz(func(_ *testing.T, text []byte) {
		var updates tableUpdates
		if json.Unmarshal(text, &updates) == nil {
			_ = newReplica(schema, func([]Change) {}).apply(updates)
		}
	})
}
