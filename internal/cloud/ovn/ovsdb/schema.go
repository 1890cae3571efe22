// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovsdb

// Kind says what a column holds, as far as its replica goes.
type Kind int

// The kinds of columns.
const (
	// Scalar is a string, an integer or a boolean.
	Scalar Kind = iota
	// Optional is one value or none, which may be a reference as well.
	Optional
	// Strings is a set of strings, which may have more than one.
	Strings
	// Text is a map of strings.
	Text
	// Integers is a map of strings to integers.
	Integers
	// Strong is a set of references that keep alive what they refer to.
	Strong
	// Weak is a set of references that go with what they refer to.
	Weak
)

// refers tells whether a column's values are kept with the rows that they refer to.
func (k Kind) refers() bool { return k == Strong || k == Weak }

// Column is a column that the replica has.
type Column struct {
	Name string
	Kind Kind
}

// Table is a table that the replica has.
type Table struct {
	Name string
	// Root rows live without anything that refers to them.
	Root    bool
	Columns []Column
}

// column finds a column's place in Columns; -1 when the replica has it not.
func (t *Table) column(name string) int {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return i
		}
	}
	return -1
}

// Strong tells whether a column is a set of strong references.
func (t *Table) Strong(column string) bool {
	i := t.column(column)
	return i >= 0 && t.Columns[i].Kind == Strong
}

// Schema is what the replica has of a database.
type Schema struct {
	Database string
	Tables   []*Table
}

// Table finds a table by its name, or gives nil.
func (s *Schema) Table(name string) *Table {
	for _, t := range s.Tables {
		if t.Name == name {
			return t
		}
	}
	return nil
}
