// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"slices"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/applicationcredentials"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/catalog"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/domains"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/endpoints"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/regions"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/services"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

// connect logs in by gophercloud.
func (c *cloud) connect(o gophercloud.AuthOptions) (*gophercloud.ServiceClient, error) {
	o.IdentityEndpoint = c.url + "/v3"
	provider, err := openstack.AuthenticatedClient(c.t.Context(), o)
	if err != nil {
		return nil, err
	}
	c.t.Cleanup(provider.HTTPClient.CloseIdleConnections)
	return openstack.NewIdentityV3(provider, gophercloud.EndpointOpts{})
}

func (c *cloud) adminClient() *gophercloud.ServiceClient {
	c.t.Helper()
	client, err := c.connect(gophercloud.AuthOptions{
		Username: "admin", Password: "secret", DomainName: "Default", Scope: &gophercloud.AuthScope{ProjectName: "admin", DomainName: "Default"},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return client
}

// got ends the test if there is an error.
func got[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// all reads a whole list.
func all[T any](t *testing.T, pager pagination.Pager, extract func(pagination.Page) ([]T, error)) []T {
	t.Helper()
	page, err := pager.AllPages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got[[]T](t)(extract(page))
}

func done(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t *testing.T, err error, status int) {
	t.Helper()
	if !gophercloud.ResponseCodeIs(err, status) {
		t.Errorf("%v, want %d", err, status)
	}
}

// servedCloud is a cloud whose catalogue leads to it.
func servedCloud(t *testing.T) *cloud {
	t.Helper()
	c := start(t, testOptions())
	o := testOptions()
	o.Endpoints["identity"] = c.url + "/v3"
	if _, err := New(c.s.tables, o); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAProjectsPeopleWorkByGophercloud(t *testing.T) {
	c := servedCloud(t)
	admin, ctx := c.adminClient(), t.Context()

	p := got[*projects.Project](t)(projects.Create(ctx, admin, projects.CreateOpts{Name: "p", DomainID: "default", Tags: []string{"x"}}).Extract())
	u := got[*users.User](t)(users.Create(ctx, admin, users.CreateOpts{Name: "u", DomainID: "default", Password: "pw", DefaultProjectID: p.ID}).Extract())
	r := got[*roles.Role](t)(roles.Create(ctx, admin, roles.CreateOpts{Name: "kuryr"}).Extract())
	member := all(t, roles.List(admin, roles.ListOpts{Name: "member"}), roles.ExtractRoles)
	for _, id := range []string{r.ID, member[0].ID, r.ID} {
		done(t, roles.Assign(ctx, admin, id, roles.AssignOpts{UserID: u.ID, ProjectID: p.ID}).ExtractErr())
	}
	if found := all(t, projects.List(admin, projects.ListOpts{Name: "p", DomainID: "default"}), projects.ExtractProjects); len(found) != 1 || found[0].ID != p.ID {
		t.Errorf("projects: %v", found)
	}
	if found := all(t, users.List(admin, users.ListOpts{Name: "u", DomainID: "default"}), users.ExtractUsers); len(found) != 1 || found[0].DefaultProjectID != p.ID {
		t.Errorf("users: %v", found)
	}
	_, err := projects.Create(ctx, admin, projects.CreateOpts{Name: "p"}).Extract()
	refused(t, err, 409)

	client, err := c.connect(gophercloud.AuthOptions{Username: "u", Password: "pw", DomainName: "Default"})
	done(t, err)
	token := client.GetAuthResult().(tokens.CreateResult)
	names := []string{}
	for _, role := range got[[]tokens.Role](t)(token.ExtractRoles()) {
		names = append(names, role.Name)
	}
	if slices.Sort(names); !slices.Equal(names, []string{"kuryr", "member", "reader"}) {
		t.Errorf("roles: %v", names)
	}
	if project := got[*tokens.Project](t)(token.ExtractProject()); project.ID != p.ID || project.Domain.Name != "Default" {
		t.Errorf("project: %+v", project)
	}
	_, err = users.Create(ctx, client, users.CreateOpts{Name: "x"}).Extract()
	refused(t, err, 403)
	if mine := all(t, projects.ListAvailable(client), projects.ExtractProjects); len(mine) != 1 || mine[0].ID != p.ID {
		t.Errorf("own projects: %v", mine)
	}
	done(t, users.ChangePassword(ctx, client, u.ID, users.ChangePasswordOpts{OriginalPassword: "pw", Password: "pw2"}).ExtractErr())
	_, err = projects.Get(ctx, client, p.ID).Extract()
	refused(t, err, 401)

	done(t, roles.Unassign(ctx, admin, member[0].ID, roles.UnassignOpts{UserID: u.ID, ProjectID: p.ID}).ExtractErr())
	assigned := all(t, roles.ListAssignments(admin, roles.ListAssignmentsOpts{UserID: u.ID}), roles.ExtractRoleAssignments)
	if len(assigned) != 1 || assigned[0].Role.ID != r.ID || assigned[0].Scope.Project.ID != p.ID {
		t.Errorf("assignments: %+v", assigned)
	}
	done(t, users.Delete(ctx, admin, u.ID).ExtractErr())
	done(t, projects.Delete(ctx, admin, p.ID).ExtractErr())
	refused(t, projects.Delete(ctx, admin, p.ID).ExtractErr(), 404)
	refused(t, users.Get(ctx, admin, u.ID).Err, 404)
}

func TestApplicationCredentialsWorkByGophercloud(t *testing.T) {
	c := servedCloud(t)
	ctx := t.Context()
	client, err := c.connect(gophercloud.AuthOptions{Username: demo, Password: "secret", DomainName: "Default"})
	done(t, err)
	user := got[*tokens.User](t)(client.GetAuthResult().(tokens.CreateResult).ExtractUser())
	end := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	a := got[*applicationcredentials.ApplicationCredential](t)(applicationcredentials.Create(ctx, client, user.ID, applicationcredentials.CreateOpts{
		Name: "a", Roles: []applicationcredentials.Role{{Name: "reader"}}, ExpiresAt: &end,
	}).Extract())
	if len(a.Secret) < 80 || !a.ExpiresAt.Equal(end) || len(a.Roles) != 1 || a.Roles[0].Name != "reader" {
		t.Errorf("created: %+v", a)
	}
	program, err := c.connect(gophercloud.AuthOptions{ApplicationCredentialID: a.ID, ApplicationCredentialSecret: a.Secret})
	done(t, err)
	token := program.GetAuthResult().(tokens.CreateResult)
	if t2 := got[*tokens.Token](t)(token.ExtractToken()); t2.ExpiresAt.After(end) {
		t.Errorf("the token ends %v, after its credential: %v", t2.ExpiresAt, end)
	}
	if list := got[[]tokens.Role](t)(token.ExtractRoles()); len(list) != 1 || list[0].Name != "reader" {
		t.Errorf("roles: %v", list)
	}
	_, err = applicationcredentials.Create(ctx, program, user.ID, applicationcredentials.CreateOpts{Name: "b"}).Extract()
	refused(t, err, 403)
	_, err = applicationcredentials.Create(ctx, client, user.ID, applicationcredentials.CreateOpts{
		Name: "b", AccessRules: []applicationcredentials.AccessRule{{Path: "/v2.0/ports", Method: "GET", Service: "network"}},
	}).Extract()
	refused(t, err, 501)
	_, err = c.connect(gophercloud.AuthOptions{ApplicationCredentialID: a.ID, ApplicationCredentialSecret: a.Secret + "x"})
	refused(t, err, 401)
	if found := all(t, applicationcredentials.List(client, user.ID, applicationcredentials.ListOpts{Name: "a"}), applicationcredentials.ExtractApplicationCredentials); len(found) != 1 || found[0].ID != a.ID {
		t.Errorf("list: %v", found)
	}
	done(t, applicationcredentials.Delete(ctx, client, user.ID, a.ID).ExtractErr())
	_, err = c.connect(gophercloud.AuthOptions{ApplicationCredentialID: a.ID, ApplicationCredentialSecret: a.Secret})
	refused(t, err, 404)
}

func TestTheCatalogueIsMadeByGophercloud(t *testing.T) {
	c := servedCloud(t)
	admin, ctx := c.adminClient(), t.Context()
	got[*regions.Region](t)(regions.Create(ctx, admin, regions.CreateOpts{ID: "two"}).Extract())
	s := got[*services.Service](t)(services.Create(ctx, admin, services.CreateOpts{Type: "dns", Extra: map[string]any{"name": "designate"}}).Extract())
	var e *endpoints.Endpoint
	for _, iface := range []gophercloud.Availability{gophercloud.AvailabilityPublic, gophercloud.AvailabilityInternal} {
		e = got[*endpoints.Endpoint](t)(endpoints.Create(ctx, admin, endpoints.CreateOpts{
			Availability: iface, Name: "designate", Region: "two", URL: "http://dns/%(project_id)s", ServiceID: s.ID,
		}).Extract())
	}
	project := got[*tokens.Project](t)(admin.GetAuthResult().(tokens.CreateResult).ExtractProject())
	found := false
	for _, entry := range all(t, catalog.List(admin), catalog.ExtractServiceCatalog) {
		if entry.Type == "dns" {
			found = entry.Name == "designate" && len(entry.Endpoints) == 2 && entry.Endpoints[0].URL == "http://dns/"+project.ID && entry.Endpoints[0].Region == "two"
		}
	}
	if !found {
		t.Error("the catalogue lacks the service")
	}
	refused(t, regions.Delete(ctx, admin, "two").ExtractErr(), 403)
	got[*endpoints.Endpoint](t)(endpoints.Update(ctx, admin, e.ID, endpoints.UpdateOpts{URL: "http://other"}).Extract())
	list := all(t, endpoints.List(admin, endpoints.ListOpts{ServiceID: s.ID, Availability: gophercloud.AvailabilityInternal}), endpoints.ExtractEndpoints)
	if len(list) != 1 || list[0].URL != "http://other" {
		t.Errorf("endpoints: %+v", list)
	}
	done(t, services.Delete(ctx, admin, s.ID).ExtractErr())
	done(t, regions.Delete(ctx, admin, "two").ExtractErr())
	if left := all(t, endpoints.List(admin, endpoints.ListOpts{ServiceID: s.ID}), endpoints.ExtractEndpoints); len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
}

func TestDomainsAndGroupsWorkByGophercloud(t *testing.T) {
	c := servedCloud(t)
	admin, ctx := c.adminClient(), t.Context()
	d := got[*domains.Domain](t)(domains.Create(ctx, admin, domains.CreateOpts{Name: "d"}).Extract())
	p := got[*projects.Project](t)(projects.Create(ctx, admin, projects.CreateOpts{Name: demo, DomainID: d.ID}).Extract())
	u := got[*users.User](t)(users.Create(ctx, admin, users.CreateOpts{Name: demo, DomainID: d.ID, Password: "pw"}).Extract())
	g := got[*groups.Group](t)(groups.Create(ctx, admin, groups.CreateOpts{Name: "g", DomainID: d.ID}).Extract())
	done(t, users.AddToGroup(ctx, admin, g.ID, u.ID).ExtractErr())
	reader := all(t, roles.List(admin, roles.ListOpts{Name: "reader"}), roles.ExtractRoles)[0]
	done(t, roles.Assign(ctx, admin, reader.ID, roles.AssignOpts{GroupID: g.ID, ProjectID: p.ID}).ExtractErr())
	done(t, roles.Assign(ctx, admin, reader.ID, roles.AssignOpts{UserID: u.ID, DomainID: d.ID}).ExtractErr())

	login := gophercloud.AuthOptions{Username: demo, Password: "pw", DomainID: d.ID, Scope: &gophercloud.AuthScope{ProjectName: demo, DomainID: d.ID}}
	_, err := c.connect(login)
	done(t, err)
	login.Scope = &gophercloud.AuthScope{DomainID: d.ID}
	client, err := c.connect(login)
	done(t, err)
	// A domain's reader sees the domain, and no other.
	if seen := all(t, users.List(client, nil), users.ExtractUsers); len(seen) != 1 || seen[0].ID != u.ID {
		t.Errorf("seen: %v", seen)
	}
	if is := got[bool](t)(users.IsMemberOfGroup(ctx, admin, g.ID, u.ID).Extract()); !is {
		t.Error("no member of the group")
	}
	refused(t, domains.Delete(ctx, admin, d.ID).ExtractErr(), 403)
	off := false
	got[*domains.Domain](t)(domains.Update(ctx, admin, d.ID, domains.UpdateOpts{Enabled: &off}).Extract())
	_, err = c.connect(login)
	refused(t, err, 401)
	done(t, domains.Delete(ctx, admin, d.ID).ExtractErr())
	refused(t, users.Get(ctx, admin, u.ID).Err, 404)
	refused(t, projects.Get(ctx, admin, p.ID).Err, 404)
	refused(t, groups.Get(ctx, admin, g.ID).Err, 404)
	if left := all(t, roles.ListAssignments(admin, roles.ListAssignmentsOpts{UserID: u.ID}), roles.ExtractRoleAssignments); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}
