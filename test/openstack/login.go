// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"github.com/gophercloud/gophercloud/v2"
	sdk "github.com/gophercloud/gophercloud/v2/openstack"
	"go.yaml.in/yaml/v3"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// The clouds in clouds.yaml.
const (
	// Admin is the user admin in the project admin.
	Admin = "admin"
	// Member is the user demo, a plain member of the project demo (and
	// load-balancer_member).
	Member = "member"
	// AppCred is an application credential of the user kuryr, who has the role
	// admin in the project service.
	AppCred = "appcred"
	// Least is the user kuryr-least in the project service. Its roles, member
	// and kuryr, give it what Kuryr's agent needs by the lines of
	// conf/neutron-policy.yaml, and no more.
	Least = "kuryr-least"
)

// RoleKuryr is the role that conf/neutron-policy.yaml speaks of.
const RoleKuryr = "kuryr"

// Login is how somebody logs in: user, password and project, or an
// application credential.
type Login struct {
	User, Password, Project string
	// ApplicationCredentialID, when set, stands for all of the above.
	ApplicationCredentialID, ApplicationCredentialSecret string
}

func (l Login) options(url string) gophercloud.AuthOptions {
	if l.ApplicationCredentialID != "" {
		return gophercloud.AuthOptions{
			IdentityEndpoint: url, AllowReauth: true,
			ApplicationCredentialID: l.ApplicationCredentialID, ApplicationCredentialSecret: l.ApplicationCredentialSecret,
		}
	}
	return gophercloud.AuthOptions{
		IdentityEndpoint: url, AllowReauth: true,
		Username: l.User, Password: l.Password, DomainName: "Default",
		Scope: &gophercloud.AuthScope{ProjectName: l.Project, DomainName: "Default"},
	}
}

// entry is a cloud in clouds.yaml.
type entry struct {
	AuthType           string    `yaml:"auth_type,omitempty"`
	Auth               entryAuth `yaml:"auth"`
	Region             string    `yaml:"region_name"`
	IdentityAPIVersion string    `yaml:"identity_api_version"`
	Interface          string    `yaml:"interface"`
}

type entryAuth struct {
	URL                         string `yaml:"auth_url"`
	User                        string `yaml:"username,omitempty"`
	Password                    string `yaml:"password,omitempty"`
	Project                     string `yaml:"project_name,omitempty"`
	UserDomain                  string `yaml:"user_domain_name,omitempty"`
	ProjectDomain               string `yaml:"project_domain_name,omitempty"`
	ApplicationCredentialID     string `yaml:"application_credential_id,omitempty"`
	ApplicationCredentialSecret string `yaml:"application_credential_secret,omitempty"`
}

// CloudsYAML renders logins as a clouds.yaml for this cloud, by their names in it.
func (c *Cloud) CloudsYAML(logins map[string]Login) ([]byte, error) {
	clouds := make(map[string]entry)
	for name, l := range logins {
		e := entry{Region: region, IdentityAPIVersion: "3", Interface: "public"}
		e.Auth.URL = c.Endpoints().Identity
		if l.ApplicationCredentialID != "" {
			e.AuthType = "v3applicationcredential"
			e.Auth.ApplicationCredentialID, e.Auth.ApplicationCredentialSecret = l.ApplicationCredentialID, l.ApplicationCredentialSecret
		} else {
			e.Auth.User, e.Auth.Password, e.Auth.Project = l.User, l.Password, l.Project
			e.Auth.UserDomain, e.Auth.ProjectDomain = "Default", "Default"
		}
		clouds[name] = e
	}
	b, err := yaml.Marshal(map[string]any{"clouds": clouds})
	if err != nil {
		return nil, fmt.Errorf("openstack: render clouds.yaml: %w", err)
	}
	return b, nil
}

// CloudsFile is the path of the clouds.yaml with Admin, Member, AppCred and Least.
func (c *Cloud) CloudsFile() string { return c.path("clouds.yaml") }

