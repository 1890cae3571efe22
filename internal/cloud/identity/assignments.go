// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"iter"
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// assignmentQuery chooses assignments; what is empty is any.
type assignmentQuery struct {
	user, group, role, project, domain string
	// system is all assignments on the system and no others.
	system bool
	// subtree takes in the projects below the project.
	subtree bool
	// inherited chooses those that are, or those that are not.
	inherited *bool
}

// effective is an assignment to a user, and where it comes from: what is
// empty is the assignment's own.
type effective struct {
	model.Assignment
	viaGroup, viaRole string
	from              string // the project or domain that it is inherited from
	fromDomain        bool
}

func (s *Service) listAssignments(c *call) (api.Reply, error) {
	tree := c.given("include_subtree")
	if err := s.mayListAssignments(c, tree); err != nil {
		return api.Reply{}, err
	}
	params := c.URL.Query()
	q := assignmentQuery{
		user: params.Get("user.id"), group: params.Get("group.id"), role: params.Get("role.id"),
		project: params.Get("scope.project.id"), domain: params.Get("scope.domain.id"), system: params.Get("scope.system") == "all", subtree: tree,
	}
	if params.Has("scope.OS-INHERIT:inherited_to") {
		inherited := params.Get("scope.OS-INHERIT:inherited_to") == "projects"
		q.inherited = &inherited
	}
	expand := c.given("effective")
	if err := q.check(params.Get("scope.system") != "", expand); err != nil {
		return api.Reply{}, err
	}
	return s.view(func(r store.Reader) (api.Reply, error) {
		var found []effective
		if expand {
			found = s.effective(r, q)
		} else {
			found = s.direct(r, q)
		}
		var refs []ref
		for _, e := range found {
			if c.access.domain == nil || s.targetIn(r, e, c.access.domain.ID) {
				refs = append(refs, s.assignmentRef(c, r, e, c.given("include_names")))
			}
		}
		return c.collection("role_assignments", refs), nil
	})
}

func (s *Service) mayListAssignments(c *call, tree bool) error {
	if !tree {
		return c.may("list_role_assignments", c.access.adminOrSystemReader() || c.access.domainReader())
	}
	project := c.URL.Query().Get("scope.project.id")
	if project != "" {
		// Keystone looks for the project before it looks who asks.
		if _, err := s.view(func(r store.Reader) (api.Reply, error) {
			_, err := projectKind.find(r, s.tables.Identity.Projects, project)
			return api.Reply{}, err
		}); err != nil {
			return err
		}
	}
	if err := c.may("list_role_assignments_for_tree", c.access.adminOrSystemReader()); err != nil {
		return err
	}
	if project == "" {
		return badRequest("scope.project.id must be specified if include_subtree is also specified")
	}
	return nil
}

// check is the error of a query that makes no sense.
func (q assignmentQuery) check(system, expand bool) error {
	switch {
	case q.domain != "" && q.project != "":
		return badRequest("Specify a domain or project, not both")
	case q.domain != "" && system:
		return badRequest("Specify system or domain, not both")
	case q.project != "" && system:
		return badRequest("Specify system or project, not both")
	case q.user != "" && q.group != "":
		return badRequest("Specify a user or group, not both")
	case expand && q.group != "":
		return badRequest("Combining effective and group filter will always result in an empty list.")
	case expand && q.domain != "" && q.inherited != nil && *q.inherited:
		return badRequest("Combining effective, domain and inherited filters will always result in an empty list.")
	}
	return nil
}

// candidates gives the assignments of the actors, or else on the targets, or
// else the fewest that an index finds for a query.
func (s *Service) candidates(r store.Reader, q assignmentQuery, actors, targets []string) iter.Seq[*model.Assignment] {
	t := &s.tables.Identity
	each := func(ix *store.Index[model.Assignment], keys ...string) iter.Seq[*model.Assignment] {
		return func(yield func(*model.Assignment) bool) {
			for _, key := range keys {
				for a := range t.Assignments.By(r, ix, key) {
					if !yield(a) {
						return
					}
				}
			}
		}
	}
	switch {
	case actors != nil:
		return each(t.AssignmentByActor, actors...)
	case q.system:
		return each(t.AssignmentByTarget, model.SystemTarget)
	case targets != nil:
		return each(t.AssignmentByTarget, targets...)
	case q.role != "":
		return each(t.AssignmentByRole, q.role)
	}
	return t.Assignments.All(r)
}

// direct gives the assignments that match a query as they were made.
func (s *Service) direct(r store.Reader, q assignmentQuery) (found []effective) {
	targets := s.targetsOf(r, q)
	var actors []string
	if actor := q.user + q.group; actor != "" {
		actors = []string{actor}
	}
	for a := range s.candidates(r, q, actors, targets) {
		system := a.Target == model.SystemTarget
		switch {
		case q.user != "" && a.Group || q.group != "" && !a.Group:
		case q.role != "" && a.RoleID != q.role:
		case system && targets != nil:
		case !system && (q.system || targets != nil && !slices.Contains(targets, a.Target)):
		case !system && q.inherited != nil && a.Inherited != *q.inherited:
		default:
			found = append(found, effective{Assignment: *a})
		}
	}
	return found
}

// targetsOf gives the ids of the targets a query names; nil: it names none.
func (s *Service) targetsOf(r store.Reader, q assignmentQuery) []string {
	if q.domain != "" {
		return []string{q.domain}
	}
	if q.project == "" {
		return nil
	}
	targets := []string{q.project}
	if q.subtree {
		for _, below := range s.subtree(r, q.project) {
			targets = append(targets, below.ID)
		}
	}
	return targets
}

