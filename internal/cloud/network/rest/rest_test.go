// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// thing is a resource that has a bit of everything.
type thing struct {
	model.Meta
	Name   string `json:"name"`
	Size   int    `json:"size"`
	Secret string `json:"secret"`
}

const (
	thingAttributes = `
things
  id                 -    none      any             filter sort
  name               cu   ""        string:8        filter sort
  size               cu   required  range:1:9       filter sort
  secret             cu   ""        string:255      policy
  project_id         c    unset     string:255      filter sort
  tags               -    none      any             filter
  revision_number    -    none      any             sort
`
	thingPolicy = `
create_thing         any
create_thing:secret  admin
get_thing            admin owner
get_thing:secret     admin
update_thing         admin owner
update_thing:secret  admin
delete_thing         admin owner
`
)

type callers map[string]api.Caller

func (c callers) Authenticate(token string) (api.Caller, error) {
	if caller, ok := c[token]; ok {
		return caller, nil
	}
	return api.Caller{}, errors.New("no such token")
}

// shop serves things.
type shop struct {
	testing.TB
	mux     *api.Mux
	settled []uint64
	fail    error
}

func newShop(t testing.TB) *shop {
	t.Helper()
	s := &shop{TB: t}
	s.mux = api.NewMux(api.Options{
		Name: "shop", Render: rest.Render, Unauthorized: rest.Unauthorized(""), Logger: slog.New(slog.DiscardHandler),
		Authenticator: callers{"admin": {ProjectID: "p0", Roles: []string{"admin"}}, "one": {ProjectID: "p1"}, "two": {ProjectID: "p2"}, "teller": {ProjectID: "p1", Roles: []string{"teller"}}},
	})
	policy, err := rest.ParsePolicy(thingPolicy, map[string][]string{"get_thing:secret": {"teller"}})
	if err != nil {
		t.Fatal(err)
	}
	attributes, err := rest.ParseAttributes(thingAttributes, nil)
	if err != nil {
		t.Fatal(err)
	}
	engine := &rest.Engine{
		Mux: s.mux, Store: store.New(), Policy: policy, Now: time.Now,
		Settle: func(_ context.Context, seq uint64) error { s.settled = append(s.settled, seq); return nil },
		Quota: func(_ *store.Tx, _, resource string, more int) error {
			if more > 3 {
				return rest.Conflict("OverQuota", "Quota exceeded for resources: ['%s'].", resource)
			}
			return nil
		},
	}
	rest.Add(engine, &rest.Resource[thing]{
		Name: "thing", Plural: "things", Kind: "Thing", Attributes: attributes["things"], Tagged: true, Quota: "thing", StrictMarker: true,
		Table: store.NewTable(engine.Store, "things", func(t *thing) string { return t.ID }), Meta: func(t *thing) *model.Meta { return &t.Meta },
		Create: func(_ *rest.Call, _ *store.Tx, _ rest.Values, t *thing) error {
			if t.Name == "bad" {
				return rest.Conflict("ThingInUse", "Thing %s is bad.", t.ID)
			}
			return nil
		},
		Delete: func(*rest.Call, *store.Tx, *thing) error { return s.fail },
	})
	return s
}

// send gives an answer as its status and its text.
func (s *shop) send(who, method, path, body string, headers ...string) (int, string) {
	s.Helper()
	r := httptest.NewRequest(method, "/v2.0/things"+path, strings.NewReader(body))
	r.Header.Set("X-Auth-Token", who)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer := httptest.NewRecorder()
	s.mux.ServeHTTP(answer, r)
	return answer.Code, answer.Body.String()
}

func (s *shop) make(who, body string) string {
	s.Helper()
	status, text := s.send(who, http.MethodPost, "", `{"thing":`+body+`}`)
	var made struct{ Thing thing }
	if err := json.Unmarshal([]byte(text), &made); err != nil || status != http.StatusCreated {
		s.Fatalf("%s: %d %s", body, status, text)
	}
	return made.Thing.ID
}

