// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cloudtest

import (
	"context"
	"net/http"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"

	"github.com/kuryr-go/kuryr/internal/cloud"
)

// T is what the package needs of a *testing.T, *testing.B or *testing.F.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
	Cleanup(func())
	Context() context.Context
}

// Cloud is a cloud that serves until the test ends.
type Cloud struct {
	*cloud.Cloud
	// Admin is logged in as admin, and renews its token by itself.
	Admin *gophercloud.ProviderClient
	t     T
}

// Start starts a cloud, which ends with the test.
func Start(t T, o cloud.Options) *Cloud {
	t.Helper()
	c, err := cloud.New(t.Context(), o)
	if err != nil {
		t.Fatalf("%v", err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() { served <- c.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("%v", err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("%v", err)
		}
	})
	started := &Cloud{Cloud: c, t: t}
	started.Admin = started.Login("admin", c.Seed().AdminPassword, "admin")
	return started
}

// Login logs in to a project; the client renews its token by itself.
func (c *Cloud) Login(user, password, project string) *gophercloud.ProviderClient {
	c.t.Helper()
	return c.LoginWith(gophercloud.AuthOptions{
		IdentityEndpoint: c.Endpoints().Identity, AllowReauth: true, Username: user, Password: password, DomainName: "Default",
		Scope: &gophercloud.AuthScope{ProjectName: project, DomainName: "Default"},
	})
}

// LoginWith logs in with any options. IdentityEndpoint may be left out.
func (c *Cloud) LoginWith(o gophercloud.AuthOptions) *gophercloud.ProviderClient {
	c.t.Helper()
	o.IdentityEndpoint = c.Endpoints().Identity
	p, err := openstack.NewClient(o.IdentityEndpoint)
	if err != nil {
		c.t.Fatalf("cloudtest: log in: %v", err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	c.t.Cleanup(transport.CloseIdleConnections)
	p.HTTPClient = http.Client{Transport: transport}
	if err := openstack.Authenticate(c.t.Context(), p, o); err != nil {
		c.t.Fatalf("cloudtest: log in: %v", err)
	}
	return p
}

// Identity gives a login's client of Keystone.
func (c *Cloud) Identity(p *gophercloud.ProviderClient) *gophercloud.ServiceClient {
	c.t.Helper()
	return c.service(openstack.NewIdentityV3(p, c.endpoint()))
}

// Network gives a login's client of Neutron.
func (c *Cloud) Network(p *gophercloud.ProviderClient) *gophercloud.ServiceClient {
	c.t.Helper()
	return c.service(openstack.NewNetworkV2(p, c.endpoint()))
}

// LoadBalancer gives a login's client of Octavia.
func (c *Cloud) LoadBalancer(p *gophercloud.ProviderClient) *gophercloud.ServiceClient {
	c.t.Helper()
	return c.service(openstack.NewLoadBalancerV2(p, c.endpoint()))
}

func (c *Cloud) endpoint() gophercloud.EndpointOpts {
	return gophercloud.EndpointOpts{Region: c.Seed().Region}
}

func (c *Cloud) service(s *gophercloud.ServiceClient, err error) *gophercloud.ServiceClient {
	c.t.Helper()
	if err != nil {
		c.t.Fatalf("cloudtest: find the endpoint: %v", err)
	}
	return s
}
