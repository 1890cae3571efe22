// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rest

import (
	"encoding/json"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// Change makes one commit and returns when the network has it.
func (e *Engine) Change(c *Call, change func(tx *store.Tx) error) error {
	seq, err := e.Store.Update(change)
	if err == nil {
		e.settle(c.Context(), seq)
	}
	return err
}

// Act has the engine serve "PUT .../{id}/NAME", for whom the rule NAME holds.
// The body is nil where it is no object; what do gives is the answer.
func Act[T any](e *Engine, res *Resource[T], name string, do func(c *Call, tx *store.Tx, body map[string]any, row *T) (any, error)) {
	s := &server[T]{Resource: res, engine: e}
	e.Mux.Handle("PUT "+res.Path+"/{id}/"+name, func(r *api.Request) (api.Reply, error) {
		c := s.call(r)
		var body any
		if len(r.Body) > 0 && json.Unmarshal(r.Body, &body) != nil {
			return api.Reply{}, BadRequest("The server could not comply with the request since it is either malformed or otherwise incorrect.")
		}
		object, _ := body.(map[string]any)
		var answer any
		err := e.Change(c, func(tx *store.Tx) error {
			row, err := s.acted(c, tx, name)
			if err == nil {
				answer, err = do(c, tx, object, row)
			}
			return err
		})
		return api.Reply{Body: answer}, err
	})
}

// Look has the engine serve "GET .../{id}/NAME", for whom the rule NAME holds.
func Look[T any](e *Engine, res *Resource[T], name string, show func(c *Call, r store.Reader, row *T) any) {
	s := &server[T]{Resource: res, engine: e}
	e.Mux.Handle("GET "+res.Path+"/{id}/"+name, func(r *api.Request) (api.Reply, error) {
		c := s.call(r)
		var answer any
		var err error
		e.Store.View(func(r store.Reader) {
			var row *T
			if row, err = s.acted(c, r, name); err == nil {
				answer = show(c, r, row)
			}
		})
		return api.Reply{Body: answer}, err
	})
}

// acted gives the row that an action is about, when the caller may do it.
func (s *server[T]) acted(c *Call, r store.Reader, name string) (*T, error) {
	row, err := s.find(c, r)
	if err != nil {
		return nil, err
	}
	if !c.Allows(name, s.target(c, r, row)) {
		return nil, api.Errorf(403, "PolicyNotAuthorized", "rule:%s is disallowed by policy", name)
	}
	return row, nil
}
