// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// credentialTime is how an application credential's end is shown.
const credentialTime = "2006-01-02T15:04:05.000000"

var credentialColumns = api.ColumnsOf[model.ApplicationCredential](credentialTime)

func (m routes) credentials() {
	s := m.s
	m.handle("GET /v3/users/{user}/application_credentials", s.listCredentials)
	m.handle("GET /v3/users/{user}/application_credentials/{credential}", s.showCredential)
	m.handle("POST /v3/users/{user}/application_credentials", s.createCredential)
	m.handle("DELETE /v3/users/{user}/application_credentials/{credential}", s.deleteCredential)
}

// credentialRef shows an application credential. Roles that are gone are not shown.
func (s *Service) credentialRef(c *call, r store.Reader, a *model.ApplicationCredential) ref {
	shown := credentialColumns.Map(a)
	roles := []ref{}
	for _, id := range a.Roles {
		if role := s.tables.Identity.Roles.Get(r, id); role != nil {
			roles = append(roles, roleKind.show(role))
		}
	}
	shown["roles"] = roles
	// Keystone's link lacks the user.
	shown["links"] = ref{"self": c.url("/application_credentials/" + a.ID)}
	return shown
}

func (s *Service) listCredentials(c *call) (api.Reply, error) {
	user := c.PathValue("user")
	if err := c.may("list_application_credentials", c.access.adminOrSystemReader() || c.access.user.ID == user); err != nil {
		return api.Reply{}, err
	}
	f := c.filters("name")
	return s.view(func(r store.Reader) (api.Reply, error) {
		var refs []ref
		t := &s.tables.Identity
		for a := range t.Credentials.By(r, t.CredentialByUser, user) {
			if f.match(func(name string) any { return credentialColumns.Value(a, name) }) {
				refs = append(refs, s.credentialRef(c, r, a))
			}
		}
		return c.collection("application_credentials", refs), nil
	})
}

// credential finds the path's application credential for who may do something
// with it: its user, whoever the path says that is. It is nil if there is none.
func (s *Service) credential(c *call, r store.Reader, action string, allowed bool) (*model.ApplicationCredential, error) {
	owner := c.PathValue("user")
	a := s.tables.Identity.Credentials.Get(r, c.PathValue("credential"))
	if a != nil {
		owner = a.UserID
	}
	return a, c.may(action, allowed || c.access.user.ID == owner)
}

func (s *Service) showCredential(c *call) (api.Reply, error) {
	return s.view(func(r store.Reader) (api.Reply, error) {
		a, err := s.credential(c, r, "get_application_credential", c.access.adminOrSystemReader())
		if err == nil && a == nil {
			err = notFound("Application Credential", c.PathValue("credential"))
		}
		if err != nil {
			return api.Reply{}, err
		}
		return api.Reply{Body: ref{"application_credential": s.credentialRef(c, r, a)}}, nil
	})
}

// mayManage is the error of an application credential's token, which may not
// manage others unless it was made for that.
func (c *call) mayManage() error {
	if a := c.access.credential; a != nil && (a.Unrestricted == nil || !*a.Unrestricted) {
		return forbiddenAction("Using method 'application_credential' is not allowed for managing additional application credentials.")
	}
	return nil
}

func (s *Service) createCredential(c *call) (api.Reply, error) {
	if err := c.may("create_application_credential", c.access.user.ID == c.PathValue("user")); err != nil {
		return api.Reply{}, err
	}
	values, err := c.object("application_credential", credentialCreate)
	if err == nil {
		err = c.mayManage()
	}
	if err == nil {
		err = checkCredential(values)
	}
	if err != nil {
		return api.Reply{}, err
	}
	secret := text(values, "secret")
	if secret == "" {
		secret = newSecret()
	}
	hash, err := hashSecret(secret)
	if err != nil {
		return api.Reply{}, err
	}
	a := &model.ApplicationCredential{ID: newID(), Name: text(values, "name"), UserID: c.access.user.ID, SecretHash: hash}
	if description, given := values["description"].(string); given {
		a.Description = &description
	}
	if unrestricted, given := values["unrestricted"].(bool); given {
		a.Unrestricted = &unrestricted
	}
	if c.access.project != nil {
		a.ProjectID = &c.access.project.ID
	}
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		if err := s.putCredential(tx, c, a, values); err != nil {
			return api.Reply{}, err
		}
		shown := s.credentialRef(c, tx, a)
		shown["secret"] = secret
		return created("application_credential", shown), nil
	})
}

