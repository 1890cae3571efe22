// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
)

func TestAServiceLearnsFromATokenWhoCalls(t *testing.T) {
	c := start(t, testOptions())
	token := c.login(byPassword(demo, "secret", nil)) // the default project
	caller, err := c.s.Authenticate(token)
	if err != nil {
		t.Fatal(err)
	}
	if caller.UserID != c.find("users", demo) || caller.UserName != demo || caller.ProjectID != c.find("projects", demo) || caller.ProjectName != demo ||
		caller.DomainID != "default" || !slices.Equal(caller.Roles, []string{"member", "reader"}) || caller.Admin() {
		t.Errorf("caller: %+v", caller)
	}
	if admin, err := c.s.Authenticate(c.admin); err != nil || !admin.Admin() {
		t.Errorf("admin: %+v, %v", admin, err)
	}
	for _, bad := range []string{"", "bad", token + "x"} {
		if caller, err := c.s.Authenticate(bad); err == nil {
			t.Errorf("%q speaks for %+v", bad, caller)
		}
	}
}

func TestATokenEndsWithItsLifetime(t *testing.T) {
	time0, o := newClock(), testOptions()
	o.TokenLifetime, o.Now = time.Hour, time0.Now
	c := start(t, o)
	a := c.do("POST", "/v3/auth/tokens", "", byPassword(demo, "secret", nil))
	token := a.header.Get("X-Subject-Token")
	if got := text(object(a.body, "token"), "expires_at"); got != "2026-11-23T13:00:00.000000Z" {
		t.Errorf("expires_at: %s", got)
	}
	// A token from a token ends with it.
	time0.Add(30 * time.Minute)
	second := c.login(auth("token", ref{"id": token}, nil))
	time0.Add(30*time.Minute - time.Second)
	for _, good := range []string{token, second} {
		if _, err := c.s.Authenticate(good); err != nil {
			t.Errorf("a second before its end: %v", err)
		}
	}
	c.admin = c.login(byPassword("admin", "secret", inProject("admin")))
	time0.Add(time.Second)
	for _, over := range []string{token, second} {
		if _, err := c.s.Authenticate(over); err == nil {
			t.Error("good at its end")
		}
		if a := c.check(over); a.status != http.StatusNotFound || a.message() != "Failed to validate token" {
			t.Errorf("check: %d %s", a.status, a.message())
		}
		// Services may ask for requests that began before.
		if a := c.do("GET", "/v3/auth/tokens?allow_expired=1", c.admin, nil, "X-Subject-Token", over); a.status != http.StatusOK {
			t.Errorf("check with allow_expired: %d %s", a.status, a.message())
		}
	}
}

func TestTokensAndRevocationsOutliveTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	open := func() *model.Tables {
		tables := model.New()
		if err := tables.Open(path); err != nil {
			t.Fatal(err)
		}
		return tables
	}
	tables := open()
	c := serve(t, tables, testOptions())
	good, revoked := c.login(byPassword(demo, "secret", nil)), c.login(byPassword(demo, "secret", nil))
	if a := c.do("DELETE", "/v3/auth/tokens", revoked, nil, "X-Subject-Token", revoked); a.status != http.StatusNoContent {
		t.Fatalf("revoke: %d %s", a.status, a.message())
	}
	c.must("PATCH", "/v3/users/"+c.find("users", demo), ref{"user": ref{"email": "demo@example.org", "options": ref{"lock_password": true}}})
	if err := tables.Close(); err != nil {
		t.Fatal(err)
	}

	tables = open()
	defer func() { _ = tables.Close() }()
	before := tables.Seq()
	again, err := New(tables, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	if tables.Seq() != before {
		t.Error("a second start changes something")
	}
	for _, token := range []string{good, c.admin} {
		if _, err := again.Authenticate(token); err != nil {
			t.Errorf("after a restart: %v", err)
		}
	}
	if _, err := again.Authenticate(revoked); err == nil {
		t.Error("a revoked token is good after a restart")
	}
	c = serve(t, tables, testOptions())
	user := object(c.must("GET", "/v3/users/"+c.find("users", demo), nil).body, "user")
	if text(user, "email") != "demo@example.org" || object(user, "options")["lock_password"] != true {
		t.Errorf("user after a restart: %v", user)
	}
}

