// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package api

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Columns read the fields of a row type by the names that its JSON tags give
// them. Fields tagged api:"-" are not there.
type Columns[T any] struct {
	names  []string
	index  map[string][]int
	layout string
}

// ColumnsOf reads the tags of T. Times are shown by the layout.
func ColumnsOf[T any](layout string) *Columns[T] {
	c := &Columns[T]{index: map[string][]int{}, layout: layout}
	c.add(reflect.TypeFor[T](), nil)
	return c
}

func (c *Columns[T]) add(t reflect.Type, at []int) {
	for i := range t.NumField() {
		f := t.Field(i)
		path := append(slices.Clone(at), i)
		if f.Anonymous {
			c.add(f.Type, path)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" || f.Tag.Get("api") == "-" {
			continue
		}
		c.names = append(c.names, name)
		c.index[name] = path
	}
}

// Names gives the columns in the order of the fields.
func (c *Columns[T]) Names() []string { return c.names }

// Has tells whether there is such a column.
func (c *Columns[T]) Has(name string) bool { return c.index[name] != nil }

// Value gives a column of a row: nil for a null, never a pointer; a list that
// is nil is empty; times are text.
func (c *Columns[T]) Value(row *T, name string) any {
	v := reflect.ValueOf(row).Elem().FieldByIndex(c.index[name])
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	if (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.IsNil() {
		if v.Kind() == reflect.Map {
			return map[string]any{}
		}
		return []any{}
	}
	value := v.Interface()
	if t, ok := value.(time.Time); ok {
		return t.UTC().Format(c.layout)
	}
	return value
}

// Copy sets a column of a row to that of another.
func (c *Columns[T]) Copy(row, from *T, name string) {
	at := c.index[name]
	reflect.ValueOf(row).Elem().FieldByIndex(at).Set(reflect.ValueOf(from).Elem().FieldByIndex(at))
}

// Map gives all columns of a row.
func (c *Columns[T]) Map(row *T) map[string]any {
	m := make(map[string]any, len(c.names)+8)
	for _, name := range c.names {
		m[name] = c.Value(row, name)
	}
	return m
}

// Text is what a filter compares with a value of Value's: booleans are "true"
// and "false", null is "".
func Text(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	default:
		return fmt.Sprint(v)
	}
}

// Compare orders two values of one column, for a sorted list: null first, then
// numbers by their size and the rest by its text.
func Compare(a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	if x, ok := a.(int); ok {
		if y, ok := b.(int); ok {
			return x - y
		}
	}
	return strings.Compare(Text(a), Text(b))
}
