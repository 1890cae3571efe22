// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"errors"
	"net/http"
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// maxDepth is how many projects may lie below one another, their domain being one.
const maxDepth = 6

func (m routes) projects() {
	s := m.s
	m.handle("GET /v3/projects", s.listProjects)
	m.handle("GET /v3/projects/{project}", s.showProject)
	m.handle("POST /v3/projects", s.createProject)
	m.handle("PATCH /v3/projects/{project}", s.updateProject)
	m.handle("DELETE /v3/projects/{project}", s.deleteProject)
	m.handle("GET /v3/projects/{project}/tags", s.listTags)
	m.handle("PUT /v3/projects/{project}/tags", s.replaceTags)
	m.handle("DELETE /v3/projects/{project}/tags", s.deleteTags)
	m.handle("GET /v3/projects/{project}/tags/{tag}", s.checkTag)
	m.handle("PUT /v3/projects/{project}/tags/{tag}", s.addTag)
	m.handle("DELETE /v3/projects/{project}/tags/{tag}", s.deleteTag)
}

func (s *Service) listProjects(c *call) (api.Reply, error) {
	if err := c.may("list_projects", c.access.adminOrSystemReader() || c.access.domainReader()); err != nil {
		return api.Reply{}, err
	}
	f := c.filters("domain_id", "enabled", "name", "parent_id", "is_domain")
	if !c.URL.Query().Has("is_domain") {
		f = append(f, filter{"is_domain", "", "0"})
	}
	if c.access.domain != nil {
		f = append(f, filter{"domain_id", "", c.access.domain.ID})
	}
	tagged := tagFilter(c.URL.Query())
	return s.view(func(r store.Reader) (api.Reply, error) {
		t := &s.tables.Identity
		rows := t.Projects.All(r)
		domain, inDomain := f.value("domain_id")
		if name, named := f.value("name"); named && inDomain {
			rows = t.Projects.By(r, t.ProjectByName, domain+" "+name)
		} else if parent, ok := f.value("parent_id"); ok {
			rows = t.Projects.By(r, t.ProjectByParent, parent)
		}
		return projectKind.list(c, func(yield func(*model.Project) bool) {
			for p := range rows {
				if tagged(p.Tags) && !yield(p) {
					return
				}
			}
		}, f, projectKind.ref), nil
	})
}

// mayProject tells whether the caller may see a project; one that does not
// exist is seen by those who see all.
func (c *call) mayProject(p *model.Project) bool {
	if p == nil {
		return c.access.adminOrSystemReader()
	}
	return c.access.adminOrSystemReader() || c.access.readerOf(optional(p.DomainID)) || c.access.project != nil && c.access.project.ID == p.ID
}

// seenProject finds the path's project, for who may do something that is reading.
func (s *Service) seenProject(c *call, r store.Reader, action string) (*model.Project, error) {
	id := c.PathValue("project")
	p := s.tables.Identity.Projects.Get(r, id)
	if err := c.may(action, c.mayProject(p)); err != nil {
		return nil, err
	}
	return projectKind.find(r, s.tables.Identity.Projects, id)
}

func (s *Service) showProject(c *call) (api.Reply, error) {
	return s.view(func(r store.Reader) (api.Reply, error) {
		p, err := s.seenProject(c, r, "get_project")
		if err != nil {
			return api.Reply{}, err
		}
		shown := projectKind.ref(c, p)
		if err := s.addRelatives(c, r, p, shown); err != nil {
			return api.Reply{}, err
		}
		return api.Reply{Body: ref{"project": shown}}, nil
	})
}

// addRelatives adds what is above and below a project, as far as it is asked for.
func (s *Service) addRelatives(c *call, r store.Reader, p *model.Project, shown ref) error {
	for _, name := range []string{"parents", "subtree"} {
		if c.given(name+"_as_list") && c.given(name+"_as_ids") {
			return badRequest("Cannot use %[1]s_as_list and %[1]s_as_ids query params at the same time.", name)
		}
	}
	// Lists have only what the caller has roles in.
	list := func(relatives []*model.Project) []ref {
		mine := map[string]bool{}
		for own := range s.projectsOf(r, c.access.user.ID) {
			mine[own.ID] = true
		}
		refs := []ref{}
		for _, relative := range relatives {
			if mine[relative.ID] {
				refs = append(refs, ref{"project": projectKind.ref(c, relative)})
			}
		}
		return refs
	}
	switch parents := s.parents(r, p); {
	case c.given("parents_as_list"):
		shown["parents"] = list(parents)
	case c.given("parents_as_ids"):
		var ids any
		for i := len(parents) - 1; i >= 0; i-- {
			ids = ref{parents[i].ID: ids}
		}
		shown["parents"] = ids
	}
	switch {
	case c.given("subtree_as_list"):
		shown["subtree"] = list(s.subtree(r, p.ID))
	case c.given("subtree_as_ids"):
		shown["subtree"] = s.subtreeIDs(r, p.ID)
	}
	return nil
}

