// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// page is a list's ids, and the links to what is beside it.
func (s *site) page(who, collection, query string) (ids []string, next, previous string) {
	s.Helper()
	answer := s.ask(who, http.MethodGet, "/"+collection+"?"+query, "")
	for _, row := range answer[collection].([]any) {
		ids = append(ids, row.(map[string]any)["id"].(string))
	}
	links, _ := answer[collection+"_links"].([]any)
	for _, link := range links {
		at, err := url.Parse(link.(map[string]any)["href"].(string))
		if err != nil {
			s.Fatal(err)
		}
		switch link.(map[string]any)["rel"] {
		case "next":
			next = at.RawQuery
		case "previous":
			previous = at.RawQuery
		}
	}
	return ids, next, previous
}

// crew is a site with ports of two projects that have much in common.
func crew(t testing.TB) *site {
	s := newSite(t, nil)
	for i, who := range []string{"member", "other"} {
		n := s.make(who, "/networks", fmt.Sprintf(`{"network":{"name":"n%d"}}`, i))
		s.make(who, "/subnets", `{"subnet":{"network_id":"`+n+`","ip_version":4,"cidr":"10.0.0.0/24"}}`)
		for j := range 17 {
			id := s.make(who, "/ports", fmt.Sprintf(
				`{"port":{"network_id":%q,"name":"p%d","device_id":"d%d","admin_state_up":%v,"description":"%s"}}`, n, j%3, j%5, j%2 == 0, strings.Repeat("x", j%4)))
			s.ask(who, http.MethodPut, "/ports/"+id+"/tags", fmt.Sprintf(`{"tags":["t%d","u%d"]}`, j%2, j%3))
		}
	}
	return s
}

func TestPagesTogetherAreTheList(t *testing.T) {
	s := crew(t)
	rapid.Check(t, func(t *rapid.T) {
		who := rapid.SampledFrom([]string{"member", "other", "admin"}).Draw(t, "who")
		words := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{
			"name=p1", "name=p0&name=p2", "device_id=d3", "admin_state_up=True", "admin_state_up=false", "tags=t1", "tags-any=t0,u1", "not-tags=u2",
			"not-tags-any=t0,u0", "status=DOWN", "fixed_ips=ip_address_substr%3D.1", "project_id=" + memberProject, "description=x", "name=",
		}), 0, 2, rapid.ID).Draw(t, "filters")
		for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"name", "device_id", "admin_state_up", "id", "mac_address", "status", "project_id", "network_id"}), 0, 3, rapid.ID).Draw(t, "sort") {
			words = append(words, "sort_key="+key, "sort_dir="+rapid.SampledFrom([]string{"asc", "desc"}).Draw(t, "dir"))
		}
		query := strings.Join(words, "&")
		whole, _, _ := s.page(who, "ports", query)

		limit := fmt.Sprintf("limit=%d", rapid.IntRange(1, 9).Draw(t, "limit"))
		var forth, back []string
		final := ""
		for next := query + "&" + limit; next != ""; {
			var ids []string
			ids, next, _ = s.page(who, "ports", next)
			forth = append(forth, ids...)
			if len(ids) > 0 {
				final = ids[len(ids)-1]
			}
			if len(forth) > len(whole) {
				break
			}
		}
		if !slices.Equal(forth, whole) {
			t.Fatalf("%s %s by %s: pages %v\nlist %v", who, query, limit, forth, whole)
		}
		if final == "" {
			return
		}
		for previous := query + "&" + limit + "&page_reverse=True&marker=" + final; previous != ""; {
			var ids []string
			ids, _, previous = s.page(who, "ports", previous)
			back = append(slices.Clone(ids), back...)
			if len(back) > len(whole) {
				break
			}
		}
		if want := whole[:len(whole)-1]; !slices.Equal(back, want) {
			t.Fatalf("%s %s back by %s: pages %v\nlist %v", who, query, limit, back, want)
		}
	})
}

// An index answers what looking at all would.
func TestAnIndexedFilterFindsWhatAnUnindexedOneDoes(t *testing.T) {
	s := crew(t)
	all := map[string]map[string]any{}
	for _, row := range s.ask("admin", http.MethodGet, "/ports", "")["ports"].([]any) {
		p := row.(map[string]any)
		all[p["id"].(string)] = p
	}
	rapid.Check(t, func(t *rapid.T) {
		column := rapid.SampledFrom([]string{"name", "device_id", "network_id", "project_id", "mac_address", "id", "description", "status"}).Draw(t, "column")
		var values []string
		for id := range all {
			values = append(values, all[id][column].(string))
		}
		slices.Sort(values)
		wanted := rapid.SliceOfN(rapid.SampledFrom(append(slices.Compact(values), "none")), 1, 3).Draw(t, "values")
		query := url.Values{column: wanted}
		if column == "id" && slices.Contains(wanted, "none") {
			return
		}
		var want []string
		asked := slices.DeleteFunc(slices.Clone(wanted), func(v string) bool { return v == "" })
		for id, p := range all {
			if len(asked) == 0 || slices.Contains(asked, p[column].(string)) {
				want = append(want, id)
			}
		}
		got, _, _ := s.page("admin", "ports", query.Encode())
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("%s=%q: %v, want %v", column, wanted, got, want)
		}
	})
}

func TestALastPageHasNoNextAndAFirstNoPreviousOne(t *testing.T) {
	s := crew(t)
	ids, next, previous := s.page("member", "ports", "limit=50")
	if len(ids) != 17 || next != "" || previous == "" {
		t.Errorf("%d ports, next %q, previous %q", len(ids), next, previous)
	}
	// As Neutron, which does not look behind a page: a full one may be the last.
	ids, next, _ = s.page("member", "ports", "limit=17")
	if len(ids) != 17 || next == "" {
		t.Errorf("%d ports, next %q", len(ids), next)
	}
	if ids, next, _ := s.page("member", "ports", next); ids != nil || next != "" {
		t.Errorf("behind the last page: %v, next %q", ids, next)
	}
}

func TestAPageBehindWhatIsGone(t *testing.T) {
	s := crew(t)
	ids, _, _ := s.page("member", "ports", "limit=5")
	s.ask("member", http.MethodDelete, "/ports/"+ids[4], "")
	status, answer := s.call("member", http.MethodGet, "/ports?limit=5&marker="+ids[4], "")
	if message := fmt.Sprint(answer); status != http.StatusNotFound || !strings.Contains(message, "Port "+ids[4]+" could not be found.") {
		t.Errorf("%d %s", status, message)
	}
	// A list without a limit has no pages, and no place in it.
	all, next, previous := s.page("member", "ports", "marker="+ids[4])
	if len(all) != 16 || next != "" || previous != "" {
		t.Errorf("%d ports, next %q, previous %q", len(all), next, previous)
	}
}

func TestFieldsAreAllThatIsShown(t *testing.T) {
	s := crew(t)
	for _, row := range s.ask("member", http.MethodGet, "/ports?fields=id&fields=tags&fields=fixed_ips&fields=nonsense&limit=3", "")["ports"].([]any) {
		if p := row.(map[string]any); len(p) != 3 || p["id"] == nil || p["tags"] == nil || p["fixed_ips"] == nil {
			t.Errorf("%v", p)
		}
	}
}
