// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rig

import (
	"errors"
	"sync"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/faults"
)

// Requests are calls that have ended, counted by service ("identity",
// "network"), kind ("POST /v2.0/ports", "GET /v2.0/ports/{id}") and status
// (0: no answer was sent).
type Requests []faults.Count

// Of is how many of them are of a service and kind; empty: of any.
func (r Requests) Of(service, kind string) int {
	n := 0
	for _, c := range r {
		if (service == "" || c.Service == service) && (kind == "" || c.Kind == kind) {
			n += c.Count
		}
	}
	return n
}

// Requests are all calls since the proxy's beginning.
func (p *FaultProxy) Requests() Requests { return p.faults.Counts() }

// Mark is a moment in a proxy's life.
type Mark map[faults.Key]int

// Mark is now.
func (p *FaultProxy) Mark() Mark {
	m := Mark{}
	for _, c := range p.Requests() {
		m[c.Key] = c.Count
	}
	return m
}

// Since are the calls that have ended after a moment.
func (p *FaultProxy) Since(m Mark) Requests {
	var since Requests
	for _, c := range p.Requests() {
		if c.Count -= m[c.Key]; c.Count > 0 {
			since = append(since, c)
		}
	}
	return since
}

// Fired tells to how many calls each rule has done something, by its name.
func (p *FaultProxy) Fired() map[string]int { return p.faults.Fired() }

// callers are those whose tokens were seen.
type callers struct {
	mu sync.Mutex
	of map[string]api.Caller // by token; guarded by mu
}

func newCallers() *callers { return &callers{of: map[string]api.Caller{}} }

var errStranger = errors.New("a token that was not issued through the proxy")

// Authenticate implements api.Authenticator: it says who a caller claims to
// be. Whether the token is any good is for the cloud to say.
func (k *callers) Authenticate(token string) (api.Caller, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c, ok := k.of[token]
	if !ok {
		return c, errStranger
	}
	return c, nil
}

// note remembers a token of Keystone's, by what it says of it.
func (k *callers) note(token string, says map[string]any) {
	named := func(what string) (id, name string) {
		of, _ := says[what].(map[string]any)
		id, _ = of["id"].(string)
		name, _ = of["name"].(string)
		return id, name
	}
	var c api.Caller
	c.UserID, c.UserName = named("user")
	c.ProjectID, c.ProjectName = named("project")
	k.mu.Lock()
	defer k.mu.Unlock()
	k.of[token] = c
}