// parents gives the projects above one, the nearest first, up to the domain.
func (s *Service) parents(r store.Reader, p *model.Project) (above []*model.Project) {
	for p.ParentID != nil {
		if p = s.tables.Identity.Projects.Get(r, *p.ParentID); p == nil {
			break
		}
		above = append(above, p)
	}
	return above
}

// subtree gives the projects below one, parents first.
func (s *Service) subtree(r store.Reader, id string) (below []*model.Project) {
	for child := range s.tables.Identity.Projects.By(r, s.tables.Identity.ProjectByParent, id) {
		below = append(append(below, child), s.subtree(r, child.ID)...)
	}
	return below
}

func (s *Service) subtreeIDs(r store.Reader, id string) any {
	ids := ref{}
	for child := range s.tables.Identity.Projects.By(r, s.tables.Identity.ProjectByParent, id) {
		ids[child.ID] = s.subtreeIDs(r, child.ID)
	}
	if len(ids) == 0 {
		return nil
	}
	return ids
}

func (s *Service) createProject(c *call) (api.Reply, error) {
	if err := c.may("create_project", c.access.admin()); err != nil {
		return api.Reply{}, err
	}
	values, err := c.object("project", projectCreate)
	if err != nil {
		return api.Reply{}, err
	}
	if values["is_domain"] != true {
		c.setDomain(values)
	}
	if text(values, "parent_id") == "" {
		values["parent_id"] = values["domain_id"]
	}
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		p, err := s.addProject(tx, newID(), values)
		if err != nil {
			// Who names a project or domain that is not there has made a mistake.
			if e, ok := errors.AsType[*api.Error](err); ok && e.Status == http.StatusNotFound {
				err = badRequest("%s", e.Message)
			}
			return api.Reply{}, err
		}
		return created("project", projectKind.ref(c, p)), nil
	})
}

// setDomain gives what is made without a domain the token's, or the default one.
func (c *call) setDomain(values ref) {
	switch {
	case text(values, "domain_id") != "":
	case c.access.domain != nil:
		values["domain_id"] = c.access.domain.ID
	default:
		values["domain_id"] = defaultDomain
	}
}

// addProject makes a project or domain.
func (s *Service) addProject(tx *store.Tx, id string, values ref) (*model.Project, error) {
	none := ""
	p := &model.Project{ID: id, Enabled: true, Description: &none}
	trimName(values)
	if err := projectKind.fill(p, values); err != nil {
		return nil, err
	}
	slices.Sort(p.Tags)
	if p.IsDomain && p.ParentID != nil {
		return nil, badRequest("only root projects are allowed to act as domains.")
	}
	if !p.IsDomain {
		if err := s.checkPlace(tx, p); err != nil {
			return nil, err
		}
	}
	t := &s.tables.Identity
	if t.Projects.Get(tx, id) != nil || t.Projects.First(tx, t.ProjectByName, optional(p.DomainID)+" "+p.Name) != nil {
		return nil, projectConflict(p)
	}
	t.Projects.Put(tx, p)
	return p, nil
}

func projectConflict(p *model.Project) error {
	if p.IsDomain {
		return conflict("project", "it is not permitted to have two projects acting as domains with the same name: %s", p.Name)
	}
	return conflict("project", "it is not permitted to have two projects with either the same name or same id in the same domain: name is %s, project id %s", p.Name, p.ID)
}

// checkPlace is the error of a new project that may not be where it would be.
func (s *Service) checkPlace(tx *store.Tx, p *model.Project) error {
	domain, err := s.findDomain(tx, optional(p.DomainID))
	if err != nil {
		return err
	}
	parent, err := projectKind.find(tx, s.tables.Identity.Projects, optional(p.ParentID))
	if err != nil {
		return err
	}
	if parent.IsDomain && parent.ID != domain.ID {
		return badRequest("Cannot create project, the parent (%s) is acting as a domain, but this project's domain id (%s) does not match the parent's id.", parent.ID, domain.ID)
	}
	if !parent.IsDomain && optional(parent.DomainID) != domain.ID {
		return badRequest("Cannot create project, since it specifies its domain_id %s, but specifies a parent in a different domain (%s).", domain.ID, optional(parent.DomainID))
	}
	branch := append(s.parents(tx, parent), parent)
	for _, above := range branch {
		if !above.Enabled {
			return badRequest("cannot create a project in a branch containing a disabled project: %s", above.ID)
		}
	}
	if len(branch)+1 > maxDepth {
		return forbiddenf("Max hierarchy depth reached for %s branch.", parent.ID)
	}
	return nil
}