func (s *shop) want(who, method, path, body string, status int, part string, headers ...string) {
	s.Helper()
	got, text := s.send(who, method, path, body, headers...)
	if got != status || !strings.Contains(text, part) {
		s.Errorf("%s %s %s %s: %d %s\nwant %d %s", who, method, path, body, got, text, status, part)
	}
}

func TestARequestIsHeldAgainstTheAttributes(t *testing.T) {
	s := newShop(t)
	for body, part := range map[string]string{
		``:                                 "Resource body required",
		`{}`:                               "Resource body required",
		`[]`:                               "Body contains invalid data",
		`{"thing":`:                        "Body contains invalid data",
		`{"other":{}}`:                     "Unable to find 'thing' in request body",
		`{"thing":null}`:                   "Unable to find 'thing' in request body",
		`{"thing":5}`:                      "Object 'thing' contains invalid data",
		`{"things":[]}`:                    "Resources required",
		`{"things":[5]}`:                   "Body contains invalid data",
		`{"things":{"a":1}}`:               "Object 'thing' contains invalid data",
		`{"thing":{}}`:                     "Failed to parse request. Required attribute 'size' not specified",
		`{"thing":{"size":1,"a":1,"b":2}}`: "Unrecognized attribute(s) 'a, b'",
		`{"thing":{"size":1,"id":"x"}}`:    "Attribute 'id' not allowed in POST",
		`{"thing":{"size":0}}`:             "Invalid input for size. Reason: '0' is too small - must be at least '1'.",
		`{"thing":{"size":10}}`:            "Invalid input for size. Reason: '10' is too large - must be no larger than '9'.",
		`{"thing":{"size":"1"}}`:           "Invalid input for size. Reason: '1' is not an integer.",
		`{"thing":{"size":1,"name":"ninechars"}}`: "Invalid input for name. Reason: 'ninechars' exceeds maximum length of 8.",
		`{"thing":{"size":1,"name":null}}`:        "Invalid input for name. Reason: 'None' is not a valid string.",
		`{"thing":{"size":1,"project_id":"p2"}}`:  "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin or advsvc privileges",
	} {
		if body == `` {
			part = "Unable to find 'thing' in request body"
		}
		s.want("one", http.MethodPost, "", body, http.StatusBadRequest, part)
	}
	id := s.make("one", `{"size":3}`)
	s.want("one", http.MethodPut, "/"+id, `{"thing":{"id":"x"}}`, http.StatusBadRequest, "Cannot update read-only attribute id")
	s.want("one", http.MethodPut, "/"+id, `{"thing":{"size":99}}`, http.StatusBadRequest, "is too large")
	s.want("one", http.MethodDelete, "/"+id, `{}`, http.StatusBadRequest, "Request body is not supported in DELETE.")
}

func TestWhoMaySeeAndChangeAThing(t *testing.T) {
	s := newShop(t)
	id := s.make("one", `{"size":3,"name":"mine"}`)
	s.want("admin", http.MethodPut, "/"+id, `{"thing":{"secret":"hush"}}`, http.StatusOK, `"secret":"hush"`)
	s.want("two", http.MethodGet, "/"+id, "", http.StatusNotFound, "Thing "+id+" could not be found.")
	s.want("two", http.MethodPut, "/"+id, `{"thing":{"size":4}}`, http.StatusNotFound, "ThingNotFound")
	s.want("two", http.MethodDelete, "/"+id, "", http.StatusNotFound, "ThingNotFound")
	s.want("two", http.MethodGet, "", "", http.StatusOK, `{"things":[]}`)
	s.want("one", http.MethodPut, "/"+id, `{"thing":{"secret":"x"}}`, http.StatusForbidden, "(rule:update_thing and rule:update_thing:secret) is disallowed by policy")
	s.want("one", http.MethodPost, "", `{"thing":{"size":1,"secret":"x"}}`, http.StatusForbidden, "(rule:create_thing and rule:create_thing:secret) is disallowed by policy")
	for who, sees := range map[string]bool{"admin": true, "one": false, "teller": true} {
		for _, path := range []string{"", "/" + id, "?fields=secret"} {
			if _, text := s.send(who, http.MethodGet, path, ""); strings.Contains(text, "hush") != sees {
				t.Errorf("%s reads %s", who, text)
			}
		}
	}
	s.want("admin", http.MethodPost, "", `{"thing":{"size":1,"tenant_id":"p2"}}`, http.StatusCreated, `"project_id":"p2"`)
	s.want("admin", http.MethodPost, "", `{"thing":{"size":1,"tenant_id":"p2","project_id":"p1"}}`, http.StatusBadRequest, "'project_id' and 'tenant_id' do not match")
}

