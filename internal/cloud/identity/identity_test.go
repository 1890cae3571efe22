// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ api.Authenticator = (*Service)(nil)

func TestClientsFindTheVersion(t *testing.T) {
	c := start(t, testOptions())
	want := ref{
		"id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
		"links":       []any{ref{"rel": "self", "href": c.url + "/v3/"}},
		"media-types": []any{ref{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}},
	}
	a := c.do("GET", "/", "", nil)
	if a.status != http.StatusMultipleChoices || a.header.Get("Location") != c.url+"/v3/" {
		t.Errorf("/: %d %v", a.status, a.header)
	}
	if diff := cmp.Diff(ref{"versions": ref{"values": []any{want}}}, a.body); diff != "" {
		t.Error(diff)
	}
	for _, path := range []string{"/v3", "/v3/"} {
		if a := c.do("GET", path, "", nil); a.status != http.StatusOK || cmp.Diff(ref{"version": want}, a.body) != "" {
			t.Errorf("%s: %d %v", path, a.status, a.body)
		}
	}
}

func TestEachAnswerHasKeystonesHeaders(t *testing.T) {
	c := start(t, testOptions())
	for _, a := range []answer{c.do("GET", "/v3/projects", "", nil), c.do("GET", "/v3/regions", c.admin, nil), c.do("POST", "/v3/auth/tokens", "", byPassword(demo, "bad", nil))} {
		if a.header.Get("Vary") != "X-Auth-Token" || !strings.HasPrefix(a.header.Get("X-Openstack-Request-Id"), "req-") || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%d: %v", a.status, a.header)
		}
		if challenge := a.header.Get("Www-Authenticate"); (a.status == http.StatusUnauthorized) != (challenge == `Keystone uri="`+c.url+`/v3"`) {
			t.Errorf("%d: %q", a.status, challenge)
		}
	}
	if a := c.do("PUT", "/v3/auth/tokens", "", nil); a.status != http.StatusMethodNotAllowed || a.body["message"] != "The method is not allowed for the requested URL." {
		t.Errorf("PUT: %d %v", a.status, a.body)
	}
	if a := c.do("GET", "/v3/OS-TRUST/trusts", c.admin, nil); a.status != http.StatusNotFound {
		t.Errorf("trusts: %d", a.status)
	}
}

func TestTheSeedIsThereAtEachStart(t *testing.T) {
	o := testOptions()
	o.Region, o.Roles = "North", []string{"kuryr"}
	o.Projects = []Project{{Name: "empty", Description: "nothing"}}
	o.ApplicationCredentials = []ApplicationCredential{{ID: "demo-id", Name: "seeded", Secret: "s", User: demo, Project: demo, Roles: []string{"reader"}}}
	tables := model.New()
	c := serve(t, tables, o)
	for _, name := range []string{"admin", "member", "reader", "service", "kuryr"} {
		c.find("roles", name)
	}
	if description := text(c.must("GET", "/v3/projects?name=empty", nil).body["projects"].([]any)[0].(ref), "description"); description != "nothing" {
		t.Errorf("description: %q", description)
	}
	token := c.login(withCredential("demo-id", "s"))
	if caller, err := c.s.Authenticate(token); err != nil || caller.ProjectName != demo || fmt.Sprint(caller.Roles) != "[reader]" {
		t.Errorf("%+v, %v", caller, err)
	}
	catalog := object(c.do("POST", "/v3/auth/tokens", "", byPassword(demo, "secret", nil)).body, "token")["catalog"].([]any)
	seen := map[string]any{}
	for _, s := range catalog {
		for _, e := range s.(ref)["endpoints"].([]any) {
			seen[fmt.Sprint(s.(ref)["name"], " ", e.(ref)["interface"], " ", e.(ref)["region"])] = e.(ref)["url"]
		}
	}
	want := map[string]any{}
	for _, iface := range []string{"public", "internal", "admin"} {
		want["keystone "+iface+" North"], want["neutron "+iface+" North"] = "http://keystone/v3", "http://neutron"
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}

	// What users changed stays, what is gone is there again.
	c.must("PATCH", "/v3/users/"+c.find("users", demo), ref{"user": ref{"password": "mine"}})
	c.must("DELETE", "/v3/projects/"+c.find("projects", "empty"), nil)
	o.Endpoints["network"] = "http://elsewhere"
	c = serve(t, tables, o)
	c.login(byPassword(demo, "mine", nil))
	c.find("projects", "empty")
	for _, e := range c.must("GET", "/v3/endpoints", nil).body["endpoints"].([]any) {
		if url := text(e.(ref), "url"); url == "http://neutron" {
			t.Error("an endpoint has its old URL")
		}
	}
}

func TestASeedThatMakesNoSenseIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(*Options){
		"no password": func(o *Options) { o.AdminPassword = "" },
		"nameless":    func(o *Options) { o.Users = []User{{Password: "x"}} },
		"nowhere":     func(o *Options) { o.Users = []User{{Name: "x", Roles: []string{"member"}}} },
		"nobody": func(o *Options) {
			o.ApplicationCredentials = []ApplicationCredential{{Name: "a", Secret: "s", User: "x", Project: demo}}
		},
		"no role": func(o *Options) {
			o.ApplicationCredentials = []ApplicationCredential{{Name: "a", Secret: "s", User: demo, Project: demo, Roles: []string{"admin"}}}
		},
	} {
		o := testOptions()
		spoil(&o)
		tables := model.New()
		if _, err := New(tables, o); err == nil {
			t.Errorf("%s: accepted", name)
		}
		tables.View(func(r store.Reader) {
			if n := tables.Identity.Users.Len(r); n != 0 {
				t.Errorf("%s: %d users are left", name, n)
			}
		})
	}
}

func TestNoPasswordIsStored(t *testing.T) {
	c := start(t, testOptions())
	token := c.login(byPassword(demo, "secret", nil))
	c.do("POST", "/v3/users/"+c.find("users", demo)+"/application_credentials", token, ref{"application_credential": ref{"name": "a", "secret": "secret"}})
	c.s.tables.View(func(r store.Reader) {
		for u := range c.s.tables.Identity.Users.All(r) {
			if strings.Contains(fmt.Sprintf("%+v", u), "secret") || !strings.HasPrefix(u.PasswordHash, "$2") {
				t.Errorf("%+v", u)
			}
		}
		for a := range c.s.tables.Identity.Credentials.All(r) {
			if !strings.HasPrefix(a.SecretHash, "$2") {
				t.Errorf("%+v", a)
			}
		}
	})
	// bcrypt alone would not see the end of this.
	long := strings.Repeat("x", 100)
	c.must("PATCH", "/v3/users/"+c.find("users", demo), ref{"user": ref{"password": long + "1"}})
	if a := c.do("POST", "/v3/auth/tokens", "", byPassword(demo, long+"2", nil)); a.status != http.StatusUnauthorized {
		t.Errorf("another long password: %d", a.status)
	}
	c.login(byPassword(demo, long+"1", nil))
}

func TestWhoMustUseTwoMethodsUsesTwo(t *testing.T) {
	c := start(t, testOptions())
	id := c.find("users", demo)
	first := c.login(byPassword(demo, "secret", nil))
	c.must("PATCH", "/v3/users/"+id, ref{"user": ref{"options": ref{"multi_factor_auth_rules": []any{[]string{"password", "token"}, []string{"application_credential"}}}}})
	if a := c.do("POST", "/v3/auth/tokens", "", byPassword(demo, "secret", nil)); a.status != http.StatusUnauthorized {
		t.Errorf("one method: %d", a.status)
	}
	both := byPassword(demo, "secret", nil)
	identity := object(object(both, "auth"), "identity")
	identity["methods"], identity["token"] = []string{"password", "token"}, ref{"id": first}
	c.login(both)
	c.must("PATCH", "/v3/users/"+id, ref{"user": ref{"options": ref{"multi_factor_auth_enabled": false}}})
	c.login(byPassword(demo, "secret", nil))
}

