// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// login is a request for a token in progress.
type login struct {
	*call
	r              store.Reader
	identity       ref
	scope          scope
	explicitly     bool // the request says what scope
	user           *model.User
	credential     *model.ApplicationCredential
	methods        []string
	parent         auditID
	expires        time.Time
	hashes, proofs []string // each proof must fit its hash
}

// logIn makes a token. The hashes are compared while the store is free.
func (s *Service) logIn(c *call) (api.Reply, error) {
	l := &login{call: c}
	if _, err := s.view(l.read); err != nil {
		return api.Reply{}, err
	}
	for i, hash := range l.hashes {
		if !checkSecret(hash, l.proofs[i]) {
			return api.Reply{}, unauthorized()
		}
	}
	return s.view(l.issue)
}

// read finds out who wants what, and what has to be proved.
func (l *login) read(r store.Reader) (api.Reply, error) {
	l.r = r
	return api.Reply{}, l.readAuth()
}

func (l *login) readAuth() error {
	auth, given := l.body["auth"]
	if !given || auth == nil {
		return expecting("auth", "request body")
	}
	if err := checkAuth(auth); err != nil {
		return err
	}
	l.identity = object(auth.(ref), "identity")
	var methods []string
	for _, m := range l.identity["methods"].([]any) {
		if name := m.(string); !slices.Contains(methods, name) {
			methods = append(methods, name)
		}
	}
	for _, m := range methods {
		if _, given := l.identity[m]; !given {
			return expecting(m, "identity")
		}
	}
	for _, m := range methods {
		if !slices.Contains(authMethods, m) {
			return unauthorizedf(typeMethod, "Attempted to authenticate with an unsupported method.")
		}
	}
	if err := l.readScope(auth.(ref), methods); err != nil {
		return err
	}
	for _, m := range methods {
		if err := l.authenticate(m, object(l.identity, m)); err != nil {
			return err
		}
		if !slices.Contains(l.methods, m) {
			l.methods = append(l.methods, m)
		}
	}
	if l.user == nil {
		return unauthorized()
	}
	return nil
}

// checkAuth compares the request with Keystone's schema and what it says beyond that.
func checkAuth(auth any) error {
	if err := tokenIssue.Check(auth); err != nil {
		return badRequest("%s", err)
	}
	identity, scope := object(auth.(ref), "identity"), object(auth.(ref), "scope")
	for _, named := range []struct {
		path  string
		in    ref
		field string
	}{
		{"identity/password/user", object(identity, "password"), "user"},
		{"identity/password/user/domain", object(object(identity, "password"), "user"), "domain"},
		{"scope/project", scope, "project"},
		{"scope/project/domain", object(scope, "project"), "domain"},
		{"scope/domain", scope, "domain"},
	} {
		o, given := named.in[named.field].(ref)
		if _, id := o["id"]; !given || id {
			continue
		}
		if _, name := o["name"]; !name {
			return badRequest("Invalid input for field %s: id or name must be present.", named.path)
		}
	}
	return nil
}

// scopeNames are what a scope can be; the texts of Keystone's errors have them in this order.
var scopeNames = []string{"system", "project", "domain", "OS-TRUST:trust", "unscoped"}

func (l *login) readScope(auth ref, methods []string) error {
	value, given := auth["scope"]
	if slices.Contains(methods, "application_credential") {
		if given {
			return unauthorizedf(typeCredentialAuth, "Error authenticating with application credential: Application credentials cannot request a scope.")
		}
		return l.findCredential(object(l.identity, "application_credential"))
	}
	if !given {
		return nil
	}
	asked, _ := value.(ref)
	if value == "unscoped" {
		asked = ref{"unscoped": nil}
	}
	var chosen []string
	for _, name := range scopeNames {
		if _, ok := asked[name]; ok {
			chosen = append(chosen, name)
		}
	}
	if len(chosen) != 1 {
		return expecting("system, project, domain, OS-TRUST:trust or unscoped", "scope")
	}
	l.explicitly = true
	switch chosen[0] {
	case "system":
		l.scope.kind = systemScope
	case "project":
		p, err := l.findProject(object(asked, "project"))
		if err != nil {
			return err
		}
		l.scope = scope{projectScope, p.ID}
	case "domain":
		d, err := l.findDomain(object(asked, "domain"))
		if err != nil {
			return err
		}
		l.scope = scope{domainScope, d.ID}
	case "OS-TRUST:trust":
		if text(object(asked, chosen[0]), "id") == "" {
			return expecting("trust_id", "trust")
		}
		// There are none.
		return unauthorized()
	}
	return nil
}

