// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"net/http"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// tokenTime is how times of tokens are shown; they are whole seconds.
const tokenTime = "2006-01-02T15:04:05.000000Z"

// expiredGrace is how long services may use a token that has expired, for
// requests that began before (?allow_expired).
const expiredGrace = 48 * time.Hour

func (m routes) tokens() {
	m.open("POST /v3/auth/tokens", m.s.logIn)
	m.handle("GET /v3/auth/tokens", m.s.showToken)
	m.handle("DELETE /v3/auth/tokens", m.s.revokeToken)
	m.handle("GET /v3/auth/catalog", m.s.showCatalog)
	m.handle("GET /v3/auth/projects", m.s.listOwnProjects)
	m.handle("GET /v3/auth/domains", m.s.listOwnDomains)
	m.handle("GET /v3/auth/system", m.s.showOwnSystem)
}

// subject checks the token in X-Subject-Token.
func (c *call) subject(r store.Reader) (*access, error) {
	grace := time.Duration(0)
	if allow, given := c.URL.Query()["allow_expired"]; given && allow[0] != "" && isTrue(allow[0]) {
		grace = expiredGrace
	}
	return c.s.validate(r, c.Header.Get("X-Subject-Token"), grace)
}

func (s *Service) showToken(c *call) (api.Reply, error) {
	return s.view(func(r store.Reader) (api.Reply, error) {
		a, err := c.subject(r)
		if err != nil {
			return api.Reply{}, err
		}
		allowed, action := c.access.adminOrSystemReader() || c.access.user.ID == a.user.ID, "check_token"
		if c.Method != http.MethodHead {
			allowed, action = allowed || c.access.has("service"), "validate_token"
		}
		if err := c.may(action, allowed); err != nil {
			return api.Reply{}, err
		}
		return s.tokenReply(c, r, http.StatusOK, c.Header.Get("X-Subject-Token"), a), nil
	})
}

func (s *Service) revokeToken(c *call) (api.Reply, error) {
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		a, err := s.validate(tx, c.Header.Get("X-Subject-Token"), 0)
		if err == nil {
			err = c.may("revoke_token", c.access.admin() || c.access.user.ID == a.user.ID)
		}
		if err != nil {
			return api.Reply{}, err
		}
		s.forgetRevocations(tx)
		s.tables.Identity.Revocations.Put(tx, &model.Revocation{AuditID: a.AuditID.String(), Expires: a.Expires})
		return noContent, nil
	})
}

// forgetRevocations deletes what has expired by itself. Ids are in the order of the ends.
func (s *Service) forgetRevocations(tx *store.Tx) {
	t := s.tables.Identity.Revocations
	var over []string
	for r := range t.All(tx) {
		// An expired token may still be asked for with allow_expired.
		if s.o.Now().Before(r.Expires.Add(expiredGrace)) {
			break
		}
		over = append(over, model.RevocationKey(r.Expires, r.AuditID))
	}
	for _, id := range over {
		t.Delete(tx, id)
	}
}

// tokenReply answers with a token and what it means.
func (s *Service) tokenReply(c *call, r store.Reader, status int, token string, a *access) api.Reply {
	shown := ref{
		"methods":    a.Methods,
		"user":       ref{"id": a.user.ID, "name": a.user.Name, "domain": nameOf(a.userDomain), "password_expires_at": nil},
		"audit_ids":  a.auditIDs(),
		"issued_at":  a.Issued.Format(tokenTime),
		"expires_at": a.Expires.Format(tokenTime),
	}
	switch a.Scope.kind {
	case projectScope:
		shown["project"] = ref{"id": a.project.ID, "name": a.project.Name, "domain": nameOf(a.projectDomain)}
		shown["is_domain"] = a.project.IsDomain
	case domainScope:
		shown["domain"] = nameOf(a.domain)
	case systemScope:
		shown["system"] = ref{"all": true}
	case unscoped:
	}
	if a.Scope.kind != unscoped {
		shown["roles"] = roleNames(a.roles)
		if !c.URL.Query().Has("nocatalog") {
			shown["catalog"] = s.catalog(r, a)
		}
	}
	if a.credential != nil {
		restricted := a.credential.Unrestricted == nil || !*a.credential.Unrestricted
		shown["application_credential"] = ref{"id": a.credential.ID, "name": a.credential.Name, "restricted": restricted}
	}
	return api.Reply{Status: status, Header: http.Header{"X-Subject-Token": {token}}, Body: ref{"token": shown}}
}

func nameOf(domain *model.Project) ref { return ref{"id": domain.ID, "name": domain.Name} }

func roleNames(roles []*model.Role) []ref {
	refs := make([]ref, len(roles))
	for i, r := range roles {
		refs[i] = ref{"id": r.ID, "name": r.Name}
	}
	return refs
}

func (a *access) auditIDs() []string {
	if a.ParentID == (auditID{}) {
		return []string{a.AuditID.String()}
	}
	return []string{a.AuditID.String(), a.ParentID.String()}
}

// listOwnProjects lists the projects in which the caller has a role.
func (s *Service) listOwnProjects(c *call) (api.Reply, error) {
	return s.view(func(r store.Reader) (api.Reply, error) {
		return projectKind.list(c, s.projectsOf(r, c.access.user.ID), nil, projectKind.ref), nil
	})
}

func (s *Service) listOwnDomains(c *call) (api.Reply, error) {
	return s.view(func(r store.Reader) (api.Reply, error) {
		var refs []ref
		for _, id := range s.targets(r, c.access.user.ID, func(e effective) string {
			if e.Domain {
				return e.Target
			}
			return ""
		}) {
			refs = append(refs, domainRef(c, s.tables.Identity.Projects.Get(r, id)))
		}
		return c.collection("domains", refs), nil
	})
}

func (s *Service) showOwnSystem(c *call) (api.Reply, error) {
	return s.view(func(r store.Reader) (api.Reply, error) {
		system := []ref{}
		if len(s.rolesOf(r, &access{user: c.access.user}, model.SystemTarget)) > 0 {
			system = append(system, ref{"all": true})
		}
		return api.Reply{Body: ref{"system": system, "links": ref{"self": c.url("/auth/system")}}}, nil
	})
}
