// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"context"
	"net/http"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/apiversions"
	gpolicies "github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/l7policies"
	glisteners "github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/listeners"
	gloadbalancers "github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/loadbalancers"
	gmonitors "github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/monitors"
	gpools "github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/pools"
	gproviders "github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/providers"
	gquotas "github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/quotas"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

// client is gophercloud's, for who has a token.
func (c *octavia) client(token string) *gophercloud.ServiceClient {
	p := &gophercloud.ProviderClient{TokenID: token}
	return &gophercloud.ServiceClient{ProviderClient: p, Endpoint: c.url + "/", ResourceBase: c.url + "/v2.0/", Type: "load-balancer"}
}

// no fails on an error.
func (c *octavia) no(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func TestGophercloudHandlesAWholeLoadBalancer(t *testing.T) {
	c, ctx := start(t, quick()), context.Background()
	client := c.client("member")
	lb, err := gloadbalancers.Create(ctx, client, gloadbalancers.CreateOpts{
		Name: "web", VipSubnetID: subnet4, VipAddress: "10.77.0.20", Provider: "ovn", Tags: []string{"t"},
		Listeners: []glisteners.CreateOpts{{
			Name: "l", Protocol: glisteners.ProtocolTCP, ProtocolPort: 80, DefaultPool: &gpools.CreateOpts{
				Name: "p", Protocol: gpools.ProtocolTCP, LBMethod: gpools.LBMethodSourceIpPort,
				Members: []gpools.CreateMemberOpts{{Address: "10.77.0.30", ProtocolPort: 8080, Name: "m"}},
			},
		}},
	}).Extract()
	c.no(err)
	c.settled(lb.ID)
	lb, err = gloadbalancers.Get(ctx, client, lb.ID).Extract()
	c.no(err)
	if lb.Name != "web" || lb.ProvisioningStatus != active || lb.OperatingStatus != online || lb.VipAddress != "10.77.0.20" || len(lb.Listeners) != 1 || len(lb.Pools) != 1 || lb.CreatedAt.IsZero() {
		t.Errorf("it is %+v", lb)
	}
	pages, err := gpools.List(client, gpools.ListOpts{LoadbalancerID: lb.ID}).AllPages(ctx)
	c.no(err)
	all, err := gpools.ExtractPools(pages)
	c.no(err)
	if len(all) != 1 || all[0].Name != "p" || len(all[0].Members) != 1 {
		t.Fatalf("its pools are %+v", all)
	}
	tree, err := gloadbalancers.GetStatuses(ctx, client, lb.ID).Extract()
	c.no(err)
	if tree.Loadbalancer.Listeners[0].Pools[0].Members[0].ProvisioningStatus != active {
		t.Errorf("its statuses are %+v", tree.Loadbalancer)
	}
	c.gophercloudMembers(ctx, client, lb.ID, all[0].ID)
	hm, err := gmonitors.Create(ctx, client, gmonitors.CreateOpts{PoolID: all[0].ID, Type: gmonitors.TypeTCP, Delay: 5, Timeout: 3, MaxRetries: 2}).Extract()
	c.no(err)
	c.settled(lb.ID)
	_, err = gmonitors.Update(ctx, client, hm.ID, gmonitors.UpdateOpts{Delay: 9}).Extract()
	c.no(err)
	c.settled(lb.ID)
	c.no(gloadbalancers.Delete(ctx, client, lb.ID, gloadbalancers.DeleteOpts{Cascade: true}).ExtractErr())
	c.settled(lb.ID)
	if _, err := gloadbalancers.Get(ctx, client, lb.ID).Extract(); !gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
		t.Errorf("after its deletion: %v", err)
	}
}

func (c *octavia) gophercloudMembers(ctx context.Context, client *gophercloud.ServiceClient, lb, pool string) {
	c.t.Helper()
	name := "other"
	c.no(gpools.BatchUpdateMembers(ctx, client, pool, []gpools.BatchUpdateMemberOpts{
		{Address: "10.77.0.30", ProtocolPort: 8080}, {Address: "10.77.0.31", ProtocolPort: 8080, Name: &name},
	}).ExtractErr())
	c.settled(lb)
	pages, err := gpools.ListMembers(client, pool, gpools.ListMembersOpts{Name: "other"}).AllPages(ctx)
	c.no(err)
	members, err := gpools.ExtractMembers(pages)
	c.no(err)
	if len(members) != 1 || members[0].Address != "10.77.0.31" || members[0].OperatingStatus != noMonitor {
		c.t.Fatalf("the members are %+v", members)
	}
	c.no(gpools.DeleteMember(ctx, client, pool, members[0].ID).ExtractErr())
	c.settled(lb)
}

func TestGophercloudHandlesPolicies(t *testing.T) {
	c, lb, listener, _, other := web(t)
	ctx, client := context.Background(), c.client("member")
	p, err := gpolicies.Create(ctx, client, gpolicies.CreateOpts{ListenerID: listener, Action: gpolicies.ActionRedirectToPool, RedirectPoolID: other}).Extract()
	c.no(err)
	c.settled(lb)
	_, err = gpolicies.CreateRule(ctx, client, p.ID, gpolicies.CreateRuleOpts{RuleType: gpolicies.TypePath, CompareType: gpolicies.CompareTypeStartWith, Value: "/a"}).Extract()
	c.no(err)
	c.settled(lb)
	p, err = gpolicies.Get(ctx, client, p.ID).Extract()
	c.no(err)
	if p.Position != 1 || len(p.Rules) != 1 {
		t.Errorf("it is %+v", p)
	}
	c.no(gpolicies.Delete(ctx, client, p.ID).ExtractErr())
	c.settled(lb)
}

func TestGophercloudReadsWhatIsThereForAll(t *testing.T) {
	c, ctx := start(t, quick()), context.Background()
	versions, err := apiversions.List(c.client("member")).AllPages(ctx)
	c.no(err)
	known, err := apiversions.ExtractAPIVersions(versions)
	c.no(err)
	if last := known[len(known)-1]; last.ID != "v2.26" || last.Status != "CURRENT" {
		t.Errorf("the last version is %+v", last)
	}
	pages, err := gproviders.List(c.client("member"), gproviders.ListOpts{}).AllPages(ctx)
	c.no(err)
	all, err := gproviders.ExtractProviders(pages)
	c.no(err)
	if len(all) != 2 {
		t.Errorf("the providers are %v", all)
	}
	limit := 3
	_, err = gquotas.Update(ctx, c.client("admin"), demo, gquotas.UpdateOpts{Pool: &limit}).Extract()
	c.no(err)
	q, err := gquotas.Get(ctx, c.client("member"), demo).Extract()
	c.no(err)
	if q.Pool != limit || q.Listener != -1 {
		t.Errorf("the quota is %+v", q)
	}
}

func TestGophercloudReadsPages(t *testing.T) {
	c, _ := fleet(t)
	names := ""
	list := gloadbalancers.List(c.client("member"), gloadbalancers.ListOpts{Limit: 3, SortKey: "name", SortDir: "asc"})
	c.no(list.EachPage(context.Background(), func(_ context.Context, page pagination.Page) (bool, error) {
		all, err := gloadbalancers.ExtractLoadBalancers(page)
		for _, lb := range all {
			names += lb.Name
		}
		names += "|"
		return true, err
	}))
	if names != "aBc|d|" {
		t.Errorf("the pages are %s", names)
	}
}
