// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"iter"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// unit is what is compared and written as one: a port, a router, a rule. Its
// id is a row's of the cloud's tables, as a rule.
type unit struct{ kind, id string }

// kind is one kind of unit. See the package's comment for what it has to do.
type kind struct {
	name string
	// every gives the ids of all units that the tables demand.
	every func(v view) iter.Seq[string]
	// rows gives what a unit wants; nothing when the tables do not demand it.
	// A row comes after those that it is in or refers to.
	rows func(v view, id string) []Row
	// owns tells, by table of the northbound database, which unit a row is of
	// and its key; not ok for rows of other kinds, and of strangers.
	owns map[string]func(row *ovsdb.Row) (id, key string, ok bool)
	// stirs tells, by table of the cloud, which units a changed row concerns.
	stirs map[string]func(v view, c store.Change, dirty func(id string))
	// chassis tells which units depend on which hypervisors there are; may be nil.
	chassis func(v view) iter.Seq[string]
	// compared is called when a unit is about to be compared; may be nil.
	compared func(b *Backend, v view, id string)
}

// Row is a row that a unit wants in the northbound database. Columns that are
// not in Columns are left to others, but what refers to it from a set of
// references is In and nothing else.
type Row struct {
	Table string
	// Key tells the rows of a table apart, and is what kind.owns makes of them.
	Key string
	// Columns are as ovsdb has them; a Ref refers to another wanted row.
	Columns ovsdb.Columns
	// In are the sets of other rows that refer to this one.
	In []Place
}

// Ref is a row of the northbound database by its key.
type Ref struct{ Table, Key string }

// Place is a set of references of a row.
type Place struct {
	Table, Key, Column string
}

// view is a consistent state of what the wanted rows depend on.
type view struct {
	store.Reader
	*model.Tables
	options *Options
	// hosts are the hypervisors, by name.
	hosts []model.Chassis
}

// changed gives a change's rows in their type, nil for one that is not there.
func changed[T any](c store.Change) (before, after *T) {
	before, _ = c.Before.(*T)
	after, _ = c.After.(*T)
	return before, after
}

// each calls f with the rows of a change that are there.
func each[T any](c store.Change, f func(row *T)) {
	before, after := changed[T](c)
	for _, row := range []*T{before, after} {
		if row != nil {
			f(row)
		}
	}
}

// itself is the stir of a table whose rows are units.
func itself(_ view, c store.Change, dirty func(id string)) { dirty(c.ID) }

// ids gives the ids of rows.
func ids[T any](rows iter.Seq[*T], id func(*T) string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for row := range rows {
			if !yield(id(row)) {
				return
			}
		}
	}
}
