// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/google/uuid"
)

// maxBody bounds a request's body, in bytes.
const maxBody = 64 << 20

// Options are what a Mux is made of.
type Options struct {
	// Name is the service type in the catalogue: "identity", "network", "load-balancer".
	Name string
	// Authenticator knows the tokens.
	Authenticator Authenticator
	// Render gives the body of an error, as JSON will have it.
	Render func(*Request, *Error) any
	// Unauthorized is the answer to a request without a good token.
	Unauthorized func(*Request) *Error
	// Logger is told of internal errors.
	Logger *slog.Logger
}

// Mux is one service's HTTP side.
type Mux struct {
	o   Options
	mux *http.ServeMux
}

// NewMux makes a Mux that knows no path.
func NewMux(o Options) *Mux { return &Mux{o: o, mux: http.NewServeMux()} }

// Name is the service's type.
func (m *Mux) Name() string { return m.o.Name }

// Handle has h serve a pattern of http.ServeMux with a method
// ("GET /v2.0/ports/{id}"), for who has a token.
func (m *Mux) Handle(pattern string, h Handler) {
	m.mux.HandleFunc(pattern, func(w http.ResponseWriter, hr *http.Request) {
		m.serve(w, hr, true, h)
	})
}

// HandleOpen is Handle for everybody.
func (m *Mux) HandleOpen(pattern string, h Handler) {
	m.mux.HandleFunc(pattern, func(w http.ResponseWriter, hr *http.Request) {
		m.serve(w, hr, false, h)
	})
}

// Kind gives the pattern that a request is served by; empty: none.
func (m *Mux) Kind(hr *http.Request) string {
	_, pattern := m.mux.Handler(clean(hr))
	return pattern
}

// clean gives the request without what clients may put behind a path.
func clean(hr *http.Request) *http.Request {
	path := strings.TrimSuffix(hr.URL.Path, ".json")
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	if path == hr.URL.Path {
		return hr
	}
	c := hr.Clone(hr.Context())
	c.URL.Path, c.URL.RawPath = path, ""
	return c
}

// ServeHTTP implements http.Handler.
func (m *Mux) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	hr = clean(hr)
	if h, pattern := m.mux.Handler(hr); pattern == "" {
		probe := &statusOnly{header: http.Header{}}
		h.ServeHTTP(probe, hr)
		m.serve(w, hr, false, func(*Request) (Reply, error) {
			if probe.status == http.StatusMethodNotAllowed {
				return Reply{}, &Error{
					Status: http.StatusMethodNotAllowed, Type: "HTTPMethodNotAllowed",
					Message: "The method " + hr.Method + " is not allowed for this resource.", Header: http.Header{"Allow": probe.header["Allow"]},
				}
			}
			return Reply{}, Errorf(http.StatusNotFound, "HTTPNotFound", "The resource could not be found.")
		})
		return
	}
	m.mux.ServeHTTP(w, hr)
}

// statusOnly hears what ServeMux would say.
type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) Write(b []byte) (int, error) { return len(b), nil }
func (s *statusOnly) WriteHeader(status int)      { s.status = status }

func (m *Mux) serve(w http.ResponseWriter, hr *http.Request, private bool, h Handler) {
	r := &Request{Request: hr, ID: "req-" + uuid.NewString()}
	reply, err := m.answer(w, r, private, h)
	w.Header().Set("X-Openstack-Request-Id", r.ID)
	if err != nil {
		e := asError(err)
		if e.Cause != nil || e.Status == http.StatusInternalServerError {
			m.o.Logger.ErrorContext(r.Context(), "request failed", "service", m.o.Name, "request", r.ID, "call", hr.Pattern, "path", hr.URL.Path, "error", err)
		}
		reply = Reply{Status: e.Status, Header: e.Header, Body: m.o.Render(r, e)}
	}
	m.write(w, r, reply)
}

func (m *Mux) answer(w http.ResponseWriter, r *Request, private bool, h Handler) (reply Reply, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("api: panic: %v\n%s", p, debug.Stack())
		}
	}()
	r.Body, err = io.ReadAll(http.MaxBytesReader(w, r.Request.Body, maxBody))
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		return Reply{}, Errorf(http.StatusRequestEntityTooLarge, "HTTPRequestEntityTooLarge", "Request is too large.")
	}
	if err != nil {
		return Reply{}, Errorf(http.StatusBadRequest, "HTTPBadRequest", "The request's body could not be read.")
	}
	if private {
		if r.Caller, err = m.o.Authenticator.Authenticate(r.Request.Header.Get("X-Auth-Token")); err != nil {
			return Reply{}, m.o.Unauthorized(r)
		}
	}
	return h(r)
}

func (m *Mux) write(w http.ResponseWriter, r *Request, reply Reply) {
	for k, v := range reply.Header {
		w.Header()[k] = v
	}
	status := reply.Status
	if status == 0 {
		status = http.StatusOK
	}
	if reply.Body == nil {
		w.WriteHeader(status)
		return
	}
	b, err := encode(reply.Body)
	if err != nil {
		m.o.Logger.ErrorContext(r.Context(), "answer cannot be written as JSON", "service", m.o.Name, "request", r.ID, "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // a client that has gone needs no answer
}

// encode gives a body as JSON, which it may be already.
func encode(body any) ([]byte, error) {
	if text, ok := body.(json.RawMessage); ok {
		return text, nil
	}
	return json.Marshal(body)
}
