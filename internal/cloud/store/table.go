// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package store

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
)

// Table holds the rows of one type, by id and by the keys of its indexes.
type Table[T any] struct {
	name    string
	id      func(*T) string
	rows    tree
	indexes []*Index[T]
}

// Index finds rows by a key. A row may have none, one or several.
type Index[T any] struct {
	keys    func(*T) []string
	entries tree
}

// NewTable makes a table of the store. The name is its name in the file. It
// must be made before Open.
func NewTable[T any](s *Store, name string, id func(*T) string, indexes ...*Index[T]) *Table[T] {
	t := &Table[T]{name: name, id: id, rows: newTree(), indexes: indexes}
	for _, other := range s.tables {
		if other.called() == name {
			panic("store: two tables are called " + name)
		}
	}
	s.tables = append(s.tables, t)
	return t
}

// NewIndex makes an index for a NewTable. keys must depend on the row alone.
func NewIndex[T any](keys func(*T) []string) *Index[T] {
	return &Index[T]{keys: keys, entries: newTree()}
}

// Name is the table's name, as in Change.Table.
func (t *Table[T]) Name() string { return t.name }

// Len is the number of rows.
func (t *Table[T]) Len(Reader) int { return t.rows.len() }

// Get gives the row of an id, or nil. It must not be changed.
func (t *Table[T]) Get(_ Reader, id string) *T {
	row, _ := t.rows.get(id).(*T)
	return row
}

// All gives every row in the order of the ids.
func (t *Table[T]) All(Reader) iter.Seq[*T] { return from[T](t.rows, "", "", false) }

// By gives the rows with a key, in the order of their ids.
func (t *Table[T]) By(_ Reader, ix *Index[T], key string) iter.Seq[*T] {
	return from[T](ix.entries, key, "", false)
}

// AllFrom gives the rows whose ids are greater than id, in their order; or
// with back those whose ids are less, in the opposite one.
func (t *Table[T]) AllFrom(_ Reader, id string, back bool) iter.Seq[*T] {
	return from[T](t.rows, "", id, back)
}

// ByFrom is AllFrom among the rows with a key.
func (t *Table[T]) ByFrom(_ Reader, ix *Index[T], key, id string, back bool) iter.Seq[*T] {
	return from[T](ix.entries, key, id, back)
}

func from[T any](t tree, key, id string, back bool) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		t.walk(key, id, back, func(row any) bool { return yield(row.(*T)) })
	}
}

// First gives the row with a key that has the least id, or nil.
func (t *Table[T]) First(r Reader, ix *Index[T], key string) *T {
	for row := range t.By(r, ix, key) {
		return row
	}
	return nil
}

// Count is how many rows have a key.
func (t *Table[T]) Count(r Reader, ix *Index[T], key string) int {
	n := 0
	for range t.By(r, ix, key) {
		n++
	}
	return n
}

// Put makes or replaces a row. It must not be changed afterwards.
func (t *Table[T]) Put(tx *Tx, row *T) {
	id := t.id(row)
	var before any
	if old := t.set(row); old != nil {
		before = old
	}
	tx.record(t, id, before, row)
}

// Delete removes the row of an id, if there is one, and tells whether there was.
func (t *Table[T]) Delete(tx *Tx, id string) bool {
	old := t.Get(tx, id)
	if old == nil {
		return false
	}
	t.unset(old)
	tx.record(t, id, old, nil)
	return true
}

func (t *Table[T]) set(row *T) (old *T) {
	id := t.id(row)
	old, _ = t.rows.set("", id, row).(*T)
	for _, ix := range t.indexes {
		keys := ix.keys(row)
		if old != nil {
			for _, k := range ix.keys(old) {
				if !slices.Contains(keys, k) {
					ix.entries.remove(k, id)
				}
			}
		}
		for _, k := range keys {
			ix.entries.set(k, id, row)
		}
	}
	return old
}

func (t *Table[T]) unset(row *T) {
	id := t.id(row)
	t.rows.remove("", id)
	for _, ix := range t.indexes {
		ix.remove(row, id)
	}
}

func (ix *Index[T]) remove(row *T, id string) {
	for _, k := range ix.keys(row) {
		ix.entries.remove(k, id)
	}
}

func (t *Table[T]) called() string { return t.name }

func (t *Table[T]) size() int { return t.rows.len() }

func (t *Table[T]) load(key, value []byte) error {
	row := new(T)
	if err := json.Unmarshal(value, row); err != nil {
		return fmt.Errorf("row %s: %w", key, err)
	}
	t.set(row)
	return nil
}

func (t *Table[T]) encode(row any) ([]byte, error) { return json.Marshal(row) }

func (t *Table[T]) undo(id string, before any) {
	if before != nil {
		t.set(before.(*T))
		return
	}
	if row := t.Get(view{}, id); row != nil {
		t.unset(row)
	}
}
