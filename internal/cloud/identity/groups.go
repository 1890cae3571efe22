// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func (m routes) groups() {
	s := m.s
	m.handle("GET /v3/groups", s.listGroups)
	m.handle("GET /v3/groups/{group}", s.showGroup)
	m.handle("POST /v3/groups", s.createGroup)
	m.handle("PATCH /v3/groups/{group}", s.updateGroup)
	m.handle("DELETE /v3/groups/{group}", s.deleteGroup)
	m.handle("GET /v3/groups/{group}/users", s.listGroupUsers)
	m.handle("GET /v3/groups/{group}/users/{user}", s.checkGroupUser)
	m.handle("PUT /v3/groups/{group}/users/{user}", s.addGroupUser)
	m.handle("DELETE /v3/groups/{group}/users/{user}", s.removeGroupUser)
}

func (s *Service) listGroups(c *call) (api.Reply, error) {
	if err := c.may("list_groups", c.access.adminOrSystemReader() || c.access.domainReader()); err != nil {
		return api.Reply{}, err
	}
	f := c.filters("domain_id", "name")
	if c.access.domain != nil {
		f = append(f, filter{"domain_id", "", c.access.domain.ID})
	}
	return s.view(func(r store.Reader) (api.Reply, error) {
		return groupKind.list(c, s.tables.Identity.Groups.All(r), f, groupKind.ref), nil
	})
}

// seenGroup finds the path's group, if the caller may see it.
func (s *Service) seenGroup(c *call, r store.Reader, action string) (*model.Group, error) {
	id := c.PathValue("group")
	g := s.tables.Identity.Groups.Get(r, id)
	if err := c.may(action, c.access.adminOrSystemReader() || g != nil && c.access.readerOf(g.DomainID)); err != nil {
		return nil, err
	}
	return groupKind.find(r, s.tables.Identity.Groups, id)
}

func (s *Service) showGroup(c *call) (api.Reply, error) {
	return s.view(func(r store.Reader) (api.Reply, error) {
		g, err := s.seenGroup(c, r, "get_group")
		if err != nil {
			return api.Reply{}, err
		}
		return api.Reply{Body: ref{"group": groupKind.ref(c, g)}}, nil
	})
}

func (s *Service) createGroup(c *call) (api.Reply, error) {
	if err := c.may("create_group", c.access.admin()); err != nil {
		return api.Reply{}, err
	}
	values, err := c.object("group", groupCreate)
	if err != nil {
		return api.Reply{}, err
	}
	none := ""
	g := &model.Group{ID: newID(), Description: &none}
	c.setDomain(values)
	trimName(values)
	if err := groupKind.fill(g, values); err != nil {
		return api.Reply{}, err
	}
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		t := &s.tables.Identity
		if _, err := s.findDomain(tx, g.DomainID); err != nil {
			return api.Reply{}, err
		}
		if t.Groups.First(tx, t.GroupByName, g.DomainID+" "+g.Name) != nil {
			return api.Reply{}, duplicate("group", g.Name, values)
		}
		t.Groups.Put(tx, g)
		return created("group", groupKind.ref(c, g)), nil
	})
}

func (s *Service) updateGroup(c *call) (api.Reply, error) {
	if err := c.may("update_group", c.access.admin()); err != nil {
		return api.Reply{}, err
	}
	values, err := c.object("group", groupUpdate)
	if err == nil {
		err = sameID(c.PathValue("group"), values)
	}
	if err != nil {
		return api.Reply{}, err
	}
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		t := &s.tables.Identity
		old, err := groupKind.find(tx, t.Groups, c.PathValue("group"))
		if err != nil {
			return api.Reply{}, err
		}
		if domain, given := values["domain_id"]; given && domain != old.DomainID {
			return api.Reply{}, badRequest("Cannot change Domain ID")
		}
		g := *old
		trimName(values)
		if err := groupKind.fill(&g, values); err != nil {
			return api.Reply{}, err
		}
		if twin := t.Groups.First(tx, t.GroupByName, g.DomainID+" "+g.Name); twin != nil && twin.ID != g.ID {
			return api.Reply{}, duplicate("group", g.Name, values)
		}
		t.Groups.Put(tx, &g)
		return api.Reply{Body: ref{"group": groupKind.ref(c, &g)}}, nil
	})
}

