// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package model

import (
	"strings"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// Project is a Keystone project or, with IsDomain, a domain: Keystone itself
// stores a domain as a project that has neither a domain nor a parent.
type Project struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	DomainID    *string        `json:"domain_id"`
	Description *string        `json:"description"`
	Enabled     bool           `json:"enabled"`
	ParentID    *string        `json:"parent_id"`
	IsDomain    bool           `json:"is_domain"`
	Tags        []string       `json:"tags"`
	Options     map[string]any `json:"options"`
	// Extra is what Keystone has no column for: it keeps and shows whatever a client sends.
	Extra map[string]any `json:"extra" api:"-"`
}

// User is a Keystone user.
type User struct {
	ID               string         `json:"id"`
	Name             string         `json:"name"`
	DomainID         string         `json:"domain_id"`
	Enabled          bool           `json:"enabled"`
	DefaultProjectID *string        `json:"default_project_id"`
	Options          map[string]any `json:"options"`
	Extra            map[string]any `json:"extra" api:"-"`
	// PasswordHash is empty for a user who has none.
	PasswordHash string `json:"password_hash" api:"-"`
	// Epoch grows with each event that ends all of the user's tokens.
	Epoch uint64 `json:"epoch" api:"-"`
}

// Group is a Keystone group of users.
type Group struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	DomainID    string         `json:"domain_id"`
	Description *string        `json:"description"`
	Extra       map[string]any `json:"extra" api:"-"`
	// Users are sorted.
	Users []string `json:"users" api:"-"`
}

// Role is a Keystone role; with a DomainID it serves only to imply others.
type Role struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	DomainID    *string        `json:"domain_id"`
	Description *string        `json:"description"`
	Options     map[string]any `json:"options"`
	Extra       map[string]any `json:"extra" api:"-"`
	// Implies are the ids of the roles that this one brings along, sorted.
	Implies []string `json:"implies" api:"-"`
}

// SystemTarget is the Target of an assignment on the whole system.
const SystemTarget = "system"

// Assignment gives a user or a group (Actor) a role on a project, a domain or
// the system (Target).
type Assignment struct {
	Actor  string `json:"actor"`
	Target string `json:"target"`
	RoleID string `json:"role_id"`
	// Group is true if the actor is a group.
	Group bool `json:"group"`
	// Domain is true if the target is a domain.
	Domain bool `json:"domain"`
	// Inherited gives the role on the projects below the target, not on it.
	Inherited bool `json:"inherited"`
}

// Key is the assignment's id: there is one of each.
func (a *Assignment) Key() string { return a.Grant() + " " + a.RoleID }

// Grant is who has roles where, in one of the two ways: what GrantKey makes of it.
func (a *Assignment) Grant() string { return GrantKey(a.Actor, a.Target, a.Inherited) }

// GrantKey finds the assignments of an actor on a target, by AssignmentByGrant.
func GrantKey(actor, target string, inherited bool) string {
	key := []string{actor, target, "direct"}
	if inherited {
		key[2] = "inherited"
	}
	return strings.Join(key, " ")
}

// Region is a Keystone region.
type Region struct {
	ID             string         `json:"id"`
	Description    string         `json:"description"`
	ParentRegionID *string        `json:"parent_region_id"`
	Extra          map[string]any `json:"extra" api:"-"`
}

// Service is a service of the catalogue.
type Service struct {
	ID      string         `json:"id"`
	Type    string         `json:"type"`
	Name    string         `json:"name"`
	Enabled bool           `json:"enabled"`
	Extra   map[string]any `json:"extra" api:"-"`
}

// Endpoint is where one interface of a service is reached in a region.
type Endpoint struct {
	ID        string         `json:"id"`
	Interface string         `json:"interface"`
	RegionID  *string        `json:"region_id"`
	ServiceID string         `json:"service_id"`
	URL       string         `json:"url"`
	Enabled   bool           `json:"enabled"`
	Extra     map[string]any `json:"extra" api:"-"`
}

// ApplicationCredential lets a program act for a user in a project, with some
// of the user's roles.
type ApplicationCredential struct {
	ID           string     `json:"id"`
	Name         string     `json:"name"`
	Description  *string    `json:"description"`
	UserID       string     `json:"user_id"`
	ProjectID    *string    `json:"project_id"`
	System       *string    `json:"system"`
	ExpiresAt    *time.Time `json:"expires_at"`
	Unrestricted *bool      `json:"unrestricted"`
	// Roles are ids.
	Roles      []string `json:"roles" api:"-"`
	SecretHash string   `json:"secret_hash" api:"-"`
}

// Revocation ends one token before its time.
type Revocation struct {
	AuditID string `json:"audit_id"`
	// Expires is when the token would have ended, and nobody needs the row any longer.
	Expires time.Time `json:"expires"`
}

// RevocationKey is a Revocation's id; ids are in the order of the ends.
func RevocationKey(expires time.Time, auditID string) string {
	return expires.UTC().Format(time.RFC3339) + " " + auditID
}

// SigningKey is a key that tokens are made with.
type SigningKey struct {
	Name string `json:"name"`
	Key  []byte `json:"key"`
}

