// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovsdb

import (
	"context"
	"encoding/json"
	"fmt"
)

// Columns are values of a row's columns: string, int, bool, UUID or Name, nil
// for none; Set, IDs, Map, IntMap.
type Columns map[string]any

// Op is an operation of a transaction.
type Op struct {
	Op        string  `json:"op"`
	Table     string  `json:"table,omitempty"`
	Name      Name    `json:"-"`
	Where     any     `json:"where,omitempty"`
	Row       Columns `json:"row,omitempty"`
	Mutations []any   `json:"mutations,omitempty"`
}

// MarshalJSON writes the operation as RFC 7047 has it.
func (o Op) MarshalJSON() ([]byte, error) {
	type plain Op
	row := make(Columns, len(o.Row))
	for name, value := range o.Row {
		row[name] = wire(value)
	}
	o.Row = row
	return json.Marshal(struct {
		plain
		UUIDName string `json:"uuid-name,omitempty"`
	}{plain(o), string(o.Name)})
}

func by(id UUID) any { return []any{[]any{"_uuid", "==", id}} }

// Insert makes a row, which the same transaction's other operations may name.
func Insert(table string, name Name, row Columns) Op {
	return Op{Op: "insert", Table: table, Name: name, Row: row}
}

// Update sets columns of a row.
func Update(table string, id UUID, row Columns) Op {
	return Op{Op: "update", Table: table, Where: by(id), Row: row}
}

// Delete removes a row; one that is gone already is no error.
func Delete(table string, id UUID) Op { return Op{Op: "delete", Table: table, Where: by(id)} }

// Mutate changes columns of a row.
func Mutate(table string, id UUID, mutations ...Mutation) Op {
	o := Op{Op: "mutate", Table: table, Where: by(id)}
	for _, m := range mutations {
		o.Mutations = append(o.Mutations, m)
	}
	return o
}

// MutateAll changes columns of every row of a table that has a given column; an
// integer, which must not be negative.
func MutateAll(table, integer string, mutations ...Mutation) Op {
	o := Mutate(table, UUID{}, mutations...)
	o.Where = []any{[]any{integer, ">=", 0}}
	return o
}

// Mutation changes a column: Mutator is "insert", "delete" or "+=".
type Mutation struct {
	Column, Mutator string
	Value           any
}

// MarshalJSON writes the mutation as RFC 7047 has it.
func (m Mutation) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{m.Column, m.Mutator, m.Value})
}

// Refusal is the server's no to a transaction: nothing of it was made.
type Refusal struct {
	// Reason is OVSDB's error string ("constraint violation"), Details its explanation.
	Reason  string `json:"error"`
	Details string `json:"details"`
}

// Error tells both.
func (r *Refusal) Error() string {
	if r.Details == "" {
		return r.Reason
	}
	return r.Reason + ": " + r.Details
}

// Transact makes the operations, all or none. The error is a *Refusal, or
// wraps ErrLost when the connection went: then they may have been made or not.
func (c *Conn) Transact(ctx context.Context, ops []Op) error {
	params := []any{c.schema.Database}
	for _, o := range ops {
		params = append(params, o)
	}
	text, err := c.call(ctx, "", "transact", params...)
	if err != nil {
		return fmt.Errorf("ovsdb: transact: %w", err)
	}
	var results []*Refusal
	if err := json.Unmarshal(text, &results); err != nil {
		return fmt.Errorf("ovsdb: transact: answer: %w", err)
	}
	for _, r := range results {
		if r != nil && r.Reason != "" {
			return r
		}
	}
	return nil
}
