// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovsdb

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"sync"
)

// Replica is what the schema names of a database. Its methods and its rows'
// want it locked.
type Replica struct {
	sync.Mutex

	schema *Schema
	rows   map[UUID]*Row // also rows that are referred to and not there: without a table
	keys   map[string]string
	seen   func([]Change)
}

// maxKeys bounds the keys of maps that are held once. Most are one of a few dozen words.
const maxKeys = 1000

// Change is what became of a row. A row that is new, gone or changed is told
// of once for each message of the server.
type Change struct {
	Row               *Row
	Inserted, Deleted bool
	// Moved is true when sets of other rows have begun or ceased to refer to it.
	Moved bool
	// Columns are those that changed of a row that was there.
	Columns []string
}

func newReplica(schema *Schema, seen func([]Change)) *Replica {
	return &Replica{schema: schema, rows: map[UUID]*Row{}, keys: map[string]string{}, seen: seen}
}

// Row gives the row of an id, or nil.
func (r *Replica) Row(id UUID) *Row {
	row := r.rows[id]
	if row == nil || row.Table == nil {
		return nil
	}
	return row
}

// All gives every row.
func (r *Replica) All() iter.Seq[*Row] {
	return func(yield func(*Row) bool) {
		for _, row := range r.rows {
			if row.Table != nil && !yield(row) {
				return
			}
		}
	}
}

// rowUpdate is RFC 7047's row-update2: one key of initial, insert, modify and delete.
type rowUpdate map[string]json.RawMessage

// tableUpdates is table-updates2.
type tableUpdates map[string]map[string]rowUpdate

// apply takes one message. What is deleted goes last: else a set that ceases
// to refer to it would refer to a row that is not there.
func (r *Replica) apply(updates tableUpdates) error {
	r.Lock()
	defer r.Unlock()
	a := application{Replica: r, changes: map[*Row]*Change{}}
	for _, deletions := range []bool{false, true} {
		for name, rows := range updates {
			table := r.schema.Table(name)
			if table == nil {
				return fmt.Errorf("ovsdb: update of table %s, which is not monitored", name)
			}
			for id, update := range rows {
				if _, gone := update["delete"]; gone != deletions {
					continue
				}
				if err := a.row(table, id, update); err != nil {
					return fmt.Errorf("ovsdb: update of row %s of table %s: %w", id, name, err)
				}
			}
		}
	}
	list := make([]Change, 0, len(a.order))
	for _, c := range a.order {
		// A weak reference may outlive what it refers to, which then is no row.
		if c.Row.Table != nil {
			list = append(list, *c)
		}
	}
	r.seen(list)
	return nil
}

// application is an apply under way.
type application struct {
	*Replica
	changes map[*Row]*Change
	order   []*Change
}

func (a *application) change(row *Row) *Change {
	c := a.changes[row]
	if c == nil {
		c = &Change{Row: row}
		a.changes[row] = c
		a.order = append(a.order, c)
	}
	return c
}

var errUnknownRow = errors.New("no such row in the replica")

func (a *application) row(table *Table, id string, update rowUpdate) error {
	uuid, err := ParseUUID(id)
	if err != nil {
		return err
	}
	row := a.rows[uuid]
	if _, gone := update["delete"]; gone {
		if row == nil || row.Table == nil {
			return errUnknownRow
		}
		row.gone = true
		delete(a.rows, uuid)
		a.change(row).Deleted = true
		return nil
	}
	for _, word := range []string{"initial", "insert", "modify"} {
		text, ok := update[word]
		if !ok {
			continue
		}
		var columns map[string]json.RawMessage
		if err := json.Unmarshal(text, &columns); err != nil {
			return err
		}
		if word == "modify" {
			if row == nil || row.Table == nil {
				return errUnknownRow
			}
			return a.modify(row, columns)
		}
		row = a.at(uuid)
		row.Table, row.values = table, make([]any, len(table.Columns))
		a.change(row).Inserted = true
		return a.modify(row, columns)
	}
	return nil
}

// at gives the row of an id; one that is not there yet is made.
func (a *application) at(id UUID) *Row {
	row := a.rows[id]
	if row == nil {
		row = &Row{UUID: id}
		a.rows[id] = row
	}
	return row
}

