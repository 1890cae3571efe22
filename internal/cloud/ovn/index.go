// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
)

// index finds the rows of the replica by unit and by key. It is guarded by the
// replica's lock.
type index struct {
	kinds []kind
	keys  map[Ref][]*ovsdb.Row
	units map[unit][]*ovsdb.Row
}

// identity is the Mark of a row that is of a unit.
type identity struct {
	unit unit
	key  string
	// up is a switch port's column of that name, as last told.
	up bool
}

func newIndex(kinds []kind) *index {
	return &index{kinds: kinds, keys: map[Ref][]*ovsdb.Row{}, units: map[unit][]*ovsdb.Row{}}
}

// identify finds whose a row is. nil: nobody's here.
func (ix *index) identify(row *ovsdb.Row) *identity {
	for i := len(ix.kinds) - 1; i >= 0; i-- {
		k := &ix.kinds[i]
		owns := k.owns[row.Table.Name]
		if owns == nil {
			continue
		}
		if id, key, ok := owns(row); ok {
			return &identity{unit: unit{k.name, id}, key: key}
		}
	}
	return nil
}

// put takes a row that is new or has changed. It gives its identity now and
// before, nil for none.
func (ix *index) put(row *ovsdb.Row) (before, now *identity) {
	before, _ = row.Mark.(*identity)
	now = ix.identify(row)
	if before != nil && now != nil && before.unit == now.unit && before.key == now.key {
		return before, before
	}
	ix.remove(row)
	if now == nil {
		return before, nil
	}
	row.Mark = now
	ref := Ref{row.Table.Name, now.key}
	ix.keys[ref] = append(ix.keys[ref], row)
	ix.units[now.unit] = append(ix.units[now.unit], row)
	return before, now
}

// remove forgets a row, and gives what it was.
func (ix *index) remove(row *ovsdb.Row) *identity {
	was, _ := row.Mark.(*identity)
	if was == nil {
		return nil
	}
	row.Mark = nil
	drop(ix.keys, Ref{row.Table.Name, was.key}, row)
	drop(ix.units, was.unit, row)
	return was
}

func drop[K comparable](m map[K][]*ovsdb.Row, key K, row *ovsdb.Row) {
	left := slices.DeleteFunc(m[key], func(r *ovsdb.Row) bool { return r == row })
	if len(left) == 0 {
		delete(m, key)
		return
	}
	m[key] = left
}

// row finds the row of a key; the same one as long as it is there.
func (ix *index) row(ref Ref) *ovsdb.Row {
	if rows := ix.keys[ref]; len(rows) > 0 {
		return rows[0]
	}
	return nil
}
