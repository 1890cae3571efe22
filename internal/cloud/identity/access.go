// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// access is what a token's bearer is allowed, by the rows of this moment.
type access struct {
	claims
	user       *model.User
	userDomain *model.Project
	// project and its domain are nil unless the scope is a project; domain unless it is one.
	project, projectDomain, domain *model.Project
	credential                     *model.ApplicationCredential
	// roles are sorted by name, none twice.
	roles []*model.Role
}

// errNoRoles is the error of a scope in which the user has none.
var errNoRoles = errors.New("identity: no role in the scope")

// validate tells what a token's bearer is allowed. A token that ended less
// than grace ago is good too.
func (s *Service) validate(r store.Reader, token string, grace time.Duration) (*access, error) {
	if token == "" {
		return nil, badToken("No token in the request")
	}
	payload, issued, ok := s.sealer.open(token)
	if !ok {
		return nil, badToken("Could not recognize Fernet token")
	}
	c, ok := decodeClaims(payload, issued)
	if !ok {
		return nil, badToken("Could not recognize Fernet token")
	}
	a, err := s.access(r, c)
	if err != nil && !errors.Is(err, errNoRoles) {
		return nil, err
	}
	revoked := s.tables.Identity.Revocations.Get(r, model.RevocationKey(c.Expires, c.AuditID.String())) != nil
	if revoked || a.user.Epoch != c.Epoch || !s.o.Now().Before(c.Expires.Add(grace)) {
		return nil, badToken("Failed to validate token")
	}
	if err != nil {
		return nil, badToken("Could not find token: %s.", token)
	}
	return a, nil
}

// access looks up what claims speak of. With errNoRoles there is all but the roles.
func (s *Service) access(r store.Reader, c claims) (*access, error) {
	a, t := &access{claims: c}, &s.tables.Identity
	if c.Scope.kind == projectScope {
		if err := s.enterProject(r, a); err != nil {
			return nil, err
		}
	}
	if a.user = t.Users.Get(r, c.UserID); a.user == nil {
		return nil, notFound("user", c.UserID)
	}
	var err error
	if a.userDomain, err = s.enterDomain(r, a.user.DomainID); err != nil {
		return nil, err
	}
	if c.CredentialID != "" {
		if a.credential = t.Credentials.Get(r, c.CredentialID); a.credential == nil {
			return nil, notFound("Application Credential", c.CredentialID)
		}
	}
	target := c.Scope.id
	switch c.Scope.kind {
	case unscoped:
		return a, nil
	case domainScope:
		if a.domain, err = s.enterDomain(r, c.Scope.id); err != nil {
			return nil, err
		}
	case systemScope:
		target = model.SystemTarget
	case projectScope:
		// It was entered above.
	}
	if a.roles = s.rolesOf(r, a, target); len(a.roles) == 0 {
		return a, errNoRoles
	}
	return a, nil
}

func (s *Service) enterProject(r store.Reader, a *access) error {
	t := &s.tables.Identity
	if a.project = t.Projects.Get(r, a.Scope.id); a.project == nil {
		return notFound("project", a.Scope.id)
	}
	if !a.project.Enabled {
		return notFoundf("Unable to validate token because project %s is disabled", a.project.ID)
	}
	var err error
	a.projectDomain, err = s.enterDomain(r, optional(a.project.DomainID))
	return err
}

func (s *Service) enterDomain(r store.Reader, id string) (*model.Project, error) {
	domain := s.tables.Identity.Projects.Get(r, id)
	if domain == nil {
		return nil, notFound("domain", id)
	}
	if !domain.Enabled {
		return nil, notFoundf("Unable to validate token because domain %s is disabled", id)
	}
	return domain, nil
}

// rolesOf gives the roles on a target, with an application credential the
// ones among them that it has.
func (s *Service) rolesOf(r store.Reader, a *access, target string) []*model.Role {
	t := &s.tables.Identity
	actors := []string{a.user.ID}
	for g := range t.Groups.By(r, t.GroupByUser, a.user.ID) {
		actors = append(actors, g.ID)
	}
	roles := map[string]*model.Role{}
	for _, actor := range actors {
		for g := range t.Assignments.By(r, t.AssignmentByGrant, model.GrantKey(actor, target, false)) {
			s.addRole(r, roles, g.RoleID)
		}
		if a.project == nil {
			continue
		}
		for g := range t.Assignments.By(r, t.AssignmentInherited, actor) {
			if s.isAbove(r, g.Target, a.project) {
				s.addRole(r, roles, g.RoleID)
			}
		}
	}
	var list []*model.Role
	for id, role := range roles {
		// A domain's own role only brings others along.
		if role.DomainID == nil && (a.credential == nil || slices.Contains(a.credential.Roles, id)) {
			list = append(list, role)
		}
	}
	slices.SortFunc(list, func(x, y *model.Role) int { return strings.Compare(x.Name, y.Name) })
	return list
}

// addRole adds a role and those that it implies.
func (s *Service) addRole(r store.Reader, roles map[string]*model.Role, id string) {
	role := s.tables.Identity.Roles.Get(r, id)
	if role == nil || roles[id] != nil {
		return
	}
	roles[id] = role
	for _, implied := range role.Implies {
		s.addRole(r, roles, implied)
	}
}

// isAbove tells whether a project is in a domain, or below another project.
func (s *Service) isAbove(r store.Reader, id string, p *model.Project) bool {
	for p != nil && p.ParentID != nil {
		if *p.ParentID == id {
			return true
		}
		p = s.tables.Identity.Projects.Get(r, *p.ParentID)
	}
	return false
}

func (a *access) has(role string) bool {
	return slices.ContainsFunc(a.roles, func(r *model.Role) bool { return r.Name == role })
}

// The rules of Keystone's policy. A domain's reader sees what is in the domain
// that the token is for.

func (a *access) admin() bool { return a.has("admin") }

func (a *access) adminOrSystemReader() bool {
	return a.admin() || a.Scope.kind == systemScope && a.has("reader")
}

func (a *access) readerOf(domain string) bool {
	return a.Scope.kind == domainScope && a.Scope.id == domain && a.has("reader")
}

func (a *access) domainReader() bool { return a.Scope.kind == domainScope && a.has("reader") }
