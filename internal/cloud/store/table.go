// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package store

import (
	"encoding/json"
	"fmt"
	"iter"

	"github.com/tidwall/btree"
)

// Table holds the rows of one type, by id and by the keys of its indexes.
type Table[T any] struct {
	name    string
	id      func(*T) string
	rows    *btree.BTreeG[entry[T]]
	indexes []*Index[T]
}

// Index finds rows by a key. A row may have none, one or several.
type Index[T any] struct {
	keys    func(*T) []string
	entries *btree.BTreeG[entry[T]]
}

// entry is a row in a tree; the rows' own tree has no keys.
type entry[T any] struct {
	key, id string
	row     *T
}

// NewTable makes a table of the store. The name is its name in the file. It
// must be made before Open.
func NewTable[T any](s *Store, name string, id func(*T) string, indexes ...*Index[T]) *Table[T] {
	t := &Table[T]{name: name, id: id, rows: newTree[T](), indexes: indexes}
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
	return &Index[T]{keys: keys, entries: newTree[T]()}
}

// newTree needs no locks of its own: the store has one.
func newTree[T any]() *btree.BTreeG[entry[T]] {
	less := func(a, b entry[T]) bool { return a.key < b.key || a.key == b.key && a.id < b.id }
	return btree.NewBTreeGOptions(less, btree.Options{NoLocks: true})
}

// Name is the table's name, as in Change.Table.
func (t *Table[T]) Name() string { return t.name }

// Len is the number of rows.
func (t *Table[T]) Len(Reader) int { return t.rows.Len() }

// Get gives the row of an id, or nil. It must not be changed.
func (t *Table[T]) Get(_ Reader, id string) *T {
	e, _ := t.rows.Get(entry[T]{id: id})
	return e.row
}

// All gives every row in the order of the ids.
func (t *Table[T]) All(Reader) iter.Seq[*T] {
	return func(yield func(*T) bool) { t.rows.Scan(func(e entry[T]) bool { return yield(e.row) }) }
}

// By gives the rows with a key, in the order of their ids.
func (t *Table[T]) By(_ Reader, ix *Index[T], key string) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		ix.entries.Ascend(entry[T]{key: key}, func(e entry[T]) bool { return e.key == key && yield(e.row) })
	}
}

// AllFrom gives the rows whose ids are greater than id, in their order; or
// with back those whose ids are less, in the opposite one.
func (t *Table[T]) AllFrom(_ Reader, id string, back bool) iter.Seq[*T] {
	return from(t.rows, "", id, back)
}

// ByFrom is AllFrom among the rows with a key.
func (t *Table[T]) ByFrom(_ Reader, ix *Index[T], key, id string, back bool) iter.Seq[*T] {
	return from(ix.entries, key, id, back)
}

func from[T any](tree *btree.BTreeG[entry[T]], key, id string, back bool) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		see := func(e entry[T]) bool { return e.key == key && (e.id == id || yield(e.row)) }
		if back {
			tree.Descend(entry[T]{key: key, id: id}, see)
			return
		}
		tree.Ascend(entry[T]{key: key, id: id}, see)
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
	replaced, _ := t.rows.Set(entry[T]{id: id, row: row})
	old = replaced.row
	for _, ix := range t.indexes {
		if old != nil {
			ix.remove(old, id)
		}
		for _, k := range ix.keys(row) {
			ix.entries.Set(entry[T]{k, id, row})
		}
	}
	return old
}

func (t *Table[T]) unset(row *T) {
	id := t.id(row)
	t.rows.Delete(entry[T]{id: id})
	for _, ix := range t.indexes {
		ix.remove(row, id)
	}
}

func (ix *Index[T]) remove(row *T, id string) {
	for _, k := range ix.keys(row) {
		ix.entries.Delete(entry[T]{key: k, id: id})
	}
}

func (t *Table[T]) called() string { return t.name }

func (t *Table[T]) size() int { return t.rows.Len() }

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
