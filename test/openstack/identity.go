// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"context"
	"fmt"

	"github.com/gophercloud/gophercloud/v2"
	sdk "github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/applicationcredentials"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/endpoints"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/services"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
)

// defaultDomain is the only domain's id.
const defaultDomain = "default"

// identity makes things in Keystone unless they are there.
type identity struct{ client *gophercloud.ServiceClient }

// project gives the id of the project of that name.
func (i identity) project(ctx context.Context, name string) (string, error) {
	p, err := ensure(
		func() ([]projects.Project, error) {
			page, err := projects.List(i.client, projects.ListOpts{Name: name, DomainID: defaultDomain}).AllPages(ctx)
			if err != nil {
				return nil, err
			}
			return projects.ExtractProjects(page)
		},
		func() (*projects.Project, error) {
			return projects.Create(ctx, i.client, projects.CreateOpts{Name: name, DomainID: defaultDomain}).Extract()
		})
	if err != nil {
		return "", fmt.Errorf("openstack: make project %s: %w", name, err)
	}
	return p.ID, nil
}

// user gives the id of the user of that name, who has the roles in the project.
func (i identity) user(ctx context.Context, name, project string, roleNames ...string) (string, error) {
	u, err := ensure(
		func() ([]users.User, error) {
			page, err := users.List(i.client, users.ListOpts{Name: name, DomainID: defaultDomain}).AllPages(ctx)
			if err != nil {
				return nil, err
			}
			return users.ExtractUsers(page)
		},
		func() (*users.User, error) {
			return users.Create(ctx, i.client, users.CreateOpts{
				Name: name, DomainID: defaultDomain, Password: password, DefaultProjectID: project,
			}).Extract()
		})
	if err != nil {
		return "", fmt.Errorf("openstack: make user %s: %w", name, err)
	}
	for _, r := range roleNames {
		if err := i.grant(ctx, u.ID, project, r); err != nil {
			return "", err
		}
	}
	return u.ID, nil
}

func (i identity) grant(ctx context.Context, user, project, role string) error {
	r, err := ensure(
		func() ([]roles.Role, error) {
			page, err := roles.List(i.client, roles.ListOpts{Name: role}).AllPages(ctx)
			if err != nil {
				return nil, err
			}
			return roles.ExtractRoles(page)
		},
		func() (*roles.Role, error) {
			return roles.Create(ctx, i.client, roles.CreateOpts{Name: role}).Extract()
		})
	if err == nil {
		err = roles.Assign(ctx, i.client, r.ID, roles.AssignOpts{UserID: user, ProjectID: project}).ExtractErr()
	}
	if err != nil {
		return fmt.Errorf("openstack: grant role %s: %w", role, err)
	}
	return nil
}

// endpoint puts a service into the catalogue, with one URL for all interfaces.
func (i identity) endpoint(ctx context.Context, name, kind, url string) error {
	s, err := ensure(
		func() ([]services.Service, error) {
			page, err := services.List(i.client, services.ListOpts{ServiceType: kind}).AllPages(ctx)
			if err != nil {
				return nil, err
			}
			return services.ExtractServices(page)
		},
		func() (*services.Service, error) {
			return services.Create(ctx, i.client, services.CreateOpts{Type: kind, Extra: map[string]any{"name": name}}).Extract()
		})
	if err != nil {
		return fmt.Errorf("openstack: make service %s: %w", name, err)
	}
	for _, iface := range []gophercloud.Availability{gophercloud.AvailabilityPublic, gophercloud.AvailabilityInternal, gophercloud.AvailabilityAdmin} {
		_, err := ensure(
			func() ([]endpoints.Endpoint, error) {
				page, err := endpoints.List(i.client, endpoints.ListOpts{ServiceID: s.ID, Availability: iface}).AllPages(ctx)
				if err != nil {
					return nil, err
				}
				return endpoints.ExtractEndpoints(page)
			},
			func() (*endpoints.Endpoint, error) {
				return endpoints.Create(ctx, i.client, endpoints.CreateOpts{
					Availability: iface, Name: name, Region: region, URL: url, ServiceID: s.ID,
				}).Extract()
			})
		if err != nil {
			return fmt.Errorf("openstack: make endpoint %s of %s: %w", iface, name, err)
		}
	}
	return nil
}

// NewApplicationCredential makes an application credential of a user, with all
// the roles of the login, unless the user has one of that name already.
func (c *Cloud) NewApplicationCredential(ctx context.Context, l Login, name string) (Login, error) {
	p, err := c.Connect(ctx, l)
	if err != nil {
		return Login{}, err
	}
	defer p.HTTPClient.CloseIdleConnections()
	client, err := sdk.NewIdentityV3(p, gophercloud.EndpointOpts{Region: region})
	if err != nil {
		return Login{}, fmt.Errorf("openstack: find the endpoint: %w", err)
	}
	auth, ok := p.GetAuthResult().(tokens.CreateResult)
	if !ok {
		return Login{}, fmt.Errorf("openstack: make application credential %s: the login tells no user", name)
	}
	user, err := auth.ExtractUser()
	if err != nil {
		return Login{}, fmt.Errorf("openstack: make application credential %s: %w", name, err)
	}
	cred, err := ensure(
		func() ([]applicationcredentials.ApplicationCredential, error) {
			page, err := applicationcredentials.List(client, user.ID, applicationcredentials.ListOpts{Name: name}).AllPages(ctx)
			if err != nil {
				return nil, err
			}
			return applicationcredentials.ExtractApplicationCredentials(page)
		},
		func() (*applicationcredentials.ApplicationCredential, error) {
			return applicationcredentials.Create(ctx, client, user.ID,
				applicationcredentials.CreateOpts{Name: name, Secret: password}).Extract()
		})
	if err != nil {
		return Login{}, fmt.Errorf("openstack: make application credential %s: %w", name, err)
	}
	return Login{ApplicationCredentialID: cred.ID, ApplicationCredentialSecret: password}, nil
}
