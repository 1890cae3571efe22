// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package neutrontest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/config"
	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/applicationcredentials"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"

	"github.com/kuryr-go/kuryr/internal/neutron"
)

// Project is a project made for one test.
type Project struct {
	// ID and Name are the project's. Name is unique on the cloud.
	ID, Name string
	// Admin is a client of the cloud's administrator, whose own project is
	// another one.
	Admin *neutron.Client
	// Hosts are the hosts on which Neutron can bind ports.
	Hosts []string

	identity *gophercloud.ServiceClient
	network  *gophercloud.ServiceClient
	authURL  string
	userID   string
	config   string
}

// password is that of the users made.
const password = "kuryr-test-password"

// New makes a project with a plain member in it. Everything in it, and the
// project, is deleted when the test ends.
func New(t testing.TB) *Project {
	t.Helper()
	if os.Getenv("OS_CLIENT_CONFIG_FILE") == "" || os.Getenv("OS_CLOUD") == "" {
		unavailable(t, "needs a real cloud: set OS_CLIENT_CONFIG_FILE and OS_CLOUD to an administrator's credentials")
	}
	p := &Project{Name: "kuryr-test-" + strings.ToLower(rand.Text()[:8])}
	p.connect(t)
	p.Admin = Client(t, neutron.Options{})
	p.findHosts(t)

	project, err := projects.Create(t.Context(), p.identity, projects.CreateOpts{Name: p.Name, DomainID: "default"}).Extract()
	check(t, err)
	p.ID = project.ID
	cleanup(t, func(ctx context.Context) error { return projects.Delete(ctx, p.identity, p.ID).ExtractErr() })
	cleanup(t, p.empty)
	p.userID, p.config = p.user(t, p.Name, "member")
	return p
}

// Client makes a client that is closed when the test ends.
func Client(t testing.TB, o neutron.Options) *neutron.Client {
	t.Helper()
	c, err := neutron.New(o)
	check(t, err)
	t.Cleanup(c.Close)
	return c
}

// Member makes a client of a plain member of the project.
func (p *Project) Member(t testing.TB) *neutron.Client {
	t.Helper()
	return Client(t, neutron.Options{Cloud: cloudName, ConfigFile: p.config})
}

// Least makes a client of a user with the roles member and kuryr in the
// project. The test is skipped where the cloud has no role kuryr, which its
// policy must give the rights that the page on credentials lists.
func (p *Project) Least(t testing.TB) *neutron.Client {
	t.Helper()
	if p.role(t, "kuryr") == "" {
		unavailable(t, "the cloud has no role kuryr, with the rights that docs/credentials.md lists")
	}
	_, config := p.user(t, p.Name+"-least", "member", "kuryr")
	return Client(t, neutron.Options{Cloud: cloudName, ConfigFile: config})
}

// unavailable skips a test, or fails it where nothing may be skipped.
func unavailable(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("KURYR_TEST_REQUIRE") == "1" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// ApplicationCredential makes a client with an application credential of the
// member.
func (p *Project) ApplicationCredential(t testing.TB) *neutron.Client {
	t.Helper()
	// Only its user may make an application credential.
	_, identity := open(t, clouds.WithCloudName(cloudName), clouds.WithLocations(p.config))
	made, err := applicationcredentials.Create(t.Context(), identity, p.userID, applicationcredentials.CreateOpts{Name: p.Name}).Extract()
	check(t, err)
	path := p.writeClouds(t, fmt.Sprintf("application_credential_id: %s\n      application_credential_secret: %s", made.ID, made.Secret))
	return Client(t, neutron.Options{Cloud: cloudName, ConfigFile: path})
}

// Revoke makes a token invalid.
func (p *Project) Revoke(t testing.TB, token string) {
	t.Helper()
	check(t, tokens.Revoke(t.Context(), p.identity, token).Err)
}

// cloudName is the entry in the files that writeClouds writes.
const cloudName = "test"

func (p *Project) writeClouds(t testing.TB, auth string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clouds.yaml")
	content := fmt.Sprintf("clouds:\n  %s:\n    auth:\n      auth_url: %s\n      %s\n", cloudName, p.authURL, auth)
	check(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// connect logs in as the administrator.
func (p *Project) connect(t testing.TB) {
	t.Helper()
	p.network, p.identity = open(t)
	p.authURL = p.identity.IdentityEndpoint
}

// requireNear ends the test unless the cloud is on a network of this
// namespace: test traffic, with an administrator's password in it, must never
// leave by a default route.
func requireNear(t testing.TB, endpoint string) {
	t.Helper()
	u, err := url.Parse(endpoint)
	check(t, err)
	ip, err := netip.ParseAddr(u.Hostname())
	check(t, err)
	networks, err := net.InterfaceAddrs()
	check(t, err)
	for _, n := range networks {
		if p, err := netip.ParsePrefix(n.String()); err == nil && p.Contains(ip) {
			return
		}
	}
	t.Fatalf("%s is on no network of this namespace: run the test in the cloud's own (testcloud exec)", endpoint)
}

func open(t testing.TB, how ...clouds.ParseOption) (network, identity *gophercloud.ServiceClient) {
	t.Helper()
	auth, endpoint, tlsConfig, err := clouds.Parse(how...)
	check(t, err)
	requireNear(t, auth.IdentityEndpoint)
	provider, err := config.NewProviderClient(t.Context(), auth, config.WithTLSConfig(tlsConfig))
	check(t, err)
	t.Cleanup(provider.HTTPClient.CloseIdleConnections)
	network, err = openstack.NewNetworkV2(provider, endpoint)
	check(t, err)
	identity, err = openstack.NewIdentityV3(provider, endpoint)
	check(t, err)
	return network, identity
}

func (p *Project) findHosts(t testing.TB) {
	t.Helper()
	agents, err := p.Admin.Agents(t.Context(), "")
	check(t, err)
	for _, a := range agents {
		if a.Alive {
			p.Hosts = append(p.Hosts, a.Host)
		}
	}
	if len(p.Hosts) < 2 {
		t.Fatalf("the cloud has %d hosts that are alive, want 2", len(p.Hosts))
	}
}

// user makes a user with roles in the project, and a clouds.yaml for it.
func (p *Project) user(t testing.TB, name string, roleNames ...string) (id, config string) {
	t.Helper()
	user, err := users.Create(t.Context(), p.identity, users.CreateOpts{Name: name, DomainID: "default", Password: password}).Extract()
	check(t, err)
	cleanup(t, func(ctx context.Context) error { return users.Delete(ctx, p.identity, user.ID).ExtractErr() })
	for _, r := range roleNames {
		check(t, roles.Assign(t.Context(), p.identity, p.role(t, r), roles.AssignOpts{UserID: user.ID, ProjectID: p.ID}).ExtractErr())
	}
	return user.ID, p.writeClouds(t, fmt.Sprintf("username: %s\n      password: %s\n      project_id: %s\n      user_domain_id: default", name, password, p.ID))
}

// role is the id of a role, or empty.
func (p *Project) role(t testing.TB, name string) (id string) {
	t.Helper()
	pages, err := roles.List(p.identity, roles.ListOpts{Name: name}).AllPages(t.Context())
	check(t, err)
	found, err := roles.ExtractRoles(pages)
	check(t, err)
	if len(found) == 0 {
		return ""
	}
	return found[0].ID
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// cleanup runs f when the test ends, whose own context is gone by then.
func cleanup(t testing.TB, f func(context.Context) error) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := f(ctx); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
}
