// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
)

// fleet makes load balancers a, B, c, d one second after the other.
func fleet(t *testing.T) (c *octavia, ids map[string]string) {
	t.Helper()
	o := quick()
	var seconds atomic.Int64
	o.Now = func() time.Time { return time.Date(2026, 11, 25, 12, 0, int(seconds.Load()), 0, time.UTC) }
	c, ids = start(t, o), map[string]string{}
	for i, x := range []struct {
		name string
		tags []string
	}{{"c", []string{"blue"}}, {"a", []string{"red"}}, {"d", nil}, {"B", []string{"red", "blue"}}} {
		seconds.Add(1)
		body := ref{"vip_subnet_id": subnet4, "name": x.name, "admin_state_up": i != 2, "description": "", "vip_address": fmt.Sprintf("10.77.0.%d", 10+i)}
		if x.tags != nil {
			body["tags"] = x.tags
		}
		ids[x.name] = c.make("", "/loadbalancers", "loadbalancer", body)
	}
	return c, ids
}

// names are those in the answer to a list, in its order.
func (a answer) names() string {
	var names []string
	list, _ := a.at("loadbalancers").([]any)
	for _, x := range list {
		names = append(names, x.(ref)["name"].(string))
	}
	return strings.Join(names, "")
}

func TestListsAreFilteredAndSorted(t *testing.T) {
	c, ids := fleet(t)
	for query, want := range map[string]string{
		"":                                  "cadB",
		"name=a":                            "a",
		"name=A":                            "a", // as its database compares
		"name=x":                            "",
		"id=" + ids["d"]:                    "d",
		"admin_state_up=false":              "d",
		"enabled=0":                         "d",
		"admin_state_up=true":               "caB",
		"operating_status=OFFLINE":          "d",
		"provisioning_status=active&name=b": "B",
		"vip_address=10.77.0.11":            "a",
		"vip_subnet_id=" + subnet4:          "cadB",
		"provider=amphora":                  "",
		"description=":                      "",
		"created_at=2026-11-25 12:00:02":    "a",
		"tags=red":                          "aB",
		"tags=red,blue":                     "B",
		"tags=red&tags=blue":                "B",
		"tags-any=red,blue":                 "caB",
		"not-tags=red":                      "cd",
		"not-tags=red,blue":                 "cad",
		"not-tags-any=red,blue":             "d",
		"not-tags=red&tags=blue":            "c",
		"sort=name":                         "aBcd",
		"sort=name:desc":                    "dcBa",
		"sort=admin_state_up,name:desc":     "dcBa",
		"sort_key=name&sort_dir=desc":       "dcBa",
		"sort_key=admin_state_up,name":      "daBc",
		"limit=2":                           "ca",
		"limit=2&marker=" + ids["a"]:        "dB",
		"sort=name&limit=3":                 "aBc",
		"sort=name&marker=" + ids["B"]:      "cd",
		"limit=1000000":                     "cadB",
		"page_reverse=True&limit=2&marker=" + ids["B"]: "ca",
	} {
		if got := c.get("/loadbalancers?" + strings.ReplaceAll(query, " ", "%20")).names(); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

func TestPagesLeadToEachOther(t *testing.T) {
	c, ids := fleet(t)
	links := func(a answer) map[string]string {
		all := map[string]string{}
		list, _ := a.at("loadbalancers_links").([]any)
		for _, l := range list {
			all[l.(ref)["rel"].(string)] = strings.TrimPrefix(l.(ref)["href"].(string), c.url+"/v2.0/lbaas")
		}
		return all
	}
	a := c.get("/loadbalancers?limit=2&sort=name")
	if diff := cmp.Diff(map[string]string{"next": "/loadbalancers?limit=2&sort=name&marker=" + ids["B"]}, links(a)); diff != "" {
		t.Error(diff)
	}
	a = c.get(links(a)["next"])
	if got := a.names(); got != "cd" {
		t.Errorf("the second page is %s", got)
	}
	want := map[string]string{
		"next":     "/loadbalancers?limit=2&sort=name&marker=" + ids["d"],
		"previous": "/loadbalancers?limit=2&sort=name&marker=" + ids["c"] + "&page_reverse=True",
	}
	if diff := cmp.Diff(want, links(a)); diff != "" {
		t.Error(diff)
	}
	if got := c.get(links(a)["previous"]).names(); got != "aB" {
		t.Errorf("the page before is %s", got)
	}
	a = c.get(links(a)["next"])
	if got := a.names(); got != "" || len(links(a)) != 0 {
		t.Errorf("there is more behind the last page: %v", a.body)
	}
}

func TestFieldsAreThoseThatAreAskedFor(t *testing.T) {
	c, _ := fleet(t)
	a := c.get("/loadbalancers?name=a&fields=name&fields=vip_address&fields=nothing")
	if diff := cmp.Diff(ref{"name": "a", "vip_address": "10.77.0.11"}, a.at("loadbalancers.0")); diff != "" {
		t.Error(diff)
	}
}

func TestListsThatMakeNoSenseAreRefused(t *testing.T) {
	c, _ := fleet(t)
	for query, fault := range map[string]string{
		"name=a&name=b":   "One or more arguments are either duplicate or invalid",
		"nothing=1":       "One or more arguments are either duplicate or invalid",
		"marker=x":        "Supplied pagination marker 'x' is not valid.",
		"sort=nothing":    "Supplied sort key 'nothing' is not valid.",
		"sort_key=a,name": "Supplied sort key 'a' is not valid.",
	} {
		c.refused("GET /loadbalancers?"+query, nil, http.StatusBadRequest, fault)
	}
	for query, description := range map[string]string{
		"limit=x":        "Supplied pagination limit 'x' is not valid.",
		"sort=name:up":   "Supplied sort direction 'up' is not valid.",
		"sort=a:b:c":     "Supplied sort key '['a', 'b', 'c']' is not valid.",
		"sort_dir=x":     "",
		"limit=infinite": "",
	} {
		a := c.send("member", "GET /v2.0/lbaas/loadbalancers?"+query, nil)
		if got, _ := a.at("description").(string); got != description {
			t.Errorf("%s: %d %v", query, a.status, a.body)
		}
	}
}

func FuzzAnyQueryIsAnsweredOrRefused(f *testing.F) {
	for _, query := range []string{"", "limit=-1", "limit=99999999999999999999", "sort=name:desc,", "sort_key=,&sort_dir=,", "tags=&not-tags-any=,", "fields", "marker=&page_reverse=True", "a=1&a=2", "%zz"} {
		f.Add(query)
	}
	tables := model.New()
	seed(tables)
	c := direct(f, tables, quick())
	f.Cleanup(c.stop)
	c.make("", "/loadbalancers", "loadbalancer", ref{"vip_subnet_id": subnet4, "name": "a"})
	f.Fuzz(func(t *testing.T, query string) {
		for _, list := range []string{"loadbalancers", "members", "quotas", "flavors"} {
			r := httptest.NewRequest(http.MethodGet, "/v2.0/lbaas/"+strings.Replace(list, "members", "pools/x/members", 1), nil)
			r.URL.RawQuery = query
			r.Header.Set("X-Auth-Token", "member")
			w := httptest.NewRecorder()
			c.s.Mux().ServeHTTP(w, r)
			if w.Code >= http.StatusInternalServerError {
				t.Errorf("%s?%s: %d %s", list, query, w.Code, w.Body)
			}
		}
	})
}
