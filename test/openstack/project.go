// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"context"
	"errors"
	"fmt"

	"github.com/gophercloud/gophercloud/v2"
	sdk "github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/quotas"
)

// Project is a Keystone project that a test has for itself.
type Project struct {
	ID, Name string
	// Member is a user with the roles member and load-balancer_member.
	Member Login

	cloud *Cloud
	users []string
}

// MakeProject makes a project of a name (at most 50 bytes are kept) and its
// member. Delete it.
func (c *Cloud) MakeProject(ctx context.Context, name string) (*Project, error) {
	name = name[max(0, len(name)-50):]
	admin, err := c.Identity(ctx, Admin)
	if err != nil {
		return nil, err
	}
	p := &Project{Name: name, cloud: c}
	if p.ID, err = (identity{admin}).project(ctx, name); err != nil {
		return nil, err
	}
	if p.Member, err = p.AddUser(ctx, "member", "load-balancer_member"); err != nil {
		return nil, errors.Join(err, p.Delete(ctx))
	}
	return p, nil
}

// AddUser makes a user with the roles in the project, "member" and RoleKuryr
// say. The user goes with the project.
func (p *Project) AddUser(ctx context.Context, roles ...string) (Login, error) {
	admin, err := p.cloud.Identity(ctx, Admin)
	if err != nil {
		return Login{}, err
	}
	name := fmt.Sprintf("%s-%d", p.Name, len(p.users))
	id, err := identity{admin}.user(ctx, name, p.ID, roles...)
	if err != nil {
		return Login{}, err
	}
	p.users = append(p.users, id)
	return Login{User: name, Password: password, Project: p.Name}, nil
}

// Network gives a Neutron client of the project's member.
func (p *Project) Network(ctx context.Context) (*gophercloud.ServiceClient, error) {
	return p.cloud.NetworkAs(ctx, p.Member)
}

// LoadBalancer gives an Octavia client of the project's member.
func (p *Project) LoadBalancer(ctx context.Context) (*gophercloud.ServiceClient, error) {
	return p.cloud.clients.service(ctx, p.cloud, p.Member, "load-balancer", sdk.NewLoadBalancerV2)
}

// NetworkAs gives a Neutron client of any login.
func (c *Cloud) NetworkAs(ctx context.Context, l Login) (*gophercloud.ServiceClient, error) {
	return c.clients.service(ctx, c, l, "network", sdk.NewNetworkV2)
}

// SetQuota limits what the project may have in Neutron; -1 is no limit, which
// is every project's default here. What is nil stays.
func (p *Project) SetQuota(ctx context.Context, limits quotas.UpdateOpts) error {
	client, err := p.cloud.Network(ctx, Admin)
	if err != nil {
		return err
	}
	if err := quotas.Update(ctx, client, p.ID, limits).Err; err != nil {
		return fmt.Errorf("openstack: set the quota of %s: %w", p.Name, err)
	}
	return nil
}

// Delete deletes the project, its users, and everything in it: load balancers,
// floating addresses, trunks, routers, ports, networks, security groups. What
// is gone already is no error.
func (p *Project) Delete(ctx context.Context) error {
	if err := p.empty(ctx); err != nil {
		return fmt.Errorf("openstack: delete project %s: %w", p.Name, err)
	}
	admin, err := p.cloud.Identity(ctx, Admin)
	if err != nil {
		return err
	}
	for _, id := range p.users {
		if err := ignoreGone(users.Delete(ctx, admin, id).ExtractErr()); err != nil {
			return fmt.Errorf("openstack: delete project %s: %w", p.Name, err)
		}
	}
	if err := ignoreGone(projects.Delete(ctx, admin, p.ID).ExtractErr()); err != nil {
		return fmt.Errorf("openstack: delete project %s: %w", p.Name, err)
	}
	return nil
}

func ignoreGone(err error) error {
	if gophercloud.ResponseCodeIs(err, 404) {
		return nil
	}
	return err
}
