// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"regexp"
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func (m routes) domains() {
	s := m.s
	m.handle("GET /v3/domains", s.listDomains)
	m.handle("GET /v3/domains/{domain}", s.showDomain)
	m.handle("POST /v3/domains", s.createDomain)
	m.handle("PATCH /v3/domains/{domain}", s.updateDomain)
	m.handle("DELETE /v3/domains/{domain}", s.deleteDomain)
}

// domainRef shows a project that is a domain as a domain.
func domainRef(c *call, p *model.Project) ref {
	shown := projectKind.show(p)
	for _, name := range []string{"parent_id", "domain_id", "is_domain"} {
		delete(shown, name)
	}
	shown["links"] = ref{"self": c.url("/domains/" + p.ID)}
	return shown
}

func (s *Service) findDomain(r store.Reader, id string) (*model.Project, error) {
	if d := s.tables.Identity.Projects.Get(r, id); d != nil && d.IsDomain {
		return d, nil
	}
	return nil, notFound("domain", id)
}

func (s *Service) listDomains(c *call) (api.Reply, error) {
	if err := c.may("list_domains", c.access.adminOrSystemReader()); err != nil {
		return api.Reply{}, err
	}
	f := c.filters("name", "enabled")
	return s.view(func(r store.Reader) (api.Reply, error) {
		var refs []ref
		t := &s.tables.Identity
		for p := range t.Projects.All(r) {
			if p.IsDomain && f.match(projectKind.field(p)) {
				refs = append(refs, domainRef(c, p))
			}
		}
		return c.collection("domains", refs), nil
	})
}

func (s *Service) showDomain(c *call) (api.Reply, error) {
	id := c.PathValue("domain")
	return s.view(func(r store.Reader) (api.Reply, error) {
		d, err := s.findDomain(r, id)
		own := c.access.domain != nil && c.access.domain.ID == id || c.access.projectDomain != nil && c.access.projectDomain.ID == id
		if err := c.may("get_domain", c.access.adminOrSystemReader() || own); err != nil {
			return api.Reply{}, err
		}
		if err != nil {
			return api.Reply{}, err
		}
		return api.Reply{Body: ref{"domain": domainRef(c, d)}}, nil
	})
}

// domainIDForm is what an id of the client's choice must look like.
var domainIDForm = regexp.MustCompile(`^[0-9a-f]{32}$`)

func (s *Service) createDomain(c *call) (api.Reply, error) {
	if err := c.may("create_domain", c.access.admin()); err != nil {
		return api.Reply{}, err
	}
	values, err := c.object("domain", domainCreate)
	if err != nil {
		return api.Reply{}, err
	}
	id := newID()
	if explicit := values["explicit_domain_id"]; explicit != nil {
		if id = text(values, "explicit_domain_id"); !domainIDForm.MatchString(id) {
			return api.Reply{}, badRequest("Domain ID does not conform to required UUID format.")
		}
	}
	values["is_domain"], values["domain_id"], values["parent_id"] = true, nil, nil
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		d, err := s.addProject(tx, id, values)
		if err != nil {
			return api.Reply{}, err
		}
		return created("domain", domainRef(c, d)), nil
	})
}

// ownDomain finds the path's domain for who may change domains; Keystone looks
// for it before it looks who asks.
func (s *Service) ownDomain(c *call, r store.Reader, action string) (*model.Project, error) {
	d, err := s.findDomain(r, c.PathValue("domain"))
	if err == nil {
		err = c.may(action, c.access.admin())
	}
	return d, err
}

func (s *Service) updateDomain(c *call) (api.Reply, error) {
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		old, err := s.ownDomain(c, tx, "update_domain")
		if err != nil {
			return api.Reply{}, err
		}
		values, err := c.object("domain", domainUpdate)
		if err != nil {
			return api.Reply{}, err
		}
		d, err := s.changeProject(tx, old, values)
		if err != nil {
			return api.Reply{}, err
		}
		return api.Reply{Body: ref{"domain": domainRef(c, d)}}, nil
	})
}

func (s *Service) deleteDomain(c *call) (api.Reply, error) {
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		d, err := s.ownDomain(c, tx, "delete_domain")
		if err == nil {
			err = s.removeDomain(tx, d)
		}
		return noContent, err
	})
}

// removeDomain deletes a domain that is disabled, with all that is in it.
func (s *Service) removeDomain(tx *store.Tx, d *model.Project) error {
	t := &s.tables.Identity
	if err := mayDelete("domain", d.ID, d.Options); err != nil {
		return err
	}
	if d.Enabled {
		return forbiddenf("Cannot delete a domain that is enabled, please disable it first.")
	}
	// Leaves first.
	projects := s.subtree(tx, d.ID)
	slices.Reverse(projects)
	for _, p := range projects {
		if err := s.removeProject(tx, p); err != nil {
			return err
		}
	}
	for _, u := range slices.Collect(t.Users.By(tx, t.UserByDomain, d.ID)) {
		s.removeUser(tx, u)
	}
	for _, g := range slices.Collect(t.Groups.All(tx)) {
		if g.DomainID == d.ID {
			s.removeGroup(tx, g)
		}
	}
	for _, role := range slices.Collect(t.Roles.All(tx)) {
		if optional(role.DomainID) == d.ID {
			s.removeRole(tx, role)
		}
	}
	return s.removeProject(tx, d)
}
