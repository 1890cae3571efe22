// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// grants are the roles of one kind of actor on one kind of target: users or
// groups on projects, domains or the system, there or below.
type grants struct {
	s                    *Service
	group                bool
	project, domain, sys bool
	inherited            bool
}

func (m routes) grants() {
	for _, actor := range []struct {
		path  string
		group bool
	}{{"/users/{actor}/roles", false}, {"/groups/{actor}/roles", true}} {
		project := grants{s: m.s, group: actor.group, project: true}
		domain := grants{s: m.s, group: actor.group, domain: true}
		m.grantsAt("/v3/projects/{target}"+actor.path, "", project)
		m.grantsAt("/v3/domains/{target}"+actor.path, "", domain)
		m.grantsAt("/v3/system"+actor.path, "", grants{s: m.s, group: actor.group, sys: true})
		project.inherited, domain.inherited = true, true
		m.grantsAt("/v3/OS-INHERIT/projects/{target}"+actor.path, "/inherited_to_projects", project)
		m.grantsAt("/v3/OS-INHERIT/domains/{target}"+actor.path, "/inherited_to_projects", domain)
	}
	m.handle("GET /v3/role_assignments", m.s.listAssignments)
}

func (m routes) grantsAt(path, suffix string, g grants) {
	m.handle("GET "+path+suffix, g.list)
	m.handle("GET "+path+"/{role}"+suffix, g.check)
	m.handle("PUT "+path+"/{role}"+suffix, g.add)
	m.handle("DELETE "+path+"/{role}"+suffix, g.remove)
}

// parties are who and what a request is about; role is nil in a list of roles.
type parties struct {
	role       *model.Role
	user       *model.User
	group      *model.Group
	target     *model.Project
	assignment model.Assignment
}

// find finds the parties. The actor need not exist any longer to lose a role.
func (g grants) find(c *call, r store.Reader, losing bool) (p parties, err error) {
	t := &g.s.tables.Identity
	p.assignment = model.Assignment{
		Actor: c.PathValue("actor"), Target: c.PathValue("target"), RoleID: c.PathValue("role"),
		Group: g.group, Domain: g.domain, Inherited: g.inherited,
	}
	steps := []func() error{
		func() (err error) {
			if p.assignment.RoleID != "" {
				p.role, err = roleKind.find(r, t.Roles, p.assignment.RoleID)
			}
			return err
		},
		func() (err error) {
			if g.group {
				p.group, err = groupKind.find(r, t.Groups, p.assignment.Actor)
			} else {
				p.user, err = userKind.find(r, t.Users, p.assignment.Actor)
			}
			if losing {
				return nil
			}
			return err
		},
		func() (err error) {
			switch {
			case g.sys:
				p.assignment.Target = model.SystemTarget
			case g.domain:
				p.target, err = g.s.findDomain(r, p.assignment.Target)
			default:
				p.target, err = projectKind.find(r, t.Projects, p.assignment.Target)
			}
			return err
		},
	}
	if g.domain {
		// Of a domain Keystone looks for the domain first.
		steps = []func() error{steps[2], steps[0], steps[1]}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return p, err
		}
	}
	return p, nil
}

// seenBy tells whether a domain's reader may see the grants: if all is in the domain.
func (g grants) seenBy(a *access, p parties) bool {
	actor, target := "", ""
	switch {
	case p.user != nil:
		actor = p.user.DomainID
	case p.group != nil:
		actor = p.group.DomainID
	}
	if p.target != nil {
		if target = optional(p.target.DomainID); p.target.IsDomain {
			target = p.target.ID
		}
	}
	return a.readerOf(actor) && a.readerOf(target) && (p.role == nil || p.role.DomainID == nil || a.readerOf(*p.role.DomainID))
}

// action is Keystone's name of what is done.
func (g grants) action(verb, plural string) string {
	if !g.sys {
		return verb + "_grant" + plural
	}
	if g.group {
		return verb + "_system_grant" + plural + "_for_group"
	}
	return verb + "_system_grant" + plural + "_for_user"
}

// see finds the parties for who may see the grants.
func (g grants) see(c *call, r store.Reader, action string) (parties, error) {
	p, err := g.find(c, r, false)
	if err == nil {
		err = c.may(action, c.access.adminOrSystemReader() || g.seenBy(c.access, p))
	}
	return p, err
}

func (g grants) list(c *call) (api.Reply, error) {
	return g.s.view(func(r store.Reader) (api.Reply, error) {
		p, err := g.see(c, r, g.action("list", "s"))
		if err != nil {
			return api.Reply{}, err
		}
		var refs []ref
		t := &g.s.tables.Identity
		for a := range t.Assignments.By(r, t.AssignmentByGrant, p.assignment.Grant()) {
			refs = append(refs, roleKind.ref(c, t.Roles.Get(r, a.RoleID)))
		}
		return c.collection("roles", refs), nil
	})
}

func (g grants) none(a model.Assignment) error {
	return notFoundf("Could not find role assignment with role: %s, user or group: %s, project, domain, or system: %s.", a.RoleID, a.Actor, a.Target)
}

func (g grants) check(c *call) (api.Reply, error) {
	return g.s.view(func(r store.Reader) (api.Reply, error) {
		p, err := g.see(c, r, g.action("check", ""))
		if err == nil && g.s.tables.Identity.Assignments.Get(r, p.assignment.Key()) == nil {
			err = g.none(p.assignment)
		}
		return noContent, err
	})
}

func (g grants) add(c *call) (api.Reply, error) {
	return g.s.update(func(tx *store.Tx) (api.Reply, error) {
		p, err := g.find(c, tx, false)
		if err == nil {
			err = c.may(g.action("create", ""), c.access.admin())
		}
		if err != nil {
			return api.Reply{}, err
		}
		if p.role.DomainID != nil && g.sys {
			return api.Reply{}, badRequest("Role %s is a domain-specific role. Unable to use a domain-specific role in a system assignment.", p.role.ID)
		}
		if p.role.DomainID != nil && g.project && *p.role.DomainID != optional(p.target.DomainID) {
			return api.Reply{}, forbiddenf("Project %s must be in the same domain as the role %s being assigned.", p.target.ID, p.role.ID)
		}
		g.s.tables.Identity.Assignments.Put(tx, &p.assignment)
		return noContent, nil
	})
}

func (g grants) remove(c *call) (api.Reply, error) {
	return g.s.update(func(tx *store.Tx) (api.Reply, error) {
		p, err := g.find(c, tx, true)
		if err == nil {
			err = c.may(g.action("revoke", ""), c.access.admin())
		}
		if err == nil && !g.s.tables.Identity.Assignments.Delete(tx, p.assignment.Key()) {
			err = g.none(p.assignment)
		}
		return noContent, err
	})
}

// projectsOf gives the projects in which a user has a role, in the order of their ids.
func (s *Service) projectsOf(r store.Reader, userID string) func(yield func(*model.Project) bool) {
	ids := s.targets(r, userID, func(e effective) string {
		if e.Domain || e.Target == model.SystemTarget {
			return ""
		}
		return e.Target
	})
	return func(yield func(*model.Project) bool) {
		for _, id := range ids {
			if !yield(s.tables.Identity.Projects.Get(r, id)) {
				return
			}
		}
	}
}

// targets gives what a user has effective roles on, as far as choose gives its id.
func (s *Service) targets(r store.Reader, userID string, choose func(effective) string) (ids []string) {
	for _, e := range s.effective(r, assignmentQuery{user: userID}) {
		if id := choose(e); id != "" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