// IdentityTables are Keystone's tables, and the ways to find rows in them
// other than by id.
type IdentityTables struct {
	Projects    *store.Table[Project]
	Users       *store.Table[User]
	Groups      *store.Table[Group]
	Roles       *store.Table[Role]
	Assignments *store.Table[Assignment]
	Regions     *store.Table[Region]
	Services    *store.Table[Service]
	Endpoints   *store.Table[Endpoint]
	Credentials *store.Table[ApplicationCredential]
	Revocations *store.Table[Revocation]
	SigningKeys *store.Table[SigningKey]

	ProjectByName       *store.Index[Project] // domain and name: "id name", of a domain " name"
	ProjectByParent     *store.Index[Project]
	ProjectByDomain     *store.Index[Project]
	UserByName          *store.Index[User] // "domain name"
	UserByDomain        *store.Index[User]
	UserByDefault       *store.Index[User]  // the default project
	GroupByName         *store.Index[Group] // "domain name"
	GroupByUser         *store.Index[Group]
	RoleByName          *store.Index[Role] // domain and name, of a global role " name"
	RoleByImplied       *store.Index[Role]
	AssignmentByActor   *store.Index[Assignment]
	AssignmentByTarget  *store.Index[Assignment]
	AssignmentByRole    *store.Index[Assignment]
	AssignmentByGrant   *store.Index[Assignment] // GrantKey
	AssignmentInherited *store.Index[Assignment] // by actor, the inherited ones alone
	EndpointByService   *store.Index[Endpoint]
	EndpointByRegion    *store.Index[Endpoint]
	RegionByParent      *store.Index[Region]
	CredentialByUser    *store.Index[ApplicationCredential]
	CredentialByName    *store.Index[ApplicationCredential] // "user name"
}

func (t *Tables) identity(s *store.Store) {
	i := &t.Identity
	i.ProjectByName = by(func(r *Project) string { return optional(r.DomainID) + " " + r.Name })
	i.ProjectByParent = by(func(r *Project) string { return optional(r.ParentID) })
	i.ProjectByDomain = by(func(r *Project) string { return optional(r.DomainID) })
	i.Projects = store.NewTable(s, "projects", func(r *Project) string { return r.ID }, i.ProjectByName, i.ProjectByParent, i.ProjectByDomain)
	i.UserByName = by(func(r *User) string { return r.DomainID + " " + r.Name })
	i.UserByDomain = by(func(r *User) string { return r.DomainID })
	i.UserByDefault = by(func(r *User) string { return optional(r.DefaultProjectID) })
	i.Users = store.NewTable(s, "users", func(r *User) string { return r.ID }, i.UserByName, i.UserByDomain, i.UserByDefault)
	i.GroupByName = by(func(r *Group) string { return r.DomainID + " " + r.Name })
	i.GroupByUser = store.NewIndex(func(r *Group) []string { return r.Users })
	i.Groups = store.NewTable(s, "groups", func(r *Group) string { return r.ID }, i.GroupByName, i.GroupByUser)
	i.RoleByName = by(func(r *Role) string { return optional(r.DomainID) + " " + r.Name })
	i.RoleByImplied = store.NewIndex(func(r *Role) []string { return r.Implies })
	i.Roles = store.NewTable(s, "roles", func(r *Role) string { return r.ID }, i.RoleByName, i.RoleByImplied)
	i.AssignmentByActor = by(func(r *Assignment) string { return r.Actor })
	i.AssignmentByTarget = by(func(r *Assignment) string { return r.Target })
	i.AssignmentByRole = by(func(r *Assignment) string { return r.RoleID })
	i.AssignmentByGrant = by((*Assignment).Grant)
	i.AssignmentInherited = by(func(r *Assignment) string {
		if !r.Inherited {
			return ""
		}
		return r.Actor
	})
	i.Assignments = store.NewTable(s, "assignments", (*Assignment).Key,
		i.AssignmentByActor, i.AssignmentByTarget, i.AssignmentByRole, i.AssignmentByGrant, i.AssignmentInherited)
	i.RegionByParent = by(func(r *Region) string { return optional(r.ParentRegionID) })
	i.Regions = store.NewTable(s, "regions", func(r *Region) string { return r.ID }, i.RegionByParent)
	i.Services = store.NewTable(s, "services", func(r *Service) string { return r.ID })
	i.EndpointByService = by(func(r *Endpoint) string { return r.ServiceID })
	i.EndpointByRegion = by(func(r *Endpoint) string { return optional(r.RegionID) })
	i.Endpoints = store.NewTable(s, "endpoints", func(r *Endpoint) string { return r.ID }, i.EndpointByService, i.EndpointByRegion)
	i.CredentialByUser = by(func(r *ApplicationCredential) string { return r.UserID })
	i.CredentialByName = by(func(r *ApplicationCredential) string { return r.UserID + " " + r.Name })
	i.Credentials = store.NewTable(s, "application_credentials", func(r *ApplicationCredential) string { return r.ID }, i.CredentialByUser, i.CredentialByName)
	i.Revocations = store.NewTable(s, "revocations", func(r *Revocation) string { return RevocationKey(r.Expires, r.AuditID) })
	i.SigningKeys = store.NewTable(s, "signing_keys", func(r *SigningKey) string { return r.Name })
}
