// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rest

import (
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
)

// What is kept inside of a row has no table. Its handlers read and list with these.

// Given reads the one object of a request and checks it by its attributes: all
// of a new one, or else what is to change.
func Given(c *Call, name string, a *Attributes, create bool) (Values, error) {
	if isEmpty(c.Request) {
		return nil, BadRequest("Resource body required")
	}
	objects, _, err := read(c.Request, name, name+"s", false)
	if err != nil {
		return nil, err
	}
	given := objects[0]
	if err := owner(c, given, create); err != nil {
		return nil, err
	}
	if err := a.verify(given); err != nil {
		return nil, err
	}
	if create {
		return a.complete(given)
	}
	return a.changes(given)
}

// Object reads the one object of a request.
func Object(c *Call, name string) (map[string]any, error) {
	objects, _, err := read(c.Request, name, name, false)
	if err != nil {
		return nil, err
	}
	return objects[0], nil
}

// Choose gives what a list request asks for of items, which are in the order
// of their ids.
func Choose(r *api.Request, plural string, a *Attributes, items []map[string]any) (any, error) {
	s := &server[struct{}]{Resource: &Resource[struct{}]{Attributes: a}}
	q, err := s.query(r.URL.Query())
	if err != nil {
		return nil, err
	}
	chosen := []map[string]any{}
	for _, item := range items {
		if q.limit > 0 && len(chosen) == q.limit {
			break
		}
		if id, _ := item["id"].(string); q.marker != "" && id <= q.marker || !q.wants(item) {
			continue
		}
		chosen = append(chosen, Fields(item, q.fields))
	}
	return map[string]any{plural: chosen}, nil
}

func (q query) wants(item map[string]any) bool {
	for name, values := range q.filters {
		if value, has := item[name]; has && !slices.Contains(values, api.Text(value)) {
			return false
		}
	}
	return true
}

// Fields leaves of an item what a request wants to see: with no fields all.
func Fields(item map[string]any, fields []string) map[string]any {
	if len(fields) == 0 {
		return item
	}
	some := map[string]any{}
	for _, name := range fields {
		if value, has := item[name]; has {
			some[name] = value
		}
	}
	return some
}

// NewCall makes the Call of a handler of its own.
func (e *Engine) NewCall(r *api.Request) *Call {
	return &Call{Request: r, Engine: e, Parent: r.PathValue("parent"), sights: map[Target]*sight{}, shown: map[string]any{}}
}
