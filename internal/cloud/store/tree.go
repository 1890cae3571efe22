// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package store

import "github.com/tidwall/btree"

// tree holds rows in the order of their keys and ids. It knows nothing of the
// rows' type: a generic tree would be compiled anew for each type, in every
// package that imports its table.
type tree struct{ b *btree.BTreeG[entry] }

// entry is a row in a tree; the rows' own tree has no keys. The row is a *T of
// its Table's.
type entry struct {
	key, id string
	row     any
}

// newTree needs no locks of its own: the store has one.
func newTree() tree {
	less := func(a, b entry) bool { return a.key < b.key || a.key == b.key && a.id < b.id }
	return tree{btree.NewBTreeGOptions(less, btree.Options{NoLocks: true})}
}

func (t tree) len() int { return t.b.Len() }

// get gives a row, or nil.
func (t tree) get(id string) any {
	e, _ := t.b.Get(entry{id: id})
	return e.row
}

// set puts a row, and gives the one that it replaces, or nil.
func (t tree) set(key, id string, row any) any {
	old, _ := t.b.Set(entry{key, id, row})
	return old.row
}

func (t tree) remove(key, id string) { t.b.Delete(entry{key: key, id: id}) }

// walk gives the rows with a key whose ids are greater than id, or with back
// less, until see wants no more.
func (t tree) walk(key, id string, back bool, see func(row any) bool) {
	step := func(e entry) bool { return e.key == key && (e.id == id || see(e.row)) }
	if back {
		t.b.Descend(entry{key: key, id: id}, step)
		return
	}
	t.b.Ascend(entry{key: key, id: id}, step)
}