// checkCredential is the error of values that Keystone has no column for, or
// that we do not do.
func checkCredential(values ref) error {
	for name := range values {
		if name != "secret" && name != "roles" && name != "access_rules" && !credentialColumns.Has(name) {
			return badRequest("'%s' is an invalid keyword argument for ApplicationCredentialModel", name)
		}
	}
	if rules, _ := values["access_rules"].([]any); len(rules) > 0 {
		// No service would keep to them.
		return api.Errorf(http.StatusNotImplemented, "NotImplemented", "The action you have requested has not been implemented.")
	}
	return nil
}

// newSecret makes a secret as Keystone does: 64 random bytes.
func newSecret() string {
	secret := make([]byte, 64)
	_, _ = rand.Read(secret) // it never fails
	return base64.RawURLEncoding.EncodeToString(secret)
}

// putCredential stores a new application credential with the roles and the end that are asked for.
func (s *Service) putCredential(tx *store.Tx, c *call, a *model.ApplicationCredential, values ref) error {
	roles, err := s.credentialRoles(tx, c, values)
	if err != nil {
		return err
	}
	a.Roles = roles
	if end := text(values, "expires_at"); end != "" {
		t, err := parseTime(end)
		if err != nil {
			return err
		}
		if t.Before(s.o.Now()) {
			return badRequest("The 'expires_at' must not be before now. The server could not comply with the request since it is either malformed or otherwise incorrect." +
				" The client is assumed to be in error.")
		}
		a.ExpiresAt = &t
	}
	t := &s.tables.Identity
	if t.Credentials.First(tx, t.CredentialByName, a.UserID+" "+a.Name) != nil {
		return duplicate("application_credential", a.Name, nil)
	}
	t.Credentials.Put(tx, a)
	return nil
}

// credentialRoles gives the ids of the roles that are asked for, which must be
// among the token's; by default all of these.
func (s *Service) credentialRoles(r store.Reader, c *call, values ref) (ids []string, err error) {
	for _, role := range c.access.roles {
		ids = append(ids, role.ID)
	}
	asked, _ := values["roles"].([]any)
	if len(asked) == 0 {
		return ids, nil
	}
	var chosen []string
	for _, one := range asked {
		id := text(one.(ref), "id")
		if id == "" {
			if id, err = s.uniqueRole(r, text(one.(ref), "name")); err != nil {
				return nil, err
			}
		}
		chosen = append(chosen, id)
	}
	for _, id := range chosen {
		if !slices.Contains(ids, id) {
			return nil, badRequest("Invalid application credential: Cannot create an application credential with unassigned role")
		}
	}
	slices.Sort(chosen)
	return slices.Compact(chosen), nil
}

// uniqueRole finds the one role of a name, in whatever domain.
func (s *Service) uniqueRole(r store.Reader, name string) (string, error) {
	var found []string
	for role := range s.tables.Identity.Roles.All(r) {
		if role.Name == name {
			found = append(found, role.ID)
		}
	}
	switch len(found) {
	case 0:
		return "", notFoundf("Role %s is not defined", name)
	case 1:
		return found[0], nil
	}
	return "", badRequest("There are multiple role entities named '%s'. Please use ID instead of names to resolve the ambiguity.", name)
}

func (s *Service) deleteCredential(c *call) (api.Reply, error) {
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		a, err := s.credential(c, tx, "delete_application_credential", c.access.admin())
		if err == nil {
			err = c.mayManage()
		}
		if err == nil && a == nil {
			err = notFound("Application Credential", c.PathValue("credential"))
		}
		if err != nil {
			return api.Reply{}, err
		}
		s.tables.Identity.Credentials.Delete(tx, a.ID)
		return noContent, nil
	})
}

func badTimestamp() error {
	return badRequest("Timestamp not in expected format. The server could not comply with the request since it is either malformed or otherwise incorrect." +
		" The client is assumed to be in error.")
}

// parseTime reads a time in UTC, or in the zone that it names.
func parseTime(value string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, value); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, badTimestamp()
}

// validTimeFilter tells whether a filter is a time, or a comparison with one: "lt:2006-01-02T15:04:05Z".
func validTimeFilter(value string) bool {
	if op, rest, found := strings.Cut(value, ":"); found && len(op) >= 2 && len(op) <= 3 {
		value = rest
	}
	_, err := parseTime(value)
	return err == nil
}
