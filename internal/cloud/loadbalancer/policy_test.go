// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"net/http"
	"testing"
)

// who may what: the roles are those of the load balancer's project, unless "@"
// says otherwise.
func TestRolesAllowWhatOctaviasPolicySays(t *testing.T) {
	c := start(t, quick())
	lb, listener, pool, member := small(c, nil)
	look := []string{"admin", "load-balancer_admin@x", "load-balancer_global_observer@x", "member", "obs"}
	change := []string{"admin", "load-balancer_admin@x", "member"}
	rule := []string{"admin", "load-balancer_admin@x"}
	quotas := []string{"admin", "load-balancer_admin@x", "load-balancer_quota_admin@x"}
	everybody := []string{"admin", "load-balancer_admin@x", "load-balancer_global_observer@x", "load-balancer_quota_admin@x", "member", "obs", "plain", "member@x", "obs@x", "plain@x"}
	for _, x := range []struct {
		call string
		body any
		may  []string
	}{
		{"GET /loadbalancers/" + lb, nil, look},
		{"GET /loadbalancers/" + lb + "/status", nil, look},
		{"GET /loadbalancers/" + lb + "/stats", nil, look},
		{"GET /listeners/" + listener, nil, look},
		{"GET /listeners/" + listener + "/stats", nil, look},
		{"GET /pools/" + pool, nil, look},
		{"GET /pools/" + pool + "/members", nil, look},
		{"GET /pools/" + pool + "/members/" + member, nil, look},
		{"GET /loadbalancers?project_id=" + demo, nil, look},
		{"GET /quotas/" + demo, nil, append(quotas, "load-balancer_global_observer@x", "member", "obs")},
		{"PUT /loadbalancers/" + lb, ref{"loadbalancer": ref{"tags": []any{"a", "a"}}}, change},
		{"POST /listeners", ref{"listener": ref{"loadbalancer_id": lb, "protocol": "TCP", "protocol_port": 80}}, change},
		{"POST /pools", ref{"pool": ref{"loadbalancer_id": lb, "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"}}, change},
		{"POST /pools/" + pool + "/members", ref{"member": ref{"address": "10.77.0.30", "protocol_port": 8080}}, change},
		{"PUT /pools/" + pool + "/members/" + member, ref{"member": ref{"weight": 1}}, change},
		{"PUT /loadbalancers/" + lb + "/failover", nil, rule},
		{"PUT /quotas/" + demo, ref{"quota": ref{}}, quotas},
		{"GET /flavorprofiles", nil, rule},
		{"POST /flavors", ref{"flavor": ref{"name": "f", "flavor_profile_id": nobody}}, rule},
		{"GET /providers/ovn/flavor_capabilities", nil, rule},
	} {
		for _, who := range everybody {
			may := false
			for _, w := range x.may {
				may = may || w == who
			}
			method, path := x.call[:3], x.call[4:]
			if method == "POS" {
				method, path = "POST", x.call[5:]
			}
			a := c.send(who, method+" /v2.0/lbaas"+path, x.body)
			forbidden := a.status == http.StatusForbidden
			if forbidden == may || forbidden && a.fault != "Policy does not allow this request to be performed." {
				t.Errorf("%s as %s: %d %s", x.call, who, a.status, a.fault)
			}
		}
	}
}

func TestAListIsOfTheCallersProject(t *testing.T) {
	c := start(t, quick())
	ours := c.make("", "/loadbalancers", "loadbalancer", ref{"vip_subnet_id": subnet4})
	a := c.send("admin", "POST /v2.0/lbaas/loadbalancers", ref{"loadbalancer": ref{"vip_subnet_id": subnet4, "project_id": "theirs"}})
	theirs := a.text("loadbalancer.id")
	c.settled(theirs)
	for _, x := range []struct {
		who, query string
		want       []string
	}{
		{"member", "", []string{ours}},
		{"member@theirs", "", []string{theirs}},
		{"admin", "", []string{ours, theirs}},
		{"admin", "?project_id=theirs", []string{theirs}},
		{"load-balancer_global_observer@x", "", []string{ours, theirs}},
	} {
		a := c.send(x.who, "GET /v2.0/lbaas/loadbalancers"+x.query, nil)
		got, _ := a.at("loadbalancers").([]any)
		if len(got) != len(x.want) {
			t.Errorf("%s%s: %v", x.who, x.query, a.body)
			continue
		}
		for i := range got {
			if got[i].(ref)["id"] != x.want[i] {
				t.Errorf("%s%s: %v", x.who, x.query, got[i])
			}
		}
	}
	if a := c.send("member", "GET /v2.0/lbaas/loadbalancers?project_id=theirs", nil); a.status != http.StatusForbidden {
		t.Errorf("another's project: %d %v", a.status, a.body)
	}
}

func TestFurtherRolesMayWhatThePolicySays(t *testing.T) {
	o := quick()
	o.Policy = map[string][]string{"load-balancer:write": {"operator"}, "os_load-balancer_api:quota:put": {"clerk"}, "create_port": {"nobody"}}
	c := start(t, o)
	if a := c.send("operator", "POST /v2.0/lbaas/loadbalancers", ref{"loadbalancer": ref{"vip_subnet_id": subnet4}}); a.status != http.StatusCreated {
		t.Errorf("%d %s", a.status, a.fault)
	} else {
		c.settled(a.text("loadbalancer.id"))
	}
	if a := c.send("clerk", "PUT /v2.0/lbaas/quotas/"+demo, ref{"quota": ref{"pool": 3}}); a.status != http.StatusAccepted {
		t.Errorf("%d %s", a.status, a.fault)
	}
	if a := c.send("clerk", "DELETE /v2.0/lbaas/quotas/"+demo, nil); a.status != http.StatusForbidden {
		t.Errorf("%d %s", a.status, a.fault)
	}
	if _, err := New(c.s.Tables, Options{Policy: map[string][]string{"load-balancer:nothing": nil}}); err == nil {
		t.Error("a rule that there is not was accepted")
	}
}

func TestWhoHasNoTokenIsToldWhereToGetOne(t *testing.T) {
	c := start(t, quick())
	a := c.send("wrong", "GET /v2.0/lbaas/loadbalancers", nil)
	if got := a.header.Get("WWW-Authenticate"); a.status != http.StatusUnauthorized || got != `Keystone uri="http://identity/v3"` {
		t.Errorf("%d %q %v", a.status, got, a.body)
	}
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	c := start(t, quick())
	for name, o := range map[string]Options{
		"unknown provider":      {Providers: []string{"f5"}},
		"default not enabled":   {Providers: []string{"ovn"}, Provider: "amphora"},
		"quota of what is none": {Quota: map[string]int{"port": 1}},
	} {
		if _, err := New(c.s.Tables, o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