// findDomain finds an enabled domain by its name or its id.
func (l *login) findDomain(o ref) (*model.Project, error) {
	t := &l.s.tables.Identity
	d := t.Projects.Get(l.r, text(o, "id"))
	if name := text(o, "name"); name != "" {
		d = t.Projects.First(l.r, t.ProjectByName, " "+name)
	}
	if d == nil || !d.IsDomain || !d.Enabled {
		return nil, unauthorized()
	}
	return d, nil
}

// inDomain finds the domain that a name is in.
func (l *login) inDomain(o ref, what string) (*model.Project, error) {
	if _, given := o["domain"]; !given {
		return nil, expecting("domain", what)
	}
	return l.findDomain(object(o, "domain"))
}

// findProject finds an enabled project in an enabled domain.
func (l *login) findProject(o ref) (*model.Project, error) {
	t := &l.s.tables.Identity
	p := t.Projects.Get(l.r, text(o, "id"))
	if name := text(o, "name"); name != "" {
		d, err := l.inDomain(o, "project")
		if err != nil {
			return nil, err
		}
		p = t.Projects.First(l.r, t.ProjectByName, d.ID+" "+name)
	}
	if p == nil || !p.Enabled || p.DomainID == nil {
		return nil, unauthorized()
	}
	_, err := l.findDomain(ref{"id": *p.DomainID})
	return p, err
}

// findUser finds an enabled user in an enabled domain.
func (l *login) findUser(o ref) (*model.User, error) {
	t := &l.s.tables.Identity
	id, name := text(o, "id"), text(o, "name")
	if id == "" && name == "" {
		return nil, expecting("id or name", "user")
	}
	u := t.Users.Get(l.r, id)
	if name != "" {
		d, err := l.inDomain(o, "user")
		if err != nil {
			return nil, err
		}
		u = t.Users.First(l.r, t.UserByName, d.ID+" "+name)
	}
	if u == nil || !u.Enabled {
		return nil, unauthorized()
	}
	_, err := l.findDomain(ref{"id": u.DomainID})
	return u, err
}

// findCredential finds the application credential, whose project is the scope.
func (l *login) findCredential(o ref) error {
	t := &l.s.tables.Identity
	if id := text(o, "id"); id != "" {
		if l.credential = t.Credentials.Get(l.r, id); l.credential == nil {
			return notFound("Application Credential", id)
		}
	} else {
		name, owner := text(o, "name"), object(o, "user")
		if name == "" {
			return expecting("name or ID", "application credential")
		}
		if len(owner) == 0 {
			return expecting("user", "application credential")
		}
		userID := text(owner, "id")
		if userID == "" {
			d, err := l.inDomain(owner, "user")
			if err != nil {
				return err
			}
			u := t.Users.First(l.r, t.UserByName, d.ID+" "+text(owner, "name"))
			if u == nil {
				return notFound("user", text(owner, "name"))
			}
			userID = u.ID
		}
		if l.credential = t.Credentials.First(l.r, t.CredentialByName, userID+" "+name); l.credential == nil {
			return unauthorized()
		}
	}
	if l.credential.ProjectID != nil {
		l.scope, l.explicitly = scope{projectScope, *l.credential.ProjectID}, true
	}
	return nil
}

