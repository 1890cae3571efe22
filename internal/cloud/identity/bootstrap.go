// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// keyName is the signing key's name in its table.
const keyName = "fernet"

// serviceNames are the names of the services in the catalogue, by type.
var serviceNames = map[string]string{"identity": "keystone", "network": "neutron", "load-balancer": "octavia"}

// seeding makes what the options name, in one update.
type seeding struct {
	*Service
	tx  *store.Tx
	t   *model.IdentityTables
	key []byte
}

// bootstrap makes what `keystone-manage bootstrap` makes, and what the options
// name besides, as far as it is missing.
func (s *Service) bootstrap() error {
	if s.o.AdminPassword == "" {
		return errors.New("identity: start: no admin password")
	}
	seed := seeding{Service: s, t: &s.tables.Identity}
	_, err := s.tables.Update(func(tx *store.Tx) error {
		seed.tx = tx
		return seed.all()
	})
	if err != nil {
		return fmt.Errorf("identity: make what there must be: %w", err)
	}
	s.sealer, err = newSealer(seed.key)
	return err
}

func (s *seeding) all() error {
	s.signingKey()
	s.domain()
	reader := s.role("reader", true)
	member := s.role("member", true, reader)
	admin := s.role("admin", true, member)
	for _, name := range append([]string{"service"}, s.o.Roles...) {
		s.role(name, false)
	}
	if err := s.admin(admin); err != nil {
		return err
	}
	for _, p := range s.o.Projects {
		s.project(p.Name, p.Description)
	}
	for _, u := range s.o.Users {
		if err := s.user(u); err != nil {
			return err
		}
	}
	for _, a := range s.o.ApplicationCredentials {
		if err := s.applicationCredential(a); err != nil {
			return err
		}
	}
	if s.t.Regions.Get(s.tx, s.o.Region) == nil {
		s.t.Regions.Put(s.tx, &model.Region{ID: s.o.Region})
	}
	for _, kind := range slices.Sorted(maps.Keys(s.o.Endpoints)) {
		s.endpoints(kind, s.o.Endpoints[kind])
	}
	return nil
}

func (s *seeding) signingKey() {
	if row := s.t.SigningKeys.Get(s.tx, keyName); row != nil {
		s.key = row.Key
		return
	}
	s.key = make([]byte, fernetKeySize)
	_, _ = rand.Read(s.key) // it never fails
	s.t.SigningKeys.Put(s.tx, &model.SigningKey{Name: keyName, Key: s.key})
}

func (s *seeding) domain() {
	if s.t.Projects.Get(s.tx, defaultDomain) == nil {
		description := "The default domain"
		s.t.Projects.Put(s.tx, &model.Project{ID: defaultDomain, Name: "Default", Description: &description, Enabled: true, IsDomain: true})
	}
}

func (s *seeding) project(name, description string) *model.Project {
	if p := s.t.Projects.First(s.tx, s.t.ProjectByName, defaultDomain+" "+name); p != nil {
		return p
	}
	domain := defaultDomain
	p := &model.Project{ID: newID(), Name: name, DomainID: &domain, ParentID: &domain, Description: &description, Enabled: true}
	s.t.Projects.Put(s.tx, p)
	return p
}

// role gives the id of a role that implies others.
func (s *seeding) role(name string, protected bool, implies ...string) string {
	role := s.t.Roles.First(s.tx, s.t.RoleByName, " "+name)
	if role == nil {
		role = &model.Role{ID: newID(), Name: name}
		if protected {
			role.Options = ref{"immutable": true}
		}
		s.t.Roles.Put(s.tx, role)
	}
	for _, id := range implies {
		if at, found := slices.BinarySearch(role.Implies, id); !found {
			s.putImplied(s.tx, role, slices.Insert(slices.Clone(role.Implies), at, id))
			role = s.t.Roles.Get(s.tx, role.ID)
		}
	}
	return role.ID
}

func (s *seeding) assign(a model.Assignment) {
	if s.t.Assignments.Get(s.tx, a.Key()) == nil {
		s.t.Assignments.Put(s.tx, &a)
	}
}

