// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func (m routes) users() {
	s := m.s
	m.handle("GET /v3/users", s.listUsers)
	m.handle("GET /v3/users/{user}", s.showUser)
	m.handle("POST /v3/users", s.createUser)
	m.handle("PATCH /v3/users/{user}", s.updateUser)
	m.handle("DELETE /v3/users/{user}", s.deleteUser)
	m.open("POST /v3/users/{user}/password", s.changePassword)
	m.handle("GET /v3/users/{user}/projects", s.listUserProjects)
	m.handle("GET /v3/users/{user}/groups", s.listUserGroups)
}

// userRef shows a user. No password ever expires.
func userRef(c *call, u *model.User) ref {
	shown := userKind.ref(c, u)
	shown["password_expires_at"] = nil
	if u.DefaultProjectID == nil {
		delete(shown, "default_project_id")
	}
	return shown
}

func (s *Service) listUsers(c *call) (api.Reply, error) {
	if err := c.may("list_users", c.access.adminOrSystemReader() || c.access.domainReader()); err != nil {
		return api.Reply{}, err
	}
	f := c.filters("domain_id", "enabled", "name", "idp_id", "protocol_id", "unique_id")
	if c.access.domain != nil {
		f = append(f, filter{"domain_id", "", c.access.domain.ID})
	}
	return s.view(func(r store.Reader) (api.Reply, error) {
		t := &s.tables.Identity
		rows := t.Users.All(r)
		domain, inDomain := f.value("domain_id")
		if name, named := f.value("name"); named && inDomain {
			rows = t.Users.By(r, t.UserByName, domain+" "+name)
		} else if inDomain {
			rows = t.Users.By(r, t.UserByDomain, domain)
		}
		return s.userList(c, rows, f)
	})
}

// userList lists users; one can ask for those whose password expires at some
// time, of whom there are none.
func (s *Service) userList(c *call, rows func(func(*model.User) bool), f filters) (api.Reply, error) {
	if c.URL.Query().Has("password_expires_at") {
		if !validTimeFilter(c.URL.Query().Get("password_expires_at")) {
			return api.Reply{}, badTimestamp()
		}
		return c.collection("users", nil), nil
	}
	return userKind.list(c, rows, f, userRef), nil
}

// seenUser finds the path's user, if the caller may see it, which those may
// whom Keystone calls the owner.
func (s *Service) seenUser(c *call, r store.Reader, action string) (*model.User, error) {
	id := c.PathValue("user")
	u := s.tables.Identity.Users.Get(r, id)
	allowed := c.access.adminOrSystemReader() || c.access.user.ID == id || u != nil && c.access.readerOf(u.DomainID)
	if err := c.may(action, allowed); err != nil {
		return nil, err
	}
	return userKind.find(r, s.tables.Identity.Users, id)
}

func (s *Service) showUser(c *call) (api.Reply, error) {
	return s.view(func(r store.Reader) (api.Reply, error) {
		u, err := s.seenUser(c, r, "get_user")
		if err != nil {
			return api.Reply{}, err
		}
		return api.Reply{Body: ref{"user": userRef(c, u)}}, nil
	})
}

// takePassword takes the password out of a client's values and hashes it; the
// hash of null is empty.
func takePassword(values ref) (hash string, given bool, err error) {
	value, given := values["password"]
	delete(values, "password")
	delete(values, "federated")
	if password, ok := value.(string); ok {
		hash, err = hashSecret(password)
	}
	return hash, given, err
}

func (s *Service) createUser(c *call) (api.Reply, error) {
	if err := c.may("create_user", c.access.admin()); err != nil {
		return api.Reply{}, err
	}
	values, err := c.object("user", userCreate)
	if err != nil {
		return api.Reply{}, err
	}
	hash, _, err := takePassword(values)
	if err != nil {
		return api.Reply{}, err
	}
	u := &model.User{ID: newID(), Enabled: true, PasswordHash: hash}
	c.setDomain(values)
	trimName(values)
	if err := userKind.fill(u, values); err != nil {
		return api.Reply{}, err
	}
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		t := &s.tables.Identity
		if _, err := s.findDomain(tx, u.DomainID); err != nil {
			return api.Reply{}, err
		}
		if err := s.checkDefaultProject(tx, u); err != nil {
			return api.Reply{}, err
		}
		if t.Users.First(tx, t.UserByName, u.DomainID+" "+u.Name) != nil {
			return api.Reply{}, duplicate("user", u.Name, values)
		}
		t.Users.Put(tx, u)
		return created("user", userRef(c, u)), nil
	})
}

// checkDefaultProject is the error of a default project that is a domain; one
// that does not exist is none.
func (s *Service) checkDefaultProject(r store.Reader, u *model.User) error {
	if _, err := s.findDomain(r, optional(u.DefaultProjectID)); err == nil {
		return badRequest("User's default project ID cannot be a domain ID: %s", *u.DefaultProjectID)
	}
	return nil
}

