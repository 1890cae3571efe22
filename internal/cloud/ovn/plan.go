// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"maps"
	"slices"
	"strconv"

	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
)

// plan is the difference between what units want and what the replica has.
// The replica is locked while it is made.
type plan struct {
	ix      *index
	inserts []*insert
	named   map[Ref]*insert
	updates map[*ovsdb.Row]ovsdb.Columns
	deltas  map[ovsdb.Place]*delta
	deletes map[*ovsdb.Row]bool
	// missing are the rows that wanted ones are in or refer to and that are not
	// there, with the units that are left incomplete therefore.
	missing map[Ref][]unit
	// touched are the units that something has to be done for.
	touched map[unit]bool
}

// insert is a row to be made.
type insert struct {
	table   string
	name    ovsdb.Name
	columns ovsdb.Columns
}

// delta is what a set is to gain and to lose.
type delta struct {
	add, remove  ovsdb.IDs
	set, unset   ovsdb.Map
	gained, lost ovsdb.Set
}

// wanted is a unit with the rows that it wants.
type wanted struct {
	unit unit
	rows []Row
}

func newPlan(ix *index, units []wanted) *plan {
	p := &plan{
		ix: ix, named: map[Ref]*insert{}, updates: map[*ovsdb.Row]ovsdb.Columns{}, deltas: map[ovsdb.Place]*delta{},
		deletes: map[*ovsdb.Row]bool{}, missing: map[Ref][]unit{}, touched: map[unit]bool{},
	}
	for _, w := range units {
		p.unit(w)
	}
	return p
}

func (p *plan) unit(w wanted) {
	kept := make(map[*ovsdb.Row]bool, len(w.rows))
	for i := range w.rows {
		want := &w.rows[i]
		row := p.ix.row(Ref{want.Table, want.Key})
		if row == nil {
			p.insert(w.unit, want)
			continue
		}
		kept[row] = true
		p.update(w.unit, row, want)
		p.move(w.unit, row, want)
	}
	for _, row := range p.ix.units[w.unit] {
		if !kept[row] {
			p.delete(w.unit, row)
		}
	}
}

// insert makes a row, unless nothing would keep it alive.
func (p *plan) insert(u unit, want *Row) {
	table := northbound.Table(want.Table)
	in := &insert{table: want.Table, columns: ovsdb.Columns{}}
	alive := table.Root
	for _, place := range want.In {
		if p.there(u, Ref{place.Table, place.Key}) && northbound.Table(place.Table).Strong(place.Column) {
			alive = true
		}
	}
	if !alive {
		return
	}
	p.touched[u] = true
	in.name = ovsdb.Name("row" + strconv.Itoa(len(p.inserts)))
	for column, value := range want.Columns {
		in.columns[column] = p.resolve(u, value)
	}
	p.inserts = append(p.inserts, in)
	p.named[Ref{want.Table, want.Key}] = in
	for i, place := range want.In {
		if slices.Index(want.In, place) == i {
			p.add(place, in.name)
		}
	}
}

// there tells whether a row is there or will be; when not it is missed.
func (p *plan) there(u unit, ref Ref) bool {
	if p.named[ref] != nil || p.ix.row(ref) != nil {
		return true
	}
	p.missing[ref] = append(p.missing[ref], u)
	return false
}

// resolve gives a value with the id or name of the row that it refers to.
func (p *plan) resolve(u unit, value any) any {
	ref, ok := value.(Ref)
	if !ok {
		return value
	}
	if in := p.named[ref]; in != nil {
		return in.name
	}
	if row := p.ix.row(ref); row != nil {
		return row.UUID
	}
	p.missing[ref] = append(p.missing[ref], u)
	return nil
}

// add has a place refer to a row.
func (p *plan) add(place Place, id any) {
	ref := Ref{place.Table, place.Key}
	if in := p.named[ref]; in != nil {
		set, _ := in.columns[place.Column].(ovsdb.IDs)
		in.columns[place.Column] = append(set, id)
		return
	}
	if row := p.ix.row(ref); row != nil {
		d := p.delta(row, place.Column)
		d.add = append(d.add, id)
	}
}

func (p *plan) delta(row *ovsdb.Row, column string) *delta {
	at := ovsdb.Place{Row: row, Column: column}
	d := p.deltas[at]
	if d == nil {
		d = &delta{}
		p.deltas[at] = d
	}
	return d
}

