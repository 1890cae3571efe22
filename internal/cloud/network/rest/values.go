// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
)

// Values are attributes of a request, checked and converted: strings, bools,
// ints, nil, []any, map[string]any, or what a resource's own check made.
type Values map[string]any

// Has tells whether an attribute is given or has a default.
func (v Values) Has(name string) bool { _, ok := v[name]; return ok }

// String gives a text; "" where there is none, or null.
func (v Values) String(name string) string { s, _ := v[name].(string); return s }

// Bool gives a truth value; false where there is none.
func (v Values) Bool(name string) bool { b, _ := v[name].(bool); return b }

// Int gives a number, and whether there is one.
func (v Values) Int(name string) (int, bool) { n, ok := v[name].(int); return n, ok }

// Strings gives a list of texts.
func (v Values) Strings(name string) []string {
	if list, ok := v[name].([]string); ok {
		return list
	}
	var texts []string
	list, _ := v[name].([]any)
	for _, item := range list {
		if s, ok := item.(string); ok {
			texts = append(texts, s)
		}
	}
	return texts
}

// Decode puts an attribute into a value by its JSON tags.
func (v Values) Decode(name string, into any) error {
	b, err := json.Marshal(v[name])
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		return fmt.Errorf("rest: decode %s: %w", name, err)
	}
	return nil
}

// apply sets the columns of a row to the values that have their names. What the
// row shares with another is left as it is.
func apply[T any](row *T, c *api.Columns[T], v Values) error {
	known := map[string]any{}
	for name, value := range v {
		if c.Has(name) {
			known[name] = value
		}
	}
	b, err := json.Marshal(known)
	fresh := new(T)
	if err == nil {
		err = json.Unmarshal(b, fresh)
	}
	if err != nil {
		return fmt.Errorf("rest: set columns: %w", err)
	}
	for name := range known {
		c.Copy(row, fresh, name)
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
