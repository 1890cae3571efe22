// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovsdb

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// UUID is the id of a row.
type UUID [16]byte

// ParseUUID reads a UUID in its usual form.
func ParseUUID(s string) (u UUID, err error) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, fmt.Errorf("ovsdb: not a UUID: %q", s)
	}
	digits := s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	if _, err := hex.Decode(u[:], []byte(digits)); err != nil {
		return u, fmt.Errorf("ovsdb: not a UUID: %q", s)
	}
	return u, nil
}

// String gives the UUID in its usual form.
func (u UUID) String() string {
	var b [36]byte
	hex.Encode(b[:8], u[:4])
	hex.Encode(b[9:13], u[4:6])
	hex.Encode(b[14:18], u[6:8])
	hex.Encode(b[19:23], u[8:10])
	hex.Encode(b[24:], u[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// MarshalJSON writes the UUID as OVSDB has it.
func (u UUID) MarshalJSON() ([]byte, error) { return []byte(`["uuid","` + u.String() + `"]`), nil }

// Name stands for the UUID of a row that the same transaction inserts.
type Name string

// MarshalJSON writes the name as OVSDB has it.
func (n Name) MarshalJSON() ([]byte, error) { return []byte(`["named-uuid","` + string(n) + `"]`), nil }

// Set is a set of strings.
type Set []string

// MarshalJSON writes the set as OVSDB has it.
func (s Set) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{"set", append([]string{}, s.distinct()...)})
}

// distinct gives the elements in order, each once: OVSDB refuses repetitions.
func (s Set) distinct() Set {
	s = slices.Clone(s)
	slices.Sort(s)
	return slices.Compact(s)
}

// IDs is a set of references: each is a UUID or a Name.
type IDs []any

// MarshalJSON writes the set as OVSDB has it.
func (s IDs) MarshalJSON() ([]byte, error) { return json.Marshal([]any{"set", append([]any{}, s...)}) }

// Map is a map of strings.
type Map map[string]string

// MarshalJSON writes the map as OVSDB has it.
func (m Map) MarshalJSON() ([]byte, error) {
	all := [][2]string{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		all = append(all, [2]string{k, m[k]})
	}
	return json.Marshal([]any{"map", all})
}

// IntMap is a map whose values are integers.
type IntMap map[string]int

// MarshalJSON writes the map as OVSDB has it.
func (m IntMap) MarshalJSON() ([]byte, error) {
	all := [][2]any{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		all = append(all, [2]any{k, m[k]})
	}
	return json.Marshal([]any{"map", all})
}

// none is how OVSDB writes that an optional column has no value.
var none = json.RawMessage(`["set",[]]`)

// wire is a value as Columns have it, ready for JSON.
func wire(value any) any {
	if value == nil {
		return none
	}
	return value
}

// pair is an entry of a map as the replica keeps it: sorted, as text.
type pair struct{ key, value string }

// kept gives a value of Columns in the replica's form.
func kept(value any) any {
	switch v := value.(type) {
	case Set:
		return v.distinct()
	case Map:
		all := make([]pair, 0, len(v))
		for k, x := range v {
			all = append(all, pair{k, x})
		}
		return sorted(all)
	case IntMap:
		all := make([]pair, 0, len(v))
		for k, x := range v {
			all = append(all, pair{k, strconv.Itoa(x)})
		}
		return sorted(all)
	}
	return value
}

func sorted(all []pair) []pair {
	slices.SortFunc(all, func(a, b pair) int {
		if a.key < b.key {
			return -1
		}
		return 1
	})
	return all
}

// same compares two values in the replica's form.
func same(a, b any) bool {
	switch a := a.(type) {
	case Set:
		b, ok := b.(Set)
		return ok && slices.Equal(a, b)
	case []pair:
		b, ok := b.([]pair)
		return ok && slices.Equal(a, b)
	}
	switch b.(type) {
	case Set, []pair:
		return false
	}
	return a == b
}