func TestTwoUsersAreNotOne(t *testing.T) {
	c := start(t, testOptions())
	request := byPassword(demo, "secret", nil)
	identity := object(object(request, "auth"), "identity")
	identity["methods"], identity["token"] = []string{"password", "token"}, ref{"id": c.admin}
	if a := c.do("POST", "/v3/auth/tokens", "", request); a.status != http.StatusUnauthorized {
		t.Errorf("demo's password and admin's token: %d", a.status)
	}
}

func TestRolesComeDownTheTree(t *testing.T) {
	c := start(t, testOptions())
	user, reader := c.find("users", demo), c.find("roles", "reader")
	parent := c.must("POST", "/v3/projects", ref{"project": ref{"name": "parent"}}).id("project")
	child := c.must("POST", "/v3/projects", ref{"project": ref{"name": "child", "parent_id": parent}}).id("project")
	scoped := func(id string) int {
		return c.do("POST", "/v3/auth/tokens", "", byPassword(demo, "secret", ref{"project": ref{"id": id}})).status
	}
	grant := "/v3/OS-INHERIT/projects/" + parent + "/users/" + user + "/roles/" + reader + "/inherited_to_projects"
	c.must("PUT", grant, nil)
	if above, below := scoped(parent), scoped(child); above != http.StatusUnauthorized || below != http.StatusCreated {
		t.Errorf("inherited from a project: above %d, below %d", above, below)
	}
	c.must("DELETE", grant, nil)
	c.must("PUT", "/v3/OS-INHERIT/domains/default/users/"+user+"/roles/"+reader+"/inherited_to_projects", nil)
	if above, below := scoped(parent), scoped(child); above != http.StatusCreated || below != http.StatusCreated {
		t.Errorf("inherited from the domain: above %d, below %d", above, below)
	}
}

func TestManyCanChangeThingsAtOnce(t *testing.T) {
	c := start(t, testOptions())
	member := c.find("roles", "member")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			name := fmt.Sprint("user", i)
			p := c.do("POST", "/v3/projects", c.admin, ref{"project": ref{"name": name}})
			u := c.do("POST", "/v3/users", c.admin, ref{"user": ref{"name": name, "password": name, "default_project_id": p.id("project")}})
			path := "/v3/projects/" + p.id("project") + "/users/" + u.id("user") + "/roles/" + member
			if a := c.do("PUT", path, c.admin, nil); a.status != http.StatusNoContent {
				t.Errorf("%s: grant: %d", name, a.status)
			}
			for range 5 {
				a := c.do("POST", "/v3/auth/tokens", "", byPassword(name, name, nil))
				if caller, err := c.s.Authenticate(a.header.Get("X-Subject-Token")); err != nil || caller.UserName != name || caller.ProjectName != name {
					t.Errorf("%s: %+v, %v", name, caller, err)
				}
			}
			// One of the eight gets the name.
			c.do("POST", "/v3/projects", c.admin, ref{"project": ref{"name": "contested"}})
			c.do("DELETE", "/v3/users/"+u.id("user"), c.admin, nil)
		})
	}
	all.Wait()
	c.find("projects", "contested")
}

func FuzzNoRequestForATokenIsAnInternalError(f *testing.F) {
	s, err := New(model.New(), testOptions())
	if err != nil {
		f.Fatal(err)
	}
	m := s.Mux()
	for _, seed := range []string{
		`{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "demo", "domain": {"id": "default"}, "password": "x"}}}, "scope": {"project": {"id": "x"}}}}`,
		`{"auth": {"identity": {"methods": ["token"], "token": {"id": "x"}}, "scope": "unscoped"}}`,
		`{"auth": {"identity": {"methods": ["application_credential"], "application_credential": {"name": "x", "user": {"name": "demo", "domain": {"name": "Default"}}}}}}`,
		`{"auth": {"identity": {"methods": ["application_credential"], "application_credential": 1}, "scope": {"system": {}}}}`,
		`{"auth": null}`, `[]`, `"`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		w := httptest.NewRecorder()
		m.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), "POST", "/v3/auth/tokens", strings.NewReader(body)))
		if w.Code == http.StatusCreated && !strings.Contains(body, "secret") || w.Code >= 500 {
			t.Errorf("%d: %s: %s", w.Code, body, w.Body)
		}
	})
}
