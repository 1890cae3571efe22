// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"net/http"
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func (m routes) roles() {
	s := m.s
	m.handle("GET /v3/roles", s.listRoles)
	m.handle("GET /v3/roles/{role}", s.showRole)
	m.handle("POST /v3/roles", s.createRole)
	m.handle("PATCH /v3/roles/{role}", s.updateRole)
	m.handle("DELETE /v3/roles/{role}", s.deleteRole)
	m.handle("GET /v3/roles/{role}/implies", s.listImplied)
	m.handle("GET /v3/roles/{role}/implies/{implied}", s.showImplied)
	m.handle("PUT /v3/roles/{role}/implies/{implied}", s.addImplied)
	m.handle("DELETE /v3/roles/{role}/implies/{implied}", s.deleteImplied)
	m.handle("GET /v3/role_inferences", s.listInferences)
}

func (s *Service) listRoles(c *call) (api.Reply, error) {
	f, action := c.filters("name", "domain_id"), "list_domain_roles"
	domain := c.URL.Query().Get("domain_id")
	if domain == "" {
		action = "list_roles"
	}
	if err := c.may(action, c.access.adminOrSystemReader()); err != nil {
		return api.Reply{}, err
	}
	return s.view(func(r store.Reader) (api.Reply, error) {
		return roleKind.list(c, func(yield func(*model.Role) bool) {
			for role := range s.tables.Identity.Roles.All(r) {
				if optional(role.DomainID) == domain && !yield(role) {
					return
				}
			}
		}, f, roleKind.ref), nil
	})
}

// role finds the path's role for who may do something with it; Keystone looks
// for it before it looks who asks.
func (s *Service) role(c *call, r store.Reader, verb string, allowed bool) (*model.Role, error) {
	role, err := roleKind.find(r, s.tables.Identity.Roles, c.PathValue("role"))
	if err != nil {
		return nil, err
	}
	action := verb + "_role"
	if role.DomainID != nil {
		action = verb + "_domain_role"
	}
	return role, c.may(action, allowed)
}

func (s *Service) showRole(c *call) (api.Reply, error) {
	return s.view(func(r store.Reader) (api.Reply, error) {
		role, err := s.role(c, r, "get", c.access.adminOrSystemReader())
		if err != nil {
			return api.Reply{}, err
		}
		return api.Reply{Body: ref{"role": roleKind.ref(c, role)}}, nil
	})
}

func (s *Service) createRole(c *call) (api.Reply, error) {
	action := "create_role"
	if text(object(c.body, "role"), "domain_id") != "" {
		action = "create_domain_role"
	}
	if err := c.may(action, c.access.admin()); err != nil {
		return api.Reply{}, err
	}
	values, err := c.object("role", roleCreate)
	if err != nil {
		return api.Reply{}, err
	}
	role := &model.Role{ID: newID()}
	if err := roleKind.fill(role, values); err != nil {
		return api.Reply{}, err
	}
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		t := &s.tables.Identity
		if t.Roles.First(tx, t.RoleByName, optional(role.DomainID)+" "+role.Name) != nil {
			return api.Reply{}, duplicate("role", role.Name, values)
		}
		t.Roles.Put(tx, role)
		return created("role", roleKind.ref(c, role)), nil
	})
}

func (s *Service) updateRole(c *call) (api.Reply, error) {
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		old, err := s.role(c, tx, "update", c.access.admin())
		if err != nil {
			return api.Reply{}, err
		}
		values, err := c.object("role", roleUpdate)
		if err == nil {
			err = sameID(old.ID, values)
		}
		if err == nil {
			err = mayChange("role", old.ID, old.Options, values)
		}
		if err != nil {
			return api.Reply{}, err
		}
		role, t := *old, &s.tables.Identity
		if err := roleKind.fill(&role, values); err != nil {
			return api.Reply{}, err
		}
		if optional(role.DomainID) != optional(old.DomainID) {
			return api.Reply{}, badRequest("Update of `domain_id` is not allowed.")
		}
		if twin := t.Roles.First(tx, t.RoleByName, optional(role.DomainID)+" "+role.Name); twin != nil && twin.ID != role.ID {
			return api.Reply{}, duplicate("role", role.Name, values)
		}
		t.Roles.Put(tx, &role)
		return api.Reply{Body: ref{"role": roleKind.ref(c, &role)}}, nil
	})
}

func (s *Service) deleteRole(c *call) (api.Reply, error) {
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		role, err := s.role(c, tx, "delete", c.access.admin())
		if err == nil {
			err = mayDelete("role", role.ID, role.Options)
		}
		if err != nil {
			return api.Reply{}, err
		}
		s.removeRole(tx, role)
		return noContent, nil
	})
}

// removeRole deletes a role, and has nobody have it and none imply it.
func (s *Service) removeRole(tx *store.Tx, role *model.Role) {
	t := &s.tables.Identity
	for _, old := range slices.Collect(t.Roles.By(tx, t.RoleByImplied, role.ID)) {
		s.putImplied(tx, old, slices.DeleteFunc(slices.Clone(old.Implies), func(id string) bool { return id == role.ID }))
	}
	deleteBy(tx, t.Assignments, t.AssignmentByRole, role.ID, (*model.Assignment).Key)
	t.Roles.Delete(tx, role.ID)
}