// update changes the columns that differ. A large map or set is told what it
// gains and loses.
func (p *plan) update(u unit, row *ovsdb.Row, want *Row) {
	for column, value := range want.Columns {
		value = p.resolve(u, value)
		if row.Has(column, value) {
			continue
		}
		p.touched[u] = true
		if p.gradually(row, column, value) {
			continue
		}
		if p.updates[row] == nil {
			p.updates[row] = ovsdb.Columns{}
		}
		p.updates[row][column] = value
	}
}

// large is from how many elements on only the difference is sent.
const large = 16

func (p *plan) gradually(row *ovsdb.Row, column string, value any) bool {
	switch want := value.(type) {
	case ovsdb.Map:
		if len(want) < large {
			return false
		}
		d := p.delta(row, column)
		d.set, d.unset = maps.Clone(want), ovsdb.Map{}
		for key, have := range row.Entries(column) {
			switch now, ok := want[key]; {
			case !ok || now != have:
				d.unset[key] = have
			default:
				delete(d.set, key)
			}
		}
	case ovsdb.Set:
		if len(want) < large {
			return false
		}
		d := p.delta(row, column)
		have := row.Strings(column)
		d.gained, d.lost = without(want, have), without(have, want)
	default:
		return false
	}
	return true
}

// without gives what is in a and not in b.
func without(a, b []string) (rest ovsdb.Set) {
	in := make(map[string]bool, len(b))
	for _, s := range b {
		in[s] = true
	}
	for _, s := range a {
		if !in[s] {
			rest = append(rest, s)
		}
	}
	return rest
}

// move has the wanted places refer to a row and no others.
func (p *plan) move(u unit, row *ovsdb.Row, want *Row) {
	have := map[Place]bool{}
	for at := range row.Places() {
		is, _ := at.Row.Mark.(*identity)
		if is != nil {
			place := Place{at.Row.Table.Name, is.key, at.Column}
			// Of two rows with one key the first is the one.
			if slices.Contains(want.In, place) && p.ix.row(Ref{place.Table, place.Key}) == at.Row {
				have[place] = true
				continue
			}
		}
		p.touched[u] = true
		p.leave(row, at)
	}
	for _, place := range want.In {
		if !have[place] && p.there(u, Ref{place.Table, place.Key}) {
			have[place], p.touched[u] = true, true
			p.add(place, row.UUID)
		}
	}
}

func (p *plan) leave(row *ovsdb.Row, at ovsdb.Place) {
	d := p.delta(at.Row, at.Column)
	d.remove = append(d.remove, row.UUID)
}

func (p *plan) delete(u unit, row *ovsdb.Row) {
	p.touched[u] = true
	p.deletes[row] = true
	// Out of weak sets too: OVS 3.1's ovsdb-server forgets to do that where the
	// same transaction adds to the set and makes another row of its table.
	for at := range row.Places() {
		p.leave(row, at)
	}
}

// ops gives the plan as a transaction's operations.
func (p *plan) ops() (ops []ovsdb.Op) {
	for _, in := range p.inserts {
		ops = append(ops, ovsdb.Insert(in.table, in.name, in.columns))
	}
	for row, columns := range p.updates {
		ops = append(ops, ovsdb.Update(row.Table.Name, row.UUID, columns))
	}
	for at, d := range p.deltas {
		if !p.deletes[at.Row] {
			ops = append(ops, ovsdb.Mutate(at.Row.Table.Name, at.Row.UUID, d.mutations(at.Column)...))
		}
	}
	for row := range p.deletes {
		ops = append(ops, ovsdb.Delete(row.Table.Name, row.UUID))
	}
	return ops
}

func (d *delta) mutations(column string) (all []ovsdb.Mutation) {
	mutation := func(mutator string, value any, some bool) {
		if some {
			all = append(all, ovsdb.Mutation{Column: column, Mutator: mutator, Value: value})
		}
	}
	mutation("delete", d.remove, len(d.remove) > 0)
	mutation("delete", d.lost, len(d.lost) > 0)
	mutation("delete", d.unset, len(d.unset) > 0)
	mutation("insert", d.add, len(d.add) > 0)
	mutation("insert", d.gained, len(d.gained) > 0)
	mutation("insert", d.set, len(d.set) > 0)
	return all
}