func TestABulkIsOneCommitOrNone(t *testing.T) {
	s := newShop(t)
	s.want("one", http.MethodPost, "", `{"things":[{"size":1},{"thing":{"size":2}},{"size":3}]}`, http.StatusCreated, `{"things":[{`)
	if len(s.settled) != 1 {
		t.Errorf("%d commits", len(s.settled))
	}
	s.want("one", http.MethodPost, "", `{"things":[{"size":4},{"size":5,"name":"bad"}]}`, http.StatusConflict, "ThingInUse")
	s.want("one", http.MethodPost, "", `{"things":[{"size":4},{"size":0}]}`, http.StatusBadRequest, "too small")
	s.want("one", http.MethodPost, "", `{"things":[{"size":1},{"size":1},{"size":1},{"size":1}]}`, http.StatusConflict, "Quota exceeded for resources: ['thing'].")
	_, text := s.send("one", http.MethodGet, "", "")
	if n := strings.Count(text, `"id"`); n != 3 || len(s.settled) != 1 {
		t.Errorf("%d things, %d commits", n, len(s.settled))
	}
}

func TestAChangeIsOfTheRevisionThatItNames(t *testing.T) {
	s := newShop(t)
	id := s.make("one", `{"size":3}`)
	old, now := "revision_number=7", `"revision_number":0`
	s.want("one", http.MethodGet, "/"+id, "", http.StatusOK, now)
	for _, tag := range []string{old, `"` + old + `"`, "other, " + old} {
		s.want("one", http.MethodPut, "/"+id, `{"thing":{"size":4}}`, http.StatusPreconditionFailed, "Constrained to 7, but current revision is 0", "If-Match", tag)
		s.want("one", http.MethodDelete, "/"+id, "", http.StatusPreconditionFailed, "RevisionNumberConstraintFailed", "If-Match", tag)
	}
	s.want("one", http.MethodPut, "/"+id, `{"thing":{"size":4}}`, http.StatusBadRequest, "must be in the format of revision_number=", "If-Match", "revision_number=x")
	s.want("one", http.MethodPut, "/"+id, `{"thing":{"size":4}}`, http.StatusOK, `"size":4`, "If-Match", "revision_number=0")
	s.want("one", http.MethodPut, "/"+id, `{"thing":{"size":5}}`, http.StatusOK, `"revision_number":2`, "If-Match", "nothing of ours")
}

func TestTags(t *testing.T) {
	s := newShop(t)
	id := s.make("one", `{"size":3}`)
	at := "/" + id + "/tags"
	s.want("one", http.MethodPut, at, `{"tags":["b","a"]}`, http.StatusOK, `{"tags":["b","a"]}`)
	s.want("one", http.MethodGet, at, "", http.StatusOK, `{"tags":["a","b"]}`)
	s.want("one", http.MethodPut, at+"/c", "", http.StatusCreated, "")
	s.want("one", http.MethodGet, at+"/c", "", http.StatusNoContent, "")
	s.want("one", http.MethodDelete, at+"/a", "", http.StatusNoContent, "")
	s.want("one", http.MethodDelete, at+"/a", "", http.StatusNotFound, "Tag a could not be found.")
	s.want("one", http.MethodPut, at, `{"tags":["a","a"]}`, http.StatusBadRequest, "Duplicate items in the list: 'a'")
	s.want("one", http.MethodPut, at, `{"tags":5}`, http.StatusBadRequest, "'5' is not a list")
	s.want("one", http.MethodPut, at, `{}`, http.StatusBadRequest, "Invalid tags body")
	s.want("one", http.MethodPut, at+"/"+strings.Repeat("x", 256), "", http.StatusBadRequest, "exceeds maximum length of 255")
	s.want("two", http.MethodGet, at, "", http.StatusNotFound, "Resource things "+id+" could not be found.")
	s.want("one", http.MethodGet, "?tags=b,c", "", http.StatusOK, id)
	s.want("one", http.MethodGet, "?tags=b,a", "", http.StatusOK, `{"things":[]}`)
	s.want("one", http.MethodGet, "?not-tags=b", "", http.StatusBadRequest, "['not-tags'] is invalid attribute for filtering")
	s.want("one", http.MethodDelete, at, "", http.StatusNoContent, "")
	s.want("one", http.MethodGet, at, "", http.StatusOK, `{"tags":[]}`)
}

