// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rest

import (
	"net/http"
	"reflect"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// creation is one object of a create request.
type creation struct {
	project string
	values  Values
}

func (s *server[T]) create(r *api.Request) (api.Reply, error) {
	c := s.call(r)
	objects, bulk, err := read(r, s.Name, s.Plural, !s.NoBulk)
	if s.Core && isEmpty(r) {
		err = BadRequest("Unable to find '%s' in request body", s.Name)
	}
	if err != nil {
		return api.Reply{}, err
	}
	var wanted []creation
	for _, given := range objects {
		w, err := s.wanted(c, given)
		if err != nil {
			return api.Reply{}, err
		}
		wanted = append(wanted, w)
	}
	var answer any
	seq, err := s.engine.Store.Update(func(tx *store.Tx) error {
		made, err := s.make(c, tx, wanted)
		if err == nil {
			answer = s.written(c, tx, made, bulk)
		}
		return err
	})
	if err != nil {
		return api.Reply{}, err
	}
	s.engine.settle(r.Context(), seq)
	return api.Reply{Status: http.StatusCreated, Body: answer}, nil
}

// wanted checks and completes one object of a create request.
func (s *server[T]) wanted(c *Call, given map[string]any) (creation, error) {
	if s.Attributes.Get("project_id") != nil || given["project_id"] != nil || given["tenant_id"] != nil {
		if err := owner(c, given, true); err != nil {
			return creation{}, err
		}
	}
	if err := s.Attributes.verify(given); err != nil {
		return creation{}, err
	}
	v, err := s.Attributes.complete(given)
	return creation{v.String("project_id"), v}, err
}

func (s *server[T]) make(c *Call, tx *store.Tx, wanted []creation) ([]*T, error) {
	if s.Parent != nil {
		if err := s.Parent(c, tx); err != nil {
			return nil, err
		}
	}
	if err := s.admit(c, tx, wanted); err != nil {
		return nil, err
	}
	rows := make([]*T, len(wanted))
	for i, w := range wanted {
		row := new(T)
		*s.Meta(row) = s.engine.NewMeta(w.project)
		if err := apply(row, s.Columns, w.values); err != nil {
			return nil, err
		}
		s.Meta(row).ProjectID = w.project
		if err := s.engine.Policy.demand("create_"+s.Name, s.Attributes, w.values, true, c.Caller, s.target(c, tx, row)); err != nil {
			return nil, err
		}
		rows[i] = row
	}
	if s.Creates != nil {
		if err := s.Creates(c, tx, rows); err != nil {
			return nil, err
		}
	}
	for i, w := range wanted {
		if err := s.Create(c, tx, w.values, rows[i]); err != nil {
			return nil, err
		}
		s.Table.Put(tx, rows[i])
	}
	return rows, nil
}

// admit asks what Neutron asks before its policy.
func (s *server[T]) admit(c *Call, tx *store.Tx, wanted []creation) error {
	more := map[string]int{}
	for _, w := range wanted {
		more[w.project]++
		if s.Before == nil {
			continue
		}
		if err := s.Before(c, tx, w.values, w.project); err != nil {
			return err
		}
	}
	if s.Quota == "" || s.engine.Quota == nil {
		return nil
	}
	for _, project := range sortedKeys(more) {
		if err := s.engine.Quota(tx, project, s.Quota, more[project]); err != nil {
			return err
		}
	}
	return nil
}

// written is the answer to a change: the rows as the change left them, whatever
// the network makes of it before the answer is sent.
func (s *server[T]) written(c *Call, tx *store.Tx, rows []*T, bulk bool) any {
	var text []byte
	for i, row := range rows {
		// The change may have gone on with a row after it was put.
		if now := s.Table.Get(tx, s.Meta(row).ID); now != nil {
			row = now
		}
		if i > 0 {
			text = append(text, ',')
		}
		text = s.appendShown(text, c, tx, row, nil)
	}
	if bulk {
		return named(s.Plural, append(append([]byte{'['}, text...), ']'))
	}
	return named(s.Name, text)
}

// isEmpty tells whether a request's body is an object with nothing in it.
func isEmpty(r *api.Request) bool {
	body, err := r.JSON()
	return err == nil && body != nil && len(body) == 0
}

// notEven gives the error of an update request in which the resource is not
// found: a core resource says first that it has no such row.
func (s *server[T]) notEven(c *Call, err error) error {
	body, bad := c.JSON()
	_, named := body[s.Name]
	_, listed := body[s.Plural]
	switch {
	case !s.Core && isEmpty(c.Request):
		return BadRequest("Resource body required")
	case !s.Core || named || listed || bad != nil && len(c.Body) > 0:
		return err
	}
	s.engine.Store.View(func(r store.Reader) {
		if _, absent := s.find(c, r); absent != nil {
			err = absent
		}
	})
	return err
}

func (s *server[T]) update(r *api.Request) (api.Reply, error) {
	c := s.call(r)
	objects, _, err := read(r, s.Name, s.Plural, false)
	if err != nil {
		return api.Reply{}, s.notEven(c, err)
	}
	given := objects[0]
	if err := owner(c, given, false); err != nil {
		return api.Reply{}, err
	}
	if err := s.Attributes.verify(given); err != nil {
		return api.Reply{}, err
	}
	v, err := s.Attributes.changes(given)
	if err != nil {
		return api.Reply{}, err
	}
	var answer any
	seq, err := s.engine.Store.Update(func(tx *store.Tx) error {
		row, err := s.change(c, tx, v)
		if err == nil {
			answer = s.written(c, tx, []*T{row}, false)
		}
		return err
	})
	if err != nil {
		return api.Reply{}, err
	}
	s.engine.settle(r.Context(), seq)
	return api.Reply{Body: answer}, nil
}

// change gives the row its new values, and returns it.
func (s *server[T]) change(c *Call, tx *store.Tx, v Values) (*T, error) {
	old, err := s.find(c, tx)
	if err != nil {
		return nil, err
	}
	row := new(T)
	*row = *old
	if err := apply(row, s.Columns, v); err != nil {
		return nil, err
	}
	if err := s.permit(c, tx, "update", v, row); err != nil {
		return nil, err
	}
	if err := s.match(c, old); err != nil {
		return nil, err
	}
	if s.Update != nil {
		if err := s.Update(c, tx, v, old, row); err != nil {
			return nil, err
		}
	}
	if len(v) > 0 || s.EmptyCounts || !reflect.DeepEqual(old, row) {
		s.engine.Touch(s.Meta(row))
		s.Table.Put(tx, row)
	}
	return row, nil
}

func (s *server[T]) delete(r *api.Request) (api.Reply, error) {
	c := s.call(r)
	if len(r.Body) > 0 {
		return api.Reply{}, BadRequest("Request body is not supported in DELETE.")
	}
	seq, err := s.engine.Store.Update(func(tx *store.Tx) error {
		row, err := s.find(c, tx)
		if err != nil {
			return err
		}
		if err := s.permit(c, tx, "delete", nil, row); err != nil {
			return err
		}
		if err := s.match(c, row); err != nil {
			return err
		}
		if s.Delete != nil {
			if err := s.Delete(c, tx, row); err != nil {
				return err
			}
		}
		s.Table.Delete(tx, s.Meta(row).ID)
		return nil
	})
	if err != nil {
		return api.Reply{}, err
	}
	s.engine.settle(r.Context(), seq)
	return api.Reply{Status: http.StatusNoContent}, nil
}