// authenticate finds the user by one method, and notes what has to be proved.
func (l *login) authenticate(method string, payload ref) error {
	var user *model.User
	var err error
	switch method {
	case "password":
		if _, given := payload["user"]; !given {
			return expecting("user", "None") // so says Keystone
		}
		o := object(payload, "user")
		if user, err = l.findUser(o); err == nil {
			l.prove(user.PasswordHash, text(o, "password"))
		}
	case "application_credential":
		if user, err = l.findUser(ref{"id": l.credential.UserID}); err == nil {
			err = l.proveCredential(text(payload, "secret"))
		}
	case "token":
		user, err = l.fromToken(text(payload, "id"))
	}
	if err == nil && l.user != nil && l.user.ID != user.ID {
		err = unauthorized()
	}
	l.user = user
	return err
}

func (l *login) prove(hash, proof string) {
	l.hashes, l.proofs = append(l.hashes, hash), append(l.proofs, proof)
}

func (l *login) proveCredential(secret string) error {
	if end := l.credential.ExpiresAt; end != nil {
		if !l.s.o.Now().Before(*end) {
			return unauthorized()
		}
		l.endBy(*end)
	}
	l.prove(l.credential.SecretHash, secret)
	return nil
}

func (l *login) endBy(t time.Time) {
	if l.expires.IsZero() || t.Before(l.expires) {
		l.expires = t
	}
}

// fromToken has a token stand for its user. The new one ends when it ends.
func (l *login) fromToken(token string) (*model.User, error) {
	a, err := l.s.validate(l.r, token, 0)
	if err != nil {
		return nil, err
	}
	if a.Scope.kind == systemScope && (l.scope.kind == projectScope || l.scope.kind == domainScope) {
		return nil, forbiddenAction("Using a system-scoped token to create a project-scoped or domain-scoped token is not allowed.")
	}
	if a.CredentialID != "" {
		return nil, forbiddenAction("Using a delegated token to create another token is not allowed.")
	}
	l.endBy(a.Expires)
	if l.parent = a.ParentID; l.parent == (auditID{}) {
		l.parent = a.AuditID
	}
	for _, m := range a.Methods {
		if !slices.Contains(l.methods, m) {
			l.methods = append(l.methods, m)
		}
	}
	return a.user, nil
}

// issue makes the token of who has proved everything. Whatever has become of
// the user meanwhile: the token is of the epoch that was looked at.
func (l *login) issue(r store.Reader) (api.Reply, error) {
	l.r = r
	if !l.explicitly {
		l.scope = l.defaultScope()
	}
	if !enoughMethods(l.user.Options, l.methods) {
		return api.Reply{}, unauthorized()
	}
	now := l.s.o.Now().UTC().Truncate(time.Second)
	l.endBy(now.Add(l.s.o.TokenLifetime))
	c := claims{
		UserID: l.user.ID, Epoch: l.user.Epoch, Scope: l.scope, Methods: methodNames(methodBits(l.methods)),
		AuditID: newAuditID(), ParentID: l.parent, Issued: now, Expires: l.expires.UTC().Truncate(time.Second),
	}
	if l.credential != nil {
		c.CredentialID = l.credential.ID
	}
	a, err := l.s.access(r, c)
	if errors.Is(err, errNoRoles) {
		return api.Reply{}, unauthorized()
	}
	if err != nil {
		return api.Reply{}, err
	}
	return l.s.tokenReply(l.call, r, http.StatusCreated, l.s.sealer.seal(c.encode(), c.Issued), a), nil
}

// defaultScope is the user's default project, if the user can use it.
func (l *login) defaultScope() scope {
	p, err := l.findProject(ref{"id": optional(l.user.DefaultProjectID)})
	if err != nil || len(l.s.rolesOf(l.r, &access{user: l.user, project: p}, p.ID)) == 0 {
		return scope{}
	}
	return scope{projectScope, p.ID}
}

// enoughMethods tells whether one of the user's rules on what must be used
// together, if there are any, is kept.
func enoughMethods(options ref, used []string) bool {
	rules, _ := options["multi_factor_auth_rules"].([]any)
	if len(rules) == 0 || options["multi_factor_auth_enabled"] == false {
		return true
	}
	return slices.ContainsFunc(rules, func(rule any) bool {
		methods, _ := rule.([]any)
		return !slices.ContainsFunc(methods, func(m any) bool {
			name, _ := m.(string)
			return slices.Contains(authMethods, name) && !slices.Contains(used, name)
		})
	})
}
