// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"strings"

	"github.com/google/uuid"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// defaultDomain is the id of the domain Default.
const defaultDomain = "default"

// Service is Keystone.
type Service struct {
	o      Options
	tables *model.Tables
	sealer *sealer
}

// New makes a Service on tables whose store is open, and sees to it that they
// have what the options name.
func New(t *model.Tables, o Options) (*Service, error) {
	s := &Service{o: o.withDefaults(), tables: t}
	if err := s.bootstrap(); err != nil {
		return nil, err
	}
	return s, nil
}

// Authenticate implements api.Authenticator.
func (s *Service) Authenticate(token string) (api.Caller, error) {
	var a *access
	var err error
	s.tables.View(func(r store.Reader) { a, err = s.validate(r, token, 0) })
	if err != nil {
		return api.Caller{}, err
	}
	caller := api.Caller{UserID: a.user.ID, UserName: a.user.Name, DomainID: a.user.DomainID, Expires: a.Expires}
	if a.project != nil {
		caller.ProjectID, caller.ProjectName = a.project.ID, a.project.Name
	}
	for _, role := range a.roles {
		caller.Roles = append(caller.Roles, role.Name)
	}
	return caller, nil
}

// Mux serves the API.
func (s *Service) Mux() *api.Mux {
	m := routes{s, api.NewMux(api.Options{Name: "identity", Authenticator: s, Render: render, Logger: s.o.Logger})}
	m.open("GET /{$}", versions)
	m.open("GET /v3", version)
	m.tokens()
	m.catalogue()
	m.projects()
	m.domains()
	m.users()
	m.groups()
	m.roles()
	m.grants()
	m.credentials()
	return m.mux
}

// versions lists the one version there is.
func versions(c *call) (api.Reply, error) {
	reply := api.Reply{Status: 300, Body: ref{"versions": ref{"values": []ref{c.version()}}}}
	reply.Header = map[string][]string{"Location": {c.url("") + "/"}}
	return reply, nil
}

func version(c *call) (api.Reply, error) {
	return api.Reply{Body: ref{"version": c.version()}}, nil
}

func (c *call) version() ref {
	return ref{
		"id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
		"links":       []ref{{"rel": "self", "href": c.url("") + "/"}},
		"media-types": []ref{{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}},
	}
}

// newID makes an id as Keystone does: a UUID without dashes.
func newID() string { return strings.ReplaceAll(uuid.NewString(), "-", "") }
