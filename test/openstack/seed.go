// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/external"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/provider"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
)

// seedVersion grows with each change of what sow makes: a cloud with an older
// seed is sown again, which makes what is new.
const seedVersion = 1

// seed is what every cloud has from its first start on (db/seed.json).
type seed struct {
	Version   int      `json:"version"`
	AppCredID string   `json:"applicationCredential"`
	External  External `json:"external"`
}

// External is the provider network: routers' gateways and floating addresses
// come from it. It is flat on Physnet, its subnet is ProviderNet, and
// addresses of .50 to .250 are Neutron's to give.
type External struct {
	// Name is "public".
	Name      string `json:"name"`
	NetworkID string `json:"network"`
	SubnetID  string `json:"subnet"`
}

// External gives the provider network.
func (c *Cloud) External() External { return c.seed.External }

func (c *Cloud) readSeed() error {
	b, err := os.ReadFile(c.path("db", "seed.json"))
	if err != nil {
		return fmt.Errorf("openstack: read the seed: %w", err)
	}
	if err := json.Unmarshal(b, &c.seed); err != nil {
		return fmt.Errorf("openstack: read the seed: %w", err)
	}
	return nil
}

// sow makes users, catalogue, credentials and the provider network, as far as
// they are missing, and writes clouds.yaml.
func (c *Cloud) sow(ctx context.Context) error {
	if c.readSeed() != nil || c.seed.Version != seedVersion {
		if err := c.sowUsers(ctx); err != nil {
			return err
		}
		if err := c.sowExternal(ctx); err != nil {
			return err
		}
		c.seed.Version = seedVersion
		if err := writeJSON(c.path("db", "seed.json"), c.seed); err != nil {
			return err
		}
	}
	b, err := c.CloudsYAML(c.Logins())
	if err != nil {
		return err
	}
	return writeFile(c.CloudsFile(), b)
}

// seedUsers are the users beside admin, which Keystone's bootstrap makes.
var seedUsers = []struct {
	name, project string
	roles         []string
}{
	{"neutron", "service", []string{"admin", "service"}},
	{"octavia", "service", []string{"admin", "service"}},
	{"kuryr", "service", []string{"admin"}},
	{"kuryr-least", "service", []string{"member", RoleKuryr}},
	{"demo", "demo", []string{"member", "load-balancer_member"}},
}

func (c *Cloud) sowUsers(ctx context.Context) error {
	admin, err := c.Identity(ctx, Admin)
	if err != nil {
		return err
	}
	id := identity{admin}
	for _, u := range seedUsers {
		project, err := id.project(ctx, u.project)
		if err != nil {
			return err
		}
		if _, err := id.user(ctx, u.name, project, u.roles...); err != nil {
			return err
		}
	}
	e := c.Endpoints()
	if err := id.endpoint(ctx, "neutron", "network", e.Network); err != nil {
		return err
	}
	if err := id.endpoint(ctx, "octavia", "load-balancer", e.LoadBalancer); err != nil {
		return err
	}
	// The catalogue has grown since the client logged in.
	c.clients.forget()
	cred, err := c.NewApplicationCredential(ctx, Login{User: "kuryr", Password: password, Project: "service"}, "kuryr")
	if err != nil {
		return err
	}
	c.seed.AppCredID = cred.ApplicationCredentialID
	return nil
}

func (c *Cloud) sowExternal(ctx context.Context) error {
	client, err := c.Network(ctx, Admin)
	if err != nil {
		return err
	}
	const name = "public"
	isExternal := true
	net, err := ensure(
		func() ([]networks.Network, error) {
			page, err := networks.List(client, networks.ListOpts{Name: name}).AllPages(ctx)
			if err != nil {
				return nil, err
			}
			return networks.ExtractNetworks(page)
		},
		func() (*networks.Network, error) {
			return networks.Create(ctx, client, provider.CreateOptsExt{
				CreateOptsBuilder: external.CreateOptsExt{CreateOptsBuilder: networks.CreateOpts{Name: name}, External: &isExternal},
				Segments:          []provider.Segment{{NetworkType: "flat", PhysicalNetwork: Physnet}},
			}).Extract()
		})
	if err != nil {
		return fmt.Errorf("openstack: make network %s: %w", name, err)
	}
	sub, err := sowExternalSubnet(ctx, client, net.ID, name)
	if err != nil {
		return fmt.Errorf("openstack: make subnet of %s: %w", name, err)
	}
	c.seed.External = External{Name: name, NetworkID: net.ID, SubnetID: sub.ID}
	return nil
}

func sowExternalSubnet(ctx context.Context, client *gophercloud.ServiceClient, network, name string) (*subnets.Subnet, error) {
	gateway, dhcp := ProviderGateway.String(), false
	pool := subnets.AllocationPool{Start: nth(ProviderNet, 50).Addr().String(), End: nth(ProviderNet, 250).Addr().String()}
	return ensure(
		func() ([]subnets.Subnet, error) {
			page, err := subnets.List(client, subnets.ListOpts{NetworkID: network}).AllPages(ctx)
			if err != nil {
				return nil, err
			}
			return subnets.ExtractSubnets(page)
		},
		func() (*subnets.Subnet, error) {
			return subnets.Create(ctx, client, subnets.CreateOpts{
				NetworkID: network, Name: name, IPVersion: 4, CIDR: ProviderNet.String(), GatewayIP: &gateway,
				EnableDHCP: &dhcp, AllocationPools: []subnets.AllocationPool{pool},
			}).Extract()
		})
}

// ensure gives the first of what find finds, or what create makes.
func ensure[T any](find func() ([]T, error), create func() (*T, error)) (*T, error) {
	found, err := find()
	if err != nil {
		return nil, err
	}
	if len(found) > 0 {
		return &found[0], nil
	}
	return create()
}