func (s *Service) putImplied(tx *store.Tx, old *model.Role, implies []string) {
	prior := *old
	prior.Implies = implies
	s.tables.Identity.Roles.Put(tx, &prior)
}

// roleLink shows a role within an inference.
func roleLink(c *call, role *model.Role) ref {
	return ref{"id": role.ID, "name": role.Name, "links": ref{"self": c.url("/roles/" + role.ID)}}
}

func (s *Service) impliedLinks(c *call, r store.Reader, prior *model.Role) []ref {
	refs := []ref{}
	for _, id := range prior.Implies {
		refs = append(refs, roleLink(c, s.tables.Identity.Roles.Get(r, id)))
	}
	return refs
}

// prior finds the path's role that implies others for who may do something about that.
func (s *Service) prior(c *call, r store.Reader, action string, allowed bool) (*model.Role, error) {
	role, err := roleKind.find(r, s.tables.Identity.Roles, c.PathValue("role"))
	if err == nil {
		err = c.may(action, allowed)
	}
	return role, err
}

func (s *Service) listImplied(c *call) (api.Reply, error) {
	return s.view(func(r store.Reader) (api.Reply, error) {
		prior, err := s.prior(c, r, "list_implied_roles", c.access.adminOrSystemReader())
		if err != nil {
			return api.Reply{}, err
		}
		return api.Reply{Body: ref{
			"role_inference": ref{"prior_role": roleLink(c, prior), "implies": s.impliedLinks(c, r, prior)},
			"links":          ref{"self": c.url("/roles/" + prior.ID + "/implies")},
		}}, nil
	})
}

// inference finds both of the path's roles for who may do something about them.
func (s *Service) inference(c *call, r store.Reader, action string, allowed bool) (prior, implied *model.Role, err error) {
	if prior, err = roleKind.find(r, s.tables.Identity.Roles, c.PathValue("role")); err == nil {
		implied, err = roleKind.find(r, s.tables.Identity.Roles, c.PathValue("implied"))
	}
	if err == nil {
		err = c.may(action, allowed)
	}
	return prior, implied, err
}

func notImplied(prior, implied *model.Role) error {
	return notFoundf("%s does not imply %s.", prior.ID, implied.ID)
}

func inferenceReply(c *call, status int, prior, implied *model.Role) api.Reply {
	return api.Reply{Status: status, Body: ref{
		"role_inference": ref{"prior_role": roleLink(c, prior), "implies": roleLink(c, implied)},
		"links":          ref{"self": c.url("/roles/" + prior.ID + "/implies/" + implied.ID)},
	}}
}

func (s *Service) showImplied(c *call) (api.Reply, error) {
	return s.view(func(r store.Reader) (api.Reply, error) {
		action := "get_implied_role"
		if c.Method == http.MethodHead {
			action = "check_implied_role"
		}
		prior, implied, err := s.inference(c, r, action, c.access.adminOrSystemReader())
		if err == nil && !slices.Contains(prior.Implies, implied.ID) {
			err = notImplied(prior, implied)
		}
		if err != nil {
			return api.Reply{}, err
		}
		if c.Method == http.MethodHead {
			return noContent, nil
		}
		return inferenceReply(c, http.StatusOK, prior, implied), nil
	})
}

func (s *Service) addImplied(c *call) (api.Reply, error) {
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		prior, implied, err := s.inference(c, tx, "create_implied_role", c.access.admin())
		if err != nil {
			return api.Reply{}, err
		}
		if implied.Name == "admin" || prior.DomainID == nil && implied.DomainID != nil {
			return api.Reply{}, forbiddenf("%s cannot be an implied roles.", implied.ID)
		}
		at, found := slices.BinarySearch(prior.Implies, implied.ID)
		if found {
			return api.Reply{}, conflict("implied_role", "Duplicate entry")
		}
		s.putImplied(tx, prior, slices.Insert(slices.Clone(prior.Implies), at, implied.ID))
		return inferenceReply(c, http.StatusCreated, prior, implied), nil
	})
}

func (s *Service) deleteImplied(c *call) (api.Reply, error) {
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		prior, implied, err := s.inference(c, tx, "delete_implied_role", c.access.admin())
		if err != nil {
			return api.Reply{}, err
		}
		at, found := slices.BinarySearch(prior.Implies, implied.ID)
		if !found {
			return api.Reply{}, notImplied(prior, implied)
		}
		s.putImplied(tx, prior, slices.Delete(slices.Clone(prior.Implies), at, at+1))
		return noContent, nil
	})
}

func (s *Service) listInferences(c *call) (api.Reply, error) {
	if err := c.may("list_role_inference_rules", c.access.adminOrSystemReader()); err != nil {
		return api.Reply{}, err
	}
	return s.view(func(r store.Reader) (api.Reply, error) {
		inferences := []ref{}
		for prior := range s.tables.Identity.Roles.All(r) {
			if len(prior.Implies) > 0 {
				inferences = append(inferences, ref{"prior_role": roleLink(c, prior), "implies": s.impliedLinks(c, r, prior)})
			}
		}
		return api.Reply{Body: ref{"role_inferences": inferences}}, nil
	})
}
