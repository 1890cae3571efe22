// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovsdb

import (
	"iter"
	"slices"
	"strings"
)

// Row is a row of the replica. It is read with the replica locked.
type Row struct {
	UUID  UUID
	Table *Table
	// Mark is for whoever keeps the replica.
	Mark any

	values []any // by column; nil for none, and for columns that refer
	in     []Place
	gone   bool
}

// Place is a column of a row that refers to another one.
type Place struct {
	Row    *Row
	Column string
}

// Gone tells whether the row has been deleted.
func (r *Row) Gone() bool { return r.gone }

// Value gives a column's value in whatever form, to be told to a human.
func (r *Row) Value(column string) any { return r.value(column) }

func (r *Row) value(column string) any {
	if i := r.Table.column(column); i >= 0 {
		return r.values[i]
	}
	return nil
}

// String gives a column's value, "" when it has none.
func (r *Row) String(column string) string {
	s, _ := r.value(column).(string)
	return s
}

// Int gives a column's value, 0 when it has none.
func (r *Row) Int(column string) int {
	n, _ := r.value(column).(int)
	return n
}

// Bool gives a column's value, false when it has none.
func (r *Row) Bool(column string) bool {
	b, _ := r.value(column).(bool)
	return b
}

// ID gives the row that a column refers to; ok is false when it has none.
func (r *Row) ID(column string) (id UUID, ok bool) {
	id, ok = r.value(column).(UUID)
	return id, ok
}

// Strings gives a column's set.
func (r *Row) Strings(column string) []string {
	s, _ := r.value(column).(Set)
	return s
}

// Entry gives the value of a key of a map, "" when there is none.
func (r *Row) Entry(column, key string) string {
	all, _ := r.value(column).([]pair)
	i, found := slices.BinarySearchFunc(all, key, func(p pair, key string) int { return strings.Compare(p.key, key) })
	if !found {
		return ""
	}
	return all[i].value
}

// Entries gives a map's keys and values, in the order of the keys.
func (r *Row) Entries(column string) iter.Seq2[string, string] {
	all, _ := r.value(column).([]pair)
	return func(yield func(string, string) bool) {
		for _, p := range all {
			if !yield(p.key, p.value) {
				return
			}
		}
	}
}

// Has tells whether a column has a value, as Columns have it.
func (r *Row) Has(column string, value any) bool {
	i := r.Table.column(column)
	if i < 0 {
		return false
	}
	have := r.values[i]
	if have == nil {
		have = initial(r.Table.Columns[i].Kind, value)
	}
	return same(have, kept(value))
}

// initial is what a column is that the server has not told: it leaves out what
// is as in a new row.
func initial(kind Kind, value any) any {
	switch kind {
	case Strings:
		return Set{}
	case Text, Integers:
		return []pair{}
	case Scalar:
		switch value.(type) {
		case string:
			return ""
		case int:
			return 0
		case bool:
			return false
		}
	}
	return nil
}

// Places gives what refers to the row, single references apart.
func (r *Row) Places() iter.Seq[Place] {
	return func(yield func(Place) bool) {
		for _, p := range r.in {
			if !p.Row.gone && !yield(p) {
				return
			}
		}
	}
}

// Parent gives the first row that refers to this one from a table's column, or nil.
func (r *Row) Parent(table, column string) *Row {
	for p := range r.Places() {
		if p.Column == column && p.Row.Table != nil && p.Row.Table.Name == table {
			return p.Row
		}
	}
	return nil
}

// toggle adds p to what refers to the row, or takes it away.
func (r *Row) toggle(p Place) {
	for i := range r.in {
		if r.in[i] == p {
			r.in = slices.Delete(r.in, i, i+1)
			return
		}
	}
	r.in = append(slices.DeleteFunc(r.in, func(p Place) bool { return p.Row.gone }), p)
}