func (s *Service) deleteGroup(c *call) (api.Reply, error) {
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		// Keystone looks for the group before it looks who asks.
		g, err := groupKind.find(tx, s.tables.Identity.Groups, c.PathValue("group"))
		if err == nil {
			err = c.may("delete_group", c.access.admin())
		}
		if err != nil {
			return api.Reply{}, err
		}
		s.removeGroup(tx, g)
		return noContent, nil
	})
}

// removeGroup deletes a group. If it gave roles to its users, their tokens end.
func (s *Service) removeGroup(tx *store.Tx, g *model.Group) {
	t := &s.tables.Identity
	if t.Assignments.First(tx, t.AssignmentByActor, g.ID) != nil {
		for _, id := range g.Users {
			s.endTokens(tx, id)
		}
	}
	deleteBy(tx, t.Assignments, t.AssignmentByActor, g.ID, (*model.Assignment).Key)
	t.Groups.Delete(tx, g.ID)
}

func (s *Service) listGroupUsers(c *call) (api.Reply, error) {
	return s.view(func(r store.Reader) (api.Reply, error) {
		g, err := s.seenGroup(c, r, "list_users_in_group")
		if err != nil {
			return api.Reply{}, err
		}
		f := c.filters("domain_id", "enabled", "name")
		if c.access.domain != nil {
			f = append(f, filter{"domain_id", "", c.access.domain.ID})
		}
		return s.userList(c, func(yield func(*model.User) bool) {
			for _, id := range g.Users {
				if !yield(s.tables.Identity.Users.Get(r, id)) {
					return
				}
			}
		}, f)
	})
}

// member finds the path's group and user.
func (s *Service) member(c *call, r store.Reader) (*model.Group, *model.User, error) {
	g, err := groupKind.find(r, s.tables.Identity.Groups, c.PathValue("group"))
	if err != nil {
		return nil, nil, err
	}
	u, err := userKind.find(r, s.tables.Identity.Users, c.PathValue("user"))
	return g, u, err
}

func notMember(g *model.Group, u *model.User) error {
	return notFoundf("User '%s' not found in group '%s'", u.ID, g.ID)
}

func (s *Service) checkGroupUser(c *call) (api.Reply, error) {
	return s.view(func(r store.Reader) (api.Reply, error) {
		g, u, err := s.member(c, r)
		both := err == nil && c.access.readerOf(g.DomainID) && c.access.readerOf(u.DomainID)
		if err := c.may("check_user_in_group", c.access.adminOrSystemReader() || both); err != nil {
			return api.Reply{}, err
		}
		if err == nil && !slices.Contains(g.Users, u.ID) {
			err = notMember(g, u)
		}
		return noContent, err
	})
}

// changeMembers stores a group's users as change makes them.
func (s *Service) changeMembers(c *call, action string, change func(tx *store.Tx, g *model.Group, u *model.User) error) (api.Reply, error) {
	if err := c.may(action, c.access.admin()); err != nil {
		return api.Reply{}, err
	}
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		old, u, err := s.member(c, tx)
		if err != nil {
			return api.Reply{}, err
		}
		g := *old
		g.Users = slices.Clone(old.Users)
		if err := change(tx, &g, u); err != nil {
			return api.Reply{}, err
		}
		s.tables.Identity.Groups.Put(tx, &g)
		return noContent, nil
	})
}

func (s *Service) addGroupUser(c *call) (api.Reply, error) {
	return s.changeMembers(c, "add_user_to_group", func(_ *store.Tx, g *model.Group, u *model.User) error {
		if at, found := slices.BinarySearch(g.Users, u.ID); !found {
			g.Users = slices.Insert(g.Users, at, u.ID)
		}
		return nil
	})
}

func (s *Service) removeGroupUser(c *call) (api.Reply, error) {
	return s.changeMembers(c, "remove_user_from_group", func(tx *store.Tx, g *model.Group, u *model.User) error {
		at, found := slices.BinarySearch(g.Users, u.ID)
		if !found {
			return notMember(g, u)
		}
		g.Users = slices.Delete(g.Users, at, at+1)
		s.endTokens(tx, u.ID)
		return nil
	})
}