// modify changes columns by their differences, which for a new row are from nothing.
func (a *application) modify(row *Row, columns map[string]json.RawMessage) error {
	for name, text := range columns {
		i := row.Table.column(name)
		if i < 0 {
			continue
		}
		var value any
		if err := json.Unmarshal(text, &value); err != nil {
			return err
		}
		if err := a.column(row, i, value); err != nil {
			return fmt.Errorf("column %s: %w", name, err)
		}
	}
	return nil
}

func (a *application) column(row *Row, i int, value any) (err error) {
	column := row.Table.Columns[i]
	if column.Kind.refers() {
		return a.refer(row, column.Name, value)
	}
	switch column.Kind {
	case Strings:
		row.values[i], err = a.mergeSet(row.values[i], value)
	case Text, Integers:
		row.values[i], err = a.mergeMap(row.values[i], value)
	default:
		row.values[i], err = a.atom(value)
	}
	if c := a.change(row); !c.Inserted {
		c.Columns = append(c.Columns, column.Name)
	}
	return err
}

// refer toggles that a column of row refers to others.
func (a *application) refer(row *Row, column string, value any) error {
	elements, err := elements(value)
	if err != nil {
		return err
	}
	for _, e := range elements {
		id, err := reference(e)
		if err != nil {
			return err
		}
		to := a.at(id)
		to.toggle(Place{row, column})
		a.change(to).Moved = true
		if to.Table == nil && len(to.in) == 0 {
			delete(a.rows, id)
		}
	}
	return nil
}

var errForm = errors.New("not OVSDB's notation")

// elements gives what is in a set: OVSDB writes a set of one as its element.
func elements(value any) ([]any, error) {
	if all, ok := value.([]any); ok && len(all) == 2 && all[0] == "set" {
		in, ok := all[1].([]any)
		if !ok {
			return nil, errForm
		}
		return in, nil
	}
	return []any{value}, nil
}

func reference(value any) (UUID, error) {
	all, ok := value.([]any)
	if !ok || len(all) != 2 || all[0] != "uuid" {
		return UUID{}, errForm
	}
	text, ok := all[1].(string)
	if !ok {
		return UUID{}, errForm
	}
	return ParseUUID(text)
}

// atom reads one value or none.
func (a *application) atom(value any) (any, error) {
	all, err := elements(value)
	if err != nil || len(all) > 1 {
		return nil, errForm
	}
	if len(all) == 0 {
		return nil, nil
	}
	switch v := all[0].(type) {
	case string, bool:
		return v, nil
	case float64:
		return int(v), nil
	}
	return reference(all[0])
}

// mergeSet applies a difference: what is in one of the two.
func (a *application) mergeSet(have, value any) (Set, error) {
	all, err := elements(value)
	if err != nil {
		return nil, err
	}
	set, _ := have.(Set)
	set = slices.Clone(set)
	for _, e := range all {
		s, ok := e.(string)
		if !ok {
			return nil, errForm
		}
		if i := slices.Index(set, s); i >= 0 {
			set = slices.Delete(set, i, i+1)
			continue
		}
		set = append(set, s)
	}
	slices.Sort(set)
	return set, nil
}

// mergeMap applies a difference: a pair that is there goes, another is set.
func (a *application) mergeMap(have, value any) ([]pair, error) {
	all, ok := value.([]any)
	if !ok || len(all) != 2 || all[0] != "map" {
		return nil, errForm
	}
	in, ok := all[1].([]any)
	if !ok {
		return nil, errForm
	}
	old, _ := have.([]pair)
	merged := make(map[string]string, len(old)+len(in))
	for _, p := range old {
		merged[p.key] = p.value
	}
	for _, e := range in {
		entry, ok := e.([]any)
		if !ok || len(entry) != 2 {
			return nil, errForm
		}
		key, okKey := entry[0].(string)
		value, okValue := text(entry[1])
		if !okKey || !okValue {
			return nil, errForm
		}
		if was, there := merged[key]; there && was == value {
			delete(merged, key)
			continue
		}
		merged[a.once(key)] = value
	}
	return kept(Map(merged)).([]pair), nil
}

// once gives the same string for the same key, which many rows have.
func (a *application) once(key string) string {
	if k, ok := a.keys[key]; ok {
		return k
	}
	if len(a.keys) < maxKeys {
		a.keys[key] = key
	}
	return key
}

func text(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case float64:
		return strconv.Itoa(int(v)), true
	}
	return "", false
}