func TestWhatAListMayNotAskFor(t *testing.T) {
	s := newShop(t)
	for query, part := range map[string]string{
		"?color=red":                    "['color'] is invalid attribute for filtering",
		"?secret=x":                     "['secret'] is invalid attribute for filtering",
		"?limit=-1":                     "Limit must be an integer 0 or greater and not '-1'",
		"?limit=x":                      "Limit must be an integer 0 or greater and not 'x'",
		"?sort_key=name":                "The number of sort_keys and sort_dirs must be same",
		"?sort_key=secret&sort_dir=asc": "['secret'] is invalid attribute for sort_keys",
		"?sort_key=name&sort_dir=up":    "['up'] is invalid value for sort_dirs, valid value is 'asc' and 'desc'",
	} {
		s.want("one", http.MethodGet, query, "", http.StatusBadRequest, part)
	}
	s.want("one", http.MethodGet, "?limit=1&marker=none", "", http.StatusNotFound, "Thing none could not be found.")
	s.want("one", http.MethodGet, "?limit=0&name=", "", http.StatusOK, `{"things":[]}`)
}

func TestWhatMayNotGoStays(t *testing.T) {
	s := newShop(t)
	id := s.make("one", `{"size":3}`)
	s.fail = rest.Conflict("ThingInUse", "Thing %s is in use.", id)
	s.want("one", http.MethodDelete, "/"+id, "", http.StatusConflict, "is in use")
	s.want("one", http.MethodGet, "/"+id, "", http.StatusOK, id)
	s.fail = nil
	s.want("one", http.MethodDelete, "/"+id, "", http.StatusNoContent, "")
	s.want("one", http.MethodDelete, "/"+id, "", http.StatusNotFound, "ThingNotFound")
}

func TestTablesThatSayNothing(t *testing.T) {
	for table, part := range map[string]string{
		"x\n  a c":                 "too few words",
		"x\n  a c {bad any":        "default",
		"x\n  a c none nonsense":   `no check is called "nonsense"`,
		"x\n  a c none any wisdom": `flag "wisdom"`,
	} {
		if _, err := rest.ParseAttributes(table, nil); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %v", table, err)
		}
	}
	if _, err := rest.ParsePolicy("get_x everyone", nil); err == nil || !strings.Contains(err.Error(), `no term "everyone"`) {
		t.Error(err)
	}
	if _, err := rest.ParsePolicy("get_x any", map[string][]string{"get_y": {"r"}}); err == nil || !strings.Contains(err.Error(), `no rule "get_y"`) {
		t.Error(err)
	}
}

func TestPythonsWayToWriteValues(t *testing.T) {
	for text, want := range map[string]string{
		`null`: "None", `true`: "True", `5`: "5", `1.5`: "1.5", `"a"`: "'a'", `"it's"`: `"it's"`, `"'\""`: `'\'"'`, `["a",null]`: "['a', None]", `{"b":[],"a":{}}`: "{'a': {}, 'b': []}",
	} {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		if got := rest.Repr(v); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
	if got := fmt.Sprint(rest.Str("a"), rest.Str(nil)); got != "aNone" {
		t.Error(got)
	}
}