// Logins gives the credentials that are in CloudsFile, by their names in it.
func (c *Cloud) Logins() map[string]Login {
	return map[string]Login{
		Admin:   {User: "admin", Password: password, Project: "admin"},
		Member:  {User: "demo", Password: password, Project: "demo"},
		AppCred: {ApplicationCredentialID: c.seed.AppCredID, ApplicationCredentialSecret: password},
		Least:   {User: "kuryr-least", Password: password, Project: "service"},
	}
}

// Connect logs in, and gives a client that renews its token by itself.
func (c *Cloud) Connect(ctx context.Context, l Login) (*gophercloud.ProviderClient, error) {
	url := c.Endpoints().Identity
	p, err := sdk.NewClient(url)
	if err != nil {
		return nil, fmt.Errorf("openstack: log in: %w", err)
	}
	p.HTTPClient = http.Client{Transport: c.Transport()}
	if err := sdk.Authenticate(ctx, p, l.options(url)); err != nil {
		return nil, fmt.Errorf("openstack: log in: %w", err)
	}
	return p, nil
}

// clients keeps one client for each login and service: to make one costs a
// login and a question for the service's versions.
type clients struct {
	mu       sync.Mutex
	logins   map[Login]*gophercloud.ProviderClient
	services map[serviceOf]*gophercloud.ServiceClient
}

type serviceOf struct {
	login Login
	kind  string
}

// forget drops the clients and closes their idle connections.
func (k *clients) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.logins {
		p.HTTPClient.CloseIdleConnections()
	}
	k.logins, k.services = nil, nil
}

// Close closes the API connections of this Cloud; the cloud itself runs on,
// and the Cloud may be used again.
func (c *Cloud) Close() { c.clients.forget() }

// Identity gives a Keystone client of a cloud in clouds.yaml.
func (c *Cloud) Identity(ctx context.Context, name string) (*gophercloud.ServiceClient, error) {
	return c.service(ctx, name, "identity", sdk.NewIdentityV3)
}

// Network gives a Neutron client of a cloud in clouds.yaml.
func (c *Cloud) Network(ctx context.Context, name string) (*gophercloud.ServiceClient, error) {
	return c.service(ctx, name, "network", sdk.NewNetworkV2)
}

// LoadBalancer gives an Octavia client of a cloud in clouds.yaml.
func (c *Cloud) LoadBalancer(ctx context.Context, name string) (*gophercloud.ServiceClient, error) {
	return c.service(ctx, name, "load-balancer", sdk.NewLoadBalancerV2)
}

func (c *Cloud) service(ctx context.Context, name, kind string, newService maker) (*gophercloud.ServiceClient, error) {
	l, ok := c.Logins()[name]
	if !ok {
		return nil, fault.New(fault.NotFound, "openstack: no cloud %q in clouds.yaml", name)
	}
	return c.clients.service(ctx, c, l, kind, newService)
}

type maker func(*gophercloud.ProviderClient, gophercloud.EndpointOpts) (*gophercloud.ServiceClient, error)

// service gives the client of one service for a login, made at the first call.
func (k *clients) service(ctx context.Context, c *Cloud, l Login, kind string, newService maker) (*gophercloud.ServiceClient, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := serviceOf{l, kind}
	if s := k.services[key]; s != nil {
		return s, nil
	}
	p := k.logins[l]
	if p == nil {
		var err error
		if p, err = c.Connect(ctx, l); err != nil {
			return nil, err
		}
	}
	s, err := newService(p, gophercloud.EndpointOpts{Region: region})
	if err != nil {
		return nil, fmt.Errorf("openstack: find the %s service: %w", kind, err)
	}
	if k.logins == nil {
		k.logins = make(map[Login]*gophercloud.ProviderClient)
		k.services = make(map[serviceOf]*gophercloud.ServiceClient)
	}
	k.logins[l], k.services[key] = p, s
	return s, nil
}