func (s *Service) updateUser(c *call) (api.Reply, error) {
	if err := c.may("update_user", c.access.admin()); err != nil {
		return api.Reply{}, err
	}
	var values ref
	id := c.PathValue("user")
	if _, err := s.view(func(r store.Reader) (api.Reply, error) {
		_, err := userKind.find(r, s.tables.Identity.Users, id)
		if err == nil {
			values, err = c.object("user", userUpdate)
		}
		if err == nil {
			err = sameID(id, values)
		}
		return api.Reply{}, err
	}); err != nil {
		return api.Reply{}, err
	}
	hash, given, err := takePassword(values)
	if err != nil {
		return api.Reply{}, err
	}
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		old, err := userKind.find(tx, s.tables.Identity.Users, id)
		if err != nil {
			return api.Reply{}, err
		}
		u := *old
		if given {
			u.PasswordHash = hash
		}
		if err := s.changeUser(tx, old, &u, values); err != nil {
			return api.Reply{}, err
		}
		shown := userRef(c, &u)
		shown["extra"] = u.Extra
		return api.Reply{Body: ref{"user": shown}}, nil
	})
}

// changeUser stores what an old user becomes: u, and the values besides. Who is
// disabled, or has a new password, has no tokens any longer.
func (s *Service) changeUser(tx *store.Tx, old, u *model.User, values ref) error {
	t := &s.tables.Identity
	if domain, given := values["domain_id"]; given && domain != old.DomainID {
		return badRequest("Cannot change Domain ID")
	}
	trimName(values)
	if err := userKind.fill(u, values); err != nil {
		return err
	}
	if err := s.checkDefaultProject(tx, u); err != nil {
		return err
	}
	if twin := t.Users.First(tx, t.UserByName, u.DomainID+" "+u.Name); twin != nil && twin.ID != u.ID {
		return duplicate("user", u.Name, values)
	}
	if old.Enabled && !u.Enabled || u.PasswordHash != old.PasswordHash {
		u.Epoch++
	}
	t.Users.Put(tx, u)
	return nil
}

func (s *Service) deleteUser(c *call) (api.Reply, error) {
	if err := c.may("delete_user", c.access.admin()); err != nil {
		return api.Reply{}, err
	}
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		u, err := userKind.find(tx, s.tables.Identity.Users, c.PathValue("user"))
		if err != nil {
			return api.Reply{}, err
		}
		s.removeUser(tx, u)
		return noContent, nil
	})
}

// removeUser deletes a user with all that gives it roles, and its application credentials.
func (s *Service) removeUser(tx *store.Tx, u *model.User) {
	t := &s.tables.Identity
	for _, old := range slices.Collect(t.Groups.By(tx, t.GroupByUser, u.ID)) {
		g := *old
		g.Users = slices.DeleteFunc(slices.Clone(g.Users), func(id string) bool { return id == u.ID })
		t.Groups.Put(tx, &g)
	}
	deleteBy(tx, t.Assignments, t.AssignmentByActor, u.ID, (*model.Assignment).Key)
	deleteBy(tx, t.Credentials, t.CredentialByUser, u.ID, func(a *model.ApplicationCredential) string { return a.ID })
	t.Users.Delete(tx, u.ID)
}

// changePassword lets whoever knows a user's password change it.
func (s *Service) changePassword(c *call) (api.Reply, error) {
	values, err := c.object("user", passwordChange)
	if err != nil {
		return api.Reply{}, err
	}
	id := c.PathValue("user")
	var old *model.User
	s.tables.View(func(r store.Reader) { old = s.tables.Identity.Users.Get(r, id) })
	if old == nil || !checkSecret(old.PasswordHash, text(values, "original_password")) {
		return api.Reply{}, unauthorized()
	}
	if !old.Enabled {
		return api.Reply{}, unauthorizedf("UserDisabled", "The account is disabled for user: %s.", id)
	}
	if old.Options["lock_password"] == true {
		return api.Reply{}, badRequest("You cannot change your password at this time due to password policy disallowing password changes." +
			" Please contact your administrator to reset your password.")
	}
	hash, err := hashSecret(text(values, "password"))
	if err != nil {
		return api.Reply{}, err
	}
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		now := s.tables.Identity.Users.Get(tx, id)
		if now == nil || now.PasswordHash != old.PasswordHash {
			// Somebody else was faster.
			return api.Reply{}, unauthorized()
		}
		u := *now
		u.PasswordHash = hash
		return noContent, s.changeUser(tx, now, &u, ref{})
	})
}

func (s *Service) listUserProjects(c *call) (api.Reply, error) {
	return s.view(func(r store.Reader) (api.Reply, error) {
		u, err := s.seenUser(c, r, "list_user_projects")
		if err != nil {
			return api.Reply{}, err
		}
		return projectKind.list(c, s.projectsOf(r, u.ID), c.filters("domain_id", "enabled", "name"), projectKind.ref), nil
	})
}

func (s *Service) listUserGroups(c *call) (api.Reply, error) {
	return s.view(func(r store.Reader) (api.Reply, error) {
		u, err := s.seenUser(c, r, "list_groups_for_user")
		if err != nil {
			return api.Reply{}, err
		}
		f := c.filters("name")
		if c.access.domain != nil {
			f = append(f, filter{"domain_id", "", c.access.domain.ID})
		}
		t := &s.tables.Identity
		return groupKind.list(c, t.Groups.By(r, t.GroupByUser, u.ID), f, func(c *call, g *model.Group) ref {
			shown := groupKind.ref(c, g)
			shown["membership_expires_at"] = nil
			return shown
		}), nil
	})
}

// endTokens has a user's tokens end.
func (s *Service) endTokens(tx *store.Tx, userID string) {
	if old := s.tables.Identity.Users.Get(tx, userID); old != nil {
		u := *old
		u.Epoch++
		s.tables.Identity.Users.Put(tx, &u)
	}
}