func TestAnotherAdminPasswordIsTheNewOneAtTheNextStart(t *testing.T) {
	tables := model.New()
	c := serve(t, tables, testOptions())
	old := c.admin
	o := testOptions()
	o.AdminPassword = "other"
	s, err := New(tables, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(old); err == nil {
		t.Error("a token of the old password is good")
	}
	if a := c.do("POST", "/v3/auth/tokens", "", byPassword("admin", "secret", nil)); a.status != http.StatusUnauthorized {
		t.Errorf("old password: %d", a.status)
	}
	c.login(byPassword("admin", "other", nil))
}

func TestRevocationsAreForgottenWhenNobodyNeedsThem(t *testing.T) {
	time0, o := newClock(), testOptions()
	o.Now = time0.Now
	c := start(t, o)
	revoke := func() {
		token := c.login(byPassword(demo, "secret", nil))
		if a := c.do("DELETE", "/v3/auth/tokens", token, nil, "X-Subject-Token", token); a.status != http.StatusNoContent {
			t.Fatalf("revoke: %d", a.status)
		}
	}
	for range 3 {
		revoke()
	}
	time0.Add(24*time.Hour + expiredGrace)
	revoke()
	if n := c.s.tables.Identity.Revocations.Len(nil); n != 1 {
		t.Errorf("%d revocations", n)
	}
}

// machine is the model of who may do what; a token must be good exactly as long as it says.
type machine struct {
	c                              *cloud
	user, project, credential      string
	password                       string
	enabled, projectOn             bool
	member, viaGroup, inherited    bool
	userGone, projectGone, credOff bool
	group, memberRole              string
	epoch                          int
	tokens                         []issued
}

type issued struct {
	token      string
	scoped     bool
	credential bool
	epoch      int
	revoked    bool
}

// good tells whether a token must be good.
func (m *machine) good(i issued) bool {
	if m.userGone || i.revoked || i.epoch != m.epoch || i.credential && m.credOff {
		return false
	}
	return !i.scoped || !m.projectGone && m.projectOn && m.hasRole()
}

func (m *machine) hasRole() bool { return m.member || m.viaGroup || m.inherited }

func TestATokenIsGoodAsLongAsWhatItSpeaksOf(t *testing.T) {
	c := start(t, testOptions())
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(c)
		steps := map[string]func(*rapid.T){
			"": func(t *rapid.T) { m.compare(t) },
			"logIn": func(t *rapid.T) {
				m.logIn(t)
			},
			"revoke": func(t *rapid.T) {
				if len(m.tokens) == 0 {
					t.Skip("there is no token")
				}
				i := rapid.IntRange(0, len(m.tokens)-1).Draw(t, "token")
				status := c.do("DELETE", "/v3/auth/tokens", c.admin, nil, "X-Subject-Token", m.tokens[i].token).status
				if (status == http.StatusNoContent) != m.good(m.tokens[i]) {
					t.Fatalf("revoke: %d, good: %v", status, m.good(m.tokens[i]))
				}
				m.tokens[i].revoked = true
			},
		}
		for name, step := range m.changes() {
			steps[name] = func(*rapid.T) { step() }
		}
		t.Repeat(steps)
	})
}

func newMachine(c *cloud) *machine {
	m := &machine{c: c, password: "one", enabled: true, projectOn: true, member: true, memberRole: c.find("roles", "member")}
	name := newID()
	m.project = c.must("POST", "/v3/projects", ref{"project": ref{"name": name}}).id("project")
	m.user = c.must("POST", "/v3/users", ref{"user": ref{"name": name, "password": m.password}}).id("user")
	m.group = c.must("POST", "/v3/groups", ref{"group": ref{"name": name}}).id("group")
	c.must("PUT", "/v3/projects/"+m.project+"/groups/"+m.group+"/roles/"+m.memberRole, nil)
	c.must("PUT", "/v3/projects/"+m.project+"/users/"+m.user+"/roles/"+m.memberRole, nil)
	token := c.login(m.auth(true))
	a := c.do("POST", "/v3/users/"+m.user+"/application_credentials", token, ref{"application_credential": ref{"name": "c", "secret": "s"}})
	m.credential = a.id("application_credential")
	return m
}