// effective gives the assignments that match a query as they work out: to
// users instead of groups, on projects instead of what they inherit from, with
// what the roles imply.
func (s *Service) effective(r store.Reader, q assignmentQuery) (all []effective) {
	targets := s.targetsOf(r, q)
	sources := targets
	if p := s.tables.Identity.Projects.Get(r, q.project); p != nil {
		for _, above := range s.parents(r, p) {
			sources = append(sources, above.ID)
		}
	}
	var actors []string
	if q.user != "" {
		actors = []string{q.user}
		for g := range s.tables.Identity.Groups.By(r, s.tables.Identity.GroupByUser, q.user) {
			actors = append(actors, g.ID)
		}
	}
	// Another role may imply the one that is asked for.
	role := q.role
	q.role = ""
	for a := range s.candidates(r, q, actors, sources) {
		if a.Target == model.SystemTarget || q.inherited != nil && a.Inherited != *q.inherited || q.domain != "" && a.Inherited {
			continue
		}
		for _, applied := range s.applied(r, *a, targets) {
			for _, e := range s.toUsers(r, applied, q.user) {
				all = append(all, s.withImplied(r, nil, e)...)
			}
		}
	}
	return slices.DeleteFunc(all, func(e effective) bool {
		return role != "" && e.RoleID != role || s.tables.Identity.Roles.Get(r, e.RoleID).DomainID != nil
	})
}

// applied gives what an assignment is on the targets, or on all if these are nil.
func (s *Service) applied(r store.Reader, a model.Assignment, targets []string) (found []effective) {
	if !a.Inherited {
		if targets == nil || slices.Contains(targets, a.Target) {
			found = append(found, effective{Assignment: a})
		}
		return found
	}
	var below []*model.Project
	if targets == nil {
		below = s.subtree(r, a.Target)
	}
	for _, id := range targets {
		if p := s.tables.Identity.Projects.Get(r, id); s.isAbove(r, a.Target, p) {
			below = append(below, p)
		}
	}
	for _, p := range below {
		e := effective{Assignment: a, from: a.Target, fromDomain: a.Domain}
		e.Target, e.Domain, e.Inherited = p.ID, false, false
		found = append(found, e)
	}
	return found
}

// toUsers gives a group's assignment to each of its users, or to one of them.
func (s *Service) toUsers(r store.Reader, e effective, user string) (found []effective) {
	if !e.Group {
		return []effective{e}
	}
	for _, id := range s.tables.Identity.Groups.Get(r, e.Actor).Users {
		if user != "" && id != user {
			continue
		}
		one := e
		one.viaGroup, one.Actor, one.Group = e.Actor, id, false
		found = append(found, one)
	}
	return found
}

// withImplied adds an assignment, and those of the roles that its role implies,
// to a chain of such.
func (s *Service) withImplied(r store.Reader, chain []effective, e effective) []effective {
	if slices.Contains(chain, e) {
		return chain
	}
	chain = append(chain, e)
	for _, id := range s.tables.Identity.Roles.Get(r, e.RoleID).Implies {
		implied := e
		implied.viaRole, implied.RoleID = e.RoleID, id
		chain = s.withImplied(r, chain, implied)
	}
	return chain
}

// targetIn tells whether an assignment is on a domain, or on a project in it.
func (s *Service) targetIn(r store.Reader, e effective, domain string) bool {
	if e.Domain {
		return e.Target == domain
	}
	p := s.tables.Identity.Projects.Get(r, e.Target)
	return p != nil && optional(p.DomainID) == domain
}

// assignmentRef shows an assignment with the links that Keystone gives it.
func (s *Service) assignmentRef(c *call, r store.Reader, e effective, names bool) ref {
	t := &s.tables.Identity
	var domainOf func(id string) ref
	named := func(id, name, domain string) ref {
		if !names {
			return ref{"id": id}
		}
		shown := ref{"id": id, "name": name}
		if domain != "" {
			shown["domain"] = domainOf(domain)
		}
		return shown
	}
	domainOf = func(id string) ref { return named(id, t.Projects.Get(r, id).Name, "") }

	role, links, scope := t.Roles.Get(r, e.RoleID), ref{}, ref{}
	shown := ref{"role": named(role.ID, role.Name, optional(role.DomainID)), "links": links, "scope": scope}
	var path string
	switch {
	case e.Target == model.SystemTarget:
		scope["system"], path = ref{"all": true}, "/system"
	case e.Domain:
		scope["domain"], path = domainOf(e.Target), "/domains/"+e.Target
	default:
		p := t.Projects.Get(r, e.Target)
		scope["project"], path = named(p.ID, p.Name, optional(p.DomainID)), "/projects/"+e.Target
	}
	switch {
	case e.from != "" && e.fromDomain:
		path = "/domains/" + e.from
	case e.from != "":
		path = "/projects/" + e.from
	}
	actor := "/users/" + e.Actor
	if e.Group {
		actor = "/groups/" + e.Actor
		g := t.Groups.Get(r, e.Actor)
		shown["group"] = named(g.ID, g.Name, g.DomainID)
	} else {
		u := t.Users.Get(r, e.Actor)
		shown["user"] = named(u.ID, u.Name, u.DomainID)
	}
	if e.viaGroup != "" {
		actor = "/groups/" + e.viaGroup
		links["membership"] = c.url(actor + "/users/" + e.Actor)
	}
	path += actor
	if e.viaRole != "" {
		links["prior_role"] = c.url("/prior_role/" + e.RoleID + "/implies/" + e.viaRole)
		path += "/roles/" + e.viaRole
	} else {
		path += "/roles/" + e.RoleID
	}
	if e.Inherited || e.from != "" {
		scope["OS-INHERIT:inherited_to"] = "projects"
		path = "/OS-INHERIT" + path + "/inherited_to_projects"
	}
	links["assignment"] = c.url(path)
	return shown
}