func (s *Service) updateProject(c *call) (api.Reply, error) {
	if err := c.may("update_project", c.access.admin()); err != nil {
		return api.Reply{}, err
	}
	id := c.PathValue("project")
	values, err := c.object("project", projectUpdate)
	if err == nil {
		err = sameID(id, values)
	}
	if err != nil {
		return api.Reply{}, err
	}
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		old, err := projectKind.find(tx, s.tables.Identity.Projects, id)
		if err != nil {
			return api.Reply{}, err
		}
		p, err := s.changeProject(tx, old, values)
		if err != nil {
			return api.Reply{}, err
		}
		shown := projectKind.ref(c, p)
		shown["extra"] = p.Extra
		return api.Reply{Body: ref{"project": shown}}, nil
	})
}

// changeProject changes a project or domain.
func (s *Service) changeProject(tx *store.Tx, old *model.Project, values ref) (*model.Project, error) {
	if err := s.checkProjectChange(tx, old, values); err != nil {
		return nil, err
	}
	p := *old
	trimName(values)
	if err := projectKind.fill(&p, values); err != nil {
		return nil, err
	}
	if _, given := values["tags"]; given {
		slices.Sort(p.Tags)
	}
	t := &s.tables.Identity
	if twin := t.Projects.First(tx, t.ProjectByName, optional(p.DomainID)+" "+p.Name); twin != nil && twin.ID != p.ID {
		return nil, projectConflict(&p)
	}
	t.Projects.Put(tx, &p)
	return &p, nil
}

func (s *Service) checkProjectChange(tx *store.Tx, p *model.Project, values ref) error {
	if domain, given := values["domain_id"]; given && (domain == nil) != (p.DomainID == nil) || given && domain != nil && domain != *p.DomainID {
		return badRequest("Cannot change Domain ID")
	}
	what := "project"
	if p.IsDomain {
		what = "domain"
	}
	if err := mayChange(what, p.ID, p.Options, values); err != nil {
		return err
	}
	if parent, given := values["parent_id"]; given && (parent == nil) != (p.ParentID == nil) || given && parent != nil && parent != *p.ParentID {
		return forbiddenf("Update of `parent_id` is not allowed.")
	}
	if is, given := values["is_domain"]; given && is != p.IsDomain {
		return badRequest("Update of `is_domain` is not allowed.")
	}
	enabled, given := values["enabled"].(bool)
	if given && enabled && !p.Enabled {
		for _, above := range s.parents(tx, p) {
			if !above.Enabled {
				return forbiddenf("Cannot enable project %s since it has disabled parents", p.ID)
			}
		}
	}
	if given && !enabled && p.Enabled && !p.IsDomain {
		for _, below := range s.subtree(tx, p.ID) {
			if below.Enabled {
				return forbiddenf("Cannot disable project %s since its subtree contains enabled projects.", p.ID)
			}
		}
	}
	return nil
}

func (s *Service) deleteProject(c *call) (api.Reply, error) {
	if err := c.may("delete_project", c.access.admin()); err != nil {
		return api.Reply{}, err
	}
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		p, err := projectKind.find(tx, s.tables.Identity.Projects, c.PathValue("project"))
		if err == nil && p.IsDomain {
			err = s.removeDomain(tx, p)
		} else if err == nil {
			err = s.removeProject(tx, p)
		}
		return noContent, err
	})
}

// removeProject deletes a project with what gives roles in it. Tokens for it
// end by themselves.
func (s *Service) removeProject(tx *store.Tx, p *model.Project) error {
	t := &s.tables.Identity
	if err := mayDelete("project", p.ID, p.Options); err != nil {
		return err
	}
	if t.Projects.First(tx, t.ProjectByParent, p.ID) != nil {
		return forbiddenf("Cannot delete the project %s since it is not a leaf in the hierarchy. Use the cascade option if you want to delete a whole subtree.", p.ID)
	}
	for _, old := range slices.Collect(t.Users.By(tx, t.UserByDefault, p.ID)) {
		u := *old
		u.DefaultProjectID = nil
		t.Users.Put(tx, &u)
	}
	deleteBy(tx, t.Assignments, t.AssignmentByTarget, p.ID, (*model.Assignment).Key)
	t.Projects.Delete(tx, p.ID)
	return nil
}
