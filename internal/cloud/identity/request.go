// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"errors"
	"mime"
	"net/http"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/identity/schema"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// ref is a resource as the API shows it, or as a client sends it.
type ref = map[string]any

// call is a request in progress.
type call struct {
	*api.Request
	s *Service
	// access is whom the request's token speaks for; nil where none is needed or it is no good.
	access *access
	// body is empty for a request that has none.
	body ref
}

type handler func(*call) (api.Reply, error)

// routes puts a Service's handlers into its Mux. Keystone looks at the token
// by itself: its answers tell more about a token than other services' do.
type routes struct {
	s   *Service
	mux *api.Mux
}

// handle has h serve a pattern for who has a token.
func (m routes) handle(pattern string, h handler) {
	m.open(pattern, func(c *call) (api.Reply, error) {
		if c.access == nil {
			return api.Reply{}, unauthorized()
		}
		return h(c)
	})
}

// open is handle for everybody.
func (m routes) open(pattern string, h handler) {
	m.mux.HandleOpen(pattern, func(r *api.Request) (api.Reply, error) {
		reply, err := m.s.answer(&call{Request: r, s: m.s}, h)
		header := &reply.Header
		if e, ok := errors.AsType[*api.Error](err); ok {
			header = &e.Header
			if e.Status == http.StatusUnauthorized {
				setHeader(header, "Www-Authenticate", `Keystone uri="`+r.BaseURL()+`/v3"`)
			}
		}
		setHeader(header, "Vary", "X-Auth-Token")
		return reply, err
	})
}

func setHeader(h *http.Header, name, value string) {
	if *h == nil {
		*h = http.Header{}
	}
	h.Set(name, value)
}

func (s *Service) answer(c *call, h handler) (api.Reply, error) {
	if token := c.Header.Get("X-Auth-Token"); token != "" {
		var err error
		s.tables.View(func(r store.Reader) { c.access, err = s.validate(r, token, 0) })
		if e, ok := errors.AsType[*api.Error](err); ok && e.Type != typeTokenNotFound {
			return api.Reply{}, err
		}
	}
	if err := c.readBody(); err != nil {
		return api.Reply{}, err
	}
	return h(c)
}

func (c *call) readBody() error {
	if len(c.Body) == 0 {
		return nil
	}
	kind, _, _ := mime.ParseMediaType(c.Header.Get("Content-Type"))
	isJSON := kind == "application/json" || strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json")
	if kind != "" && !isJSON {
		return expecting("application/json", "Content-Type header")
	}
	var err error
	if c.body, err = c.JSON(); err != nil || c.body == nil {
		return expecting("valid JSON", "request body")
	}
	return nil
}

// url is where a path of the API is to be found by the client.
func (c *call) url(path string) string { return c.BaseURL() + "/v3" + path }

// may is the error of a caller who may not do something.
func (c *call) may(action string, allowed bool) error {
	if allowed {
		return nil
	}
	return forbiddenAction("identity:" + action)
}

// given tells whether a parameter that needs no value is in the query. "0" is no.
func (c *call) given(name string) bool {
	values, ok := c.URL.Query()[name]
	return ok && values[0] != "0"
}

// object gives the resource in the request's body, which fits the schema.
func (c *call) object(name string, s *schema.Schema) (ref, error) {
	value, ok := c.body[name]
	if !ok {
		value = ref{}
	}
	return checked(value, s)
}

// objectOrNull is object for a resource that must be there.
func (c *call) objectOrNull(name string, s *schema.Schema) (ref, error) {
	return checked(c.body[name], s)
}

func checked(value any, s *schema.Schema) (ref, error) {
	if err := s.Check(value); err != nil {
		return nil, badRequest("%s", err)
	}
	values := ref{}
	for name, v := range value.(ref) {
		values[strings.NewReplacer(":", "_", "-", "_").Replace(name)] = v
	}
	return values, nil
}

// collection answers with a list.
func (c *call) collection(name string, refs []ref) api.Reply {
	self := c.url(strings.TrimPrefix(c.URL.Path, "/v3"))
	if c.URL.RawQuery != "" {
		self += "?" + c.URL.RawQuery
	}
	if refs == nil {
		refs = []ref{}
	}
	return api.Reply{Body: ref{name: refs, "links": ref{"next": nil, "previous": nil, "self": self}}}
}

func created(name string, r ref) api.Reply {
	return api.Reply{Status: http.StatusCreated, Body: ref{name: r}}
}

var noContent = api.Reply{Status: http.StatusNoContent}

// view runs read with a consistent state.
func (s *Service) view(read func(r store.Reader) (api.Reply, error)) (reply api.Reply, err error) {
	s.tables.View(func(r store.Reader) { reply, err = read(r) })
	return reply, err
}

// update runs change, which happens as a whole or not at all.
func (s *Service) update(change func(tx *store.Tx) (api.Reply, error)) (reply api.Reply, err error) {
	_, err = s.tables.Update(func(tx *store.Tx) error {
		reply, err = change(tx)
		return err
	})
	return reply, err
}

// text gives a field that is a string, or nothing.
func text(r ref, name string) string {
	s, _ := r[name].(string)
	return s
}

// object gives a field that is an object, or an empty one.
func object(r ref, name string) ref {
	o, _ := r[name].(ref)
	return o
}

// trimName does away with the space around a name.
func trimName(values ref) {
	if name, ok := values["name"].(string); ok {
		values["name"] = strings.TrimSpace(name)
	}
}
