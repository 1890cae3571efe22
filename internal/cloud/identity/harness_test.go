// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
)

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// cloud is a Keystone under test.
type cloud struct {
	t     *testing.T
	s     *Service
	url   string
	admin string // a token of the user admin
}

const demo = "demo"

func testOptions() Options {
	return Options{
		AdminPassword: "secret",
		Users:         []User{{Name: demo, Password: "secret", Project: demo, Roles: []string{"member"}}},
		Endpoints:     map[string]string{"identity": "http://keystone/v3", "network": "http://neutron"},
	}
}

// start serves a Keystone in memory.
func start(t *testing.T, o Options) *cloud {
	t.Helper()
	return serve(t, model.New(), o)
}

func serve(t *testing.T, tables *model.Tables, o Options) *cloud {
	t.Helper()
	s, err := New(tables, o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Mux())
	t.Cleanup(func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		server.Close()
	})
	c := &cloud{t: t, s: s, url: server.URL}
	c.admin = c.login(byPassword("admin", "secret", inProject("admin")))
	return c
}

// answer is a response that was read whole.
type answer struct {
	status int
	header http.Header
	body   ref
}

// message is the text of an error.
func (a answer) message() string { return text(object(a.body, "error"), "message") }

// id is the id of the one resource in the answer.
func (a answer) id(kind string) string { return text(object(a.body, kind), "id") }

// do makes a request. The body is JSON text, or what is written as JSON.
func (c *cloud) do(method, path, token string, body any, header ...string) answer {
	c.t.Helper()
	var content io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		content = bytes.NewBufferString(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			c.t.Fatal(err)
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, content)
	if err != nil {
		c.t.Fatal(err)
	}
	if content != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("X-Auth-Token", token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	a := answer{status: resp.StatusCode, header: resp.Header}
	if err := json.NewDecoder(resp.Body).Decode(&a.body); err != nil && err != io.EOF {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// must is do by admin, for what has to succeed.
func (c *cloud) must(method, path string, body any) answer {
	c.t.Helper()
	a := c.do(method, path, c.admin, body)
	if a.status >= 300 {
		c.t.Fatalf("%s %s: %d %s", method, path, a.status, a.message())
	}
	return a
}

// login gives a token, which must be given.
func (c *cloud) login(auth ref) string {
	c.t.Helper()
	a := c.do("POST", "/v3/auth/tokens", "", auth)
	if a.status != http.StatusCreated {
		c.t.Fatalf("log in: %d %s", a.status, a.message())
	}
	return a.header.Get("X-Subject-Token")
}

// check is the answer to who asks about a token.
func (c *cloud) check(token string) answer {
	c.t.Helper()
	return c.do("GET", "/v3/auth/tokens", c.admin, nil, "X-Subject-Token", token)
}

func byPassword(user, password string, scope any) ref {
	return auth("password", ref{"user": ref{"name": user, "domain": ref{"id": "default"}, "password": password}}, scope)
}

func auth(method string, payload, scope any) ref {
	a := ref{"identity": ref{"methods": []string{method}, method: payload}}
	if scope != nil {
		a["scope"] = scope
	}
	return ref{"auth": a}
}

func inProject(name string) ref {
	return ref{"project": ref{"name": name, "domain": ref{"name": "Default"}}}
}

func withCredential(id, secret string) ref {
	return auth("application_credential", ref{"id": id, "secret": secret}, nil)
}

// find gives the id of what there is by that name.
func (c *cloud) find(kinds, name string) string {
	c.t.Helper()
	found := c.must("GET", "/v3/"+kinds+"?name="+name, nil).body[kinds].([]any)
	if len(found) != 1 {
		c.t.Fatalf("%s %s: there are %d", kinds, name, len(found))
	}
	return text(found[0].(ref), "id")
}