// admin makes the user admin, or lets it in again: it is how a way into the
// cloud is kept.
func (s *seeding) admin(role string) error {
	u := s.t.Users.First(s.tx, s.t.UserByName, defaultDomain+" admin")
	if u == nil {
		u = &model.User{ID: newID(), Name: "admin", DomainID: defaultDomain, Enabled: true}
	}
	if !u.Enabled || !checkSecret(u.PasswordHash, s.o.AdminPassword) {
		hash, err := hashSecret(s.o.AdminPassword)
		if err != nil {
			return err
		}
		now := *u
		now.Enabled, now.PasswordHash, now.Epoch = true, hash, u.Epoch+1
		s.t.Users.Put(s.tx, &now)
	}
	p := s.project("admin", "Bootstrap project for initializing the cloud.")
	s.assign(model.Assignment{Actor: u.ID, Target: p.ID, RoleID: role})
	s.assign(model.Assignment{Actor: u.ID, Target: model.SystemTarget, RoleID: role})
	return nil
}

func (s *seeding) user(o User) error {
	if o.Name == "" || o.Project == "" && len(o.Roles) > 0 {
		return fmt.Errorf("user %q: a name is needed, and a project if there are roles", o.Name)
	}
	u := s.t.Users.First(s.tx, s.t.UserByName, defaultDomain+" "+o.Name)
	var p *model.Project
	if o.Project != "" {
		p = s.project(o.Project, "")
	}
	if u == nil {
		hash, err := hashSecret(o.Password)
		if err != nil {
			return err
		}
		u = &model.User{ID: newID(), Name: o.Name, DomainID: defaultDomain, Enabled: true, PasswordHash: hash}
		if p != nil {
			u.DefaultProjectID = &p.ID
		}
		s.t.Users.Put(s.tx, u)
	}
	for _, name := range o.Roles {
		s.assign(model.Assignment{Actor: u.ID, Target: p.ID, RoleID: s.role(name, false)})
	}
	return nil
}

func (s *seeding) applicationCredential(o ApplicationCredential) error {
	u := s.t.Users.First(s.tx, s.t.UserByName, defaultDomain+" "+o.User)
	p := s.t.Projects.First(s.tx, s.t.ProjectByName, defaultDomain+" "+o.Project)
	if u == nil || p == nil || o.Name == "" || o.Secret == "" || len(o.ID) > 64 {
		return fmt.Errorf("application credential %q: a name, a secret, an id of at most 64 characters, a user and a project that exist are needed", o.Name)
	}
	if s.t.Credentials.First(s.tx, s.t.CredentialByName, u.ID+" "+o.Name) != nil || o.ID != "" && s.t.Credentials.Get(s.tx, o.ID) != nil {
		return nil
	}
	a := &model.ApplicationCredential{ID: o.ID, Name: o.Name, UserID: u.ID, ProjectID: &p.ID, Unrestricted: &o.Unrestricted}
	if a.ID == "" {
		a.ID = newID()
	}
	for _, role := range s.rolesOf(s.tx, &access{user: u, project: p}, p.ID) {
		if len(o.Roles) == 0 || slices.Contains(o.Roles, role.Name) {
			a.Roles = append(a.Roles, role.ID)
		}
	}
	if len(a.Roles) < max(len(o.Roles), 1) {
		return fmt.Errorf("application credential %s: user %s lacks roles in project %s", o.Name, o.User, o.Project)
	}
	slices.Sort(a.Roles)
	var err error
	if a.SecretHash, err = hashSecret(o.Secret); err != nil {
		return err
	}
	s.t.Credentials.Put(s.tx, a)
	return nil
}

// endpoints puts a service into the catalogue, with one URL for all interfaces.
func (s *seeding) endpoints(kind, url string) {
	var service *model.Service
	for row := range s.t.Services.All(s.tx) {
		if row.Type == kind {
			service = row
		}
	}
	if service == nil {
		name := serviceNames[kind]
		if name == "" {
			name = kind
		}
		service = &model.Service{ID: newID(), Type: kind, Name: name, Enabled: true}
		s.t.Services.Put(s.tx, service)
	}
	for _, iface := range []string{"admin", "internal", "public"} {
		e := &model.Endpoint{ID: newID(), Interface: iface, RegionID: &s.o.Region, ServiceID: service.ID, Enabled: true}
		for row := range s.t.Endpoints.By(s.tx, s.t.EndpointByService, service.ID) {
			if row.Interface == iface && optional(row.RegionID) == s.o.Region {
				old := *row
				e = &old
			}
		}
		if e.URL != url {
			e.URL = url
			s.t.Endpoints.Put(s.tx, e)
		}
	}
}
