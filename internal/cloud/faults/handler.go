// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package faults

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
)

// maxBody is how much of a body is looked at, in bytes.
const maxBody = 64 << 20

// unknown is the kind of a call that no pattern serves.
const unknown = "unknown"

// requestID is the header with a call's id.
const requestID = "X-Openstack-Request-Id"

// call is a Call under way.
type call struct {
	Call
	path string
	body []byte
	bulk bool
}

// Wrap gives a service with the faults before it.
func (f *Faults) Wrap(m *api.Mux) http.Handler { return &handler{f, m} }

type handler struct {
	faults *Faults
	mux    *api.Mux
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	began := h.faults.now()
	h.faults.log.begin()
	h.faults.metrics.inFlight.Inc()
	c := h.call(hr)
	c.Time = began
	p := h.faults.plan(c)
	c.Faults = p.names
	answered := h.answer(hr, c, p)
	c.Status, c.RequestID = answered.status, answered.header.Get(requestID)
	took := h.faults.now().Sub(began)
	c.Seconds = took.Seconds()
	h.faults.log.end(c.Call)
	h.faults.metrics.end(c.Call)
	answered.send(w)
}

// call reads what is to be known about a call before it is served.
func (h *handler) call(hr *http.Request) *call {
	c := &call{path: hr.URL.Path}
	c.Service, c.Kind, c.Method, c.Path = h.mux.Name(), h.mux.Kind(hr), hr.Method, hr.URL.RequestURI()
	if c.Kind == "" {
		c.Kind = unknown
	}
	if caller, err := h.mux.Caller(hr); err == nil {
		c.ProjectID, c.Project, c.UserID, c.User = caller.ProjectID, caller.ProjectName, caller.UserID, caller.UserName
	}
	if hr.Body != nil && hr.Body != http.NoBody {
		// What cannot be read is for the service to find out.
		c.body, _ = io.ReadAll(io.LimitReader(hr.Body, maxBody))
		hr.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(c.body), hr.Body), hr.Body}
		c.Items, c.bulk = items(c.body)
	}
	return c
}

// answer serves a call as planned.
func (h *handler) answer(hr *http.Request, c *call, p plan) *answer {
	if p.limited > 0 {
		return h.fail(hr, &api.Error{
			Status: http.StatusTooManyRequests, Type: "OverLimit", Message: "This request was rate-limited.",
			Header: http.Header{"Retry-After": {Seconds(p.limited).header()}},
		})
	}
	if !wait(hr.Context(), p.let, p.before) {
		return newAnswer()
	}
	if p.answer != nil && !p.answer.After {
		return h.instead(hr, c, p, newAnswer())
	}
	a := newAnswer()
	h.mux.ServeHTTP(a, hr)
	wait(hr.Context(), p.let, p.after)
	if p.answer != nil {
		return h.instead(hr, c, p, a)
	}
	return a
}

// instead gives the answer of a rule in the place of the service's own.
func (h *handler) instead(hr *http.Request, c *call, p plan, own *answer) *answer {
	switch p.answer.Answer {
	case Drop:
		own.status = 0
	case Truncate:
		own.truncated = true
	case Hang:
		hang(hr.Context(), p.let)
		own.status = 0
	default:
		return h.fail(hr, p.answer.failure(c))
	}
	return own
}

func (h *handler) fail(hr *http.Request, e *api.Error) *answer {
	a := newAnswer()
	h.mux.Fail(a, hr, e)
	return a
}

// wait waits, unless the client goes away or the faults are replaced before.
// It tells whether the client is there.
func wait(ctx context.Context, let <-chan struct{}, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-let:
	case <-ctx.Done():
		return false
	}
	return true
}

func hang(ctx context.Context, let <-chan struct{}) {
	select {
	case <-let:
	case <-ctx.Done():
	}
}

// answer is what a client is going to see. With the status 0 it sees its
// connection end.
type answer struct {
	header    http.Header
	status    int
	body      bytes.Buffer
	truncated bool
}

func newAnswer() *answer { return &answer{header: http.Header{}} }

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

// send sends it.
func (a *answer) send(w http.ResponseWriter) {
	if a.status == 0 {
		panic(http.ErrAbortHandler)
	}
	for k, v := range a.header {
		w.Header()[k] = v
	}
	body := a.body.Bytes()
	if a.status != http.StatusNoContent {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(a.status)
	if a.truncated {
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(body) // a client that has gone needs no answer
}