func (m *machine) auth(scoped bool) ref {
	var scope any
	if scoped {
		scope = ref{"project": ref{"id": m.project}}
	}
	return auth("password", ref{"user": ref{"id": m.user, "password": m.password}}, scope)
}

// logIn gets a token, exactly if one must be given.
func (m *machine) logIn(t *rapid.T) {
	i := issued{scoped: rapid.Bool().Draw(t, "scoped"), credential: rapid.Bool().Draw(t, "credential"), epoch: m.epoch}
	request := m.auth(i.scoped)
	if i.credential {
		i.scoped = true
		request = withCredential(m.credential, "s")
	}
	a := m.c.do("POST", "/v3/auth/tokens", "", request)
	want := m.enabled && m.good(i)
	if (a.status == http.StatusCreated) != want {
		t.Fatalf("log in %+v: %d %s, want %v: %+v", i, a.status, a.message(), want, m)
	}
	if want {
		i.token = a.header.Get("X-Subject-Token")
		m.tokens = append(m.tokens, i)
	}
}

// changes are what can be done to the user, the project and the roles.
func (m *machine) changes() map[string]func() {
	grant := "/v3/projects/" + m.project + "/users/" + m.user + "/roles/" + m.memberRole
	inherit := "/v3/OS-INHERIT/domains/default/users/" + m.user + "/roles/" + m.memberRole + "/inherited_to_projects"
	membership := "/v3/groups/" + m.group + "/users/" + m.user
	toggle := func(on *bool, gone *bool, path string, left func()) func() {
		return func() {
			if m.userGone || *gone {
				return
			}
			method := "PUT"
			if *on {
				method = "DELETE"
				left()
			}
			m.c.must(method, path, nil)
			*on = !*on
		}
	}
	nothing, never := func() {}, false
	return map[string]func(){
		"member":    toggle(&m.member, &m.projectGone, grant, nothing),
		"inherited": toggle(&m.inherited, &never, inherit, nothing),
		"group":     toggle(&m.viaGroup, &never, membership, func() { m.epoch++ }),
		"enable": func() {
			if !m.userGone {
				if m.enabled {
					m.epoch++
				}
				m.enabled = !m.enabled
				m.c.must("PATCH", "/v3/users/"+m.user, ref{"user": ref{"enabled": m.enabled}})
			}
		},
		"project": func() {
			if !m.projectGone {
				m.projectOn = !m.projectOn
				m.c.must("PATCH", "/v3/projects/"+m.project, ref{"project": ref{"enabled": m.projectOn}})
			}
		},
		"password": func() {
			if !m.userGone {
				m.epoch++
				m.password = newID()
				m.c.must("PATCH", "/v3/users/"+m.user, ref{"user": ref{"password": m.password}})
			}
		},
		"credential": func() {
			if !m.userGone && !m.credOff {
				m.credOff = true
				m.c.must("DELETE", "/v3/users/"+m.user+"/application_credentials/"+m.credential, nil)
			}
		},
		"deleteProject": func() {
			if !m.projectGone {
				m.projectGone = true
				m.c.must("DELETE", "/v3/projects/"+m.project, nil)
			}
		},
		"deleteUser": func() {
			if !m.userGone {
				m.userGone = true
				m.c.must("DELETE", "/v3/users/"+m.user, nil)
			}
		},
	}
}

func (m *machine) compare(t *rapid.T) {
	for _, i := range m.tokens {
		_, err := m.c.s.Authenticate(i.token)
		if (err == nil) != m.good(i) {
			t.Fatalf("%+v: %v, want good: %v: %+v", i, err, m.good(i), m)
		}
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	s, err := New(model.New(), testOptions())
	if err != nil {
		b.Fatal(err)
	}
	token := logInOnce(b, s)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Authenticate(token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLogIn(b *testing.B) {
	s, err := New(model.New(), testOptions())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		logInOnce(b, s)
	}
}

func logInOnce(b *testing.B, s *Service) string {
	b.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(b.Context(), "POST", "/v3/auth/tokens", strings.NewReader(jsonText(byPassword(demo, "secret", nil))))
	if s.Mux().ServeHTTP(w, r); w.Code != http.StatusCreated {
		b.Fatal(w.Code, w.Body)
	}
	return w.Header().Get("X-Subject-Token")
}
