// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network"
)

// raw sends a request to any path.
func (s *site) raw(token, method, path string) (int, string) {
	s.Helper()
	r := httptest.NewRequest(method, path, nil)
	if token != "" {
		r.Header.Set("X-Auth-Token", token)
	}
	answer := httptest.NewRecorder()
	s.Mux().ServeHTTP(answer, r)
	return answer.Code, answer.Body.String()
}

func TestVersionsAreForEverybodyAndTheRestForCallers(t *testing.T) {
	s := newSite(t, nil)
	if status, body := s.raw("", http.MethodGet, "/"); status != http.StatusOK || !strings.Contains(body, `"id":"v2.0"`) || !strings.Contains(body, `"CURRENT"`) {
		t.Errorf("versions: %d %s", status, body)
	}
	if status, body := s.raw("member", http.MethodGet, "/v2.0/"); status != http.StatusOK || !strings.Contains(body, `"resources"`) {
		t.Errorf("v2.0: %d %s", status, body)
	}
	for _, path := range []string{"/v2.0/networks", "/v2.0/extensions", "/v2.0/ports/x"} {
		for _, token := range []string{"", "nobody"} {
			if status, body := s.raw(token, http.MethodGet, path); status != http.StatusUnauthorized {
				t.Errorf("%s by %q: %d %s", path, token, status, body)
			}
		}
	}
	for _, path := range []string{"/v2.0/nonsense", "/v2.0/networks/x/y", "/v3"} {
		if status, body := s.raw("member", http.MethodGet, path); status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

func TestExtensionsAreThoseOfMLTwoWithOVN(t *testing.T) {
	s := newSite(t, nil)
	var list struct {
		Extensions []struct{ Alias, Name, Description, Updated string }
	}
	_, body := s.raw("member", http.MethodGet, "/v2.0/extensions")
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatal(err)
	}
	const ofTheRealCloud = 77
	if len(list.Extensions) != ofTheRealCloud {
		t.Errorf("%d extensions", len(list.Extensions))
	}
	for _, e := range list.Extensions {
		if e.Alias == "" || e.Name == "" || e.Updated == "" {
			t.Errorf("%+v", e)
		}
		if status, body := s.raw("member", http.MethodGet, "/v2.0/extensions/"+e.Alias); status != http.StatusOK {
			t.Errorf("%s: %d %s", e.Alias, status, body)
		}
	}
}

func TestOptionsThatMakeNoCloud(t *testing.T) {
	for what, change := range map[string]func(*network.Options){
		`network: there is no extension "nonsense"`: func(o *network.Options) { o.Extensions = []string{"nonsense"} },
		`rest: policy: there is no rule "nonsense"`: func(o *network.Options) { o.Policy = map[string][]string{"nonsense": {"r"}} },
		`network: geneve range 5:1: `:               func(o *network.Options) { o.GeneveRange = "5:1" },
		`network: VLAN range physnet1:1:9999: `:     func(o *network.Options) { o.VLANRanges = []string{"physnet1:1:9999"} },
	} {
		o := network.Options{Authenticator: callers{}, PhysicalNetworks: []string{"physnet1"}, GeneveRange: "1:2000"}
		change(&o)
		if _, err := network.New(model.New(), o); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestAvailabilityZonesAreTheHypervisors(t *testing.T) {
	h := &hosts{}
	one, two := host("node1"), host("node2")
	one.AvailabilityZones, one.Options = []string{"az1"}, []string{"enable-chassis-as-gw"}
	h.set(one, two)
	s := newSite(t, withHosts(h))
	got := fmt.Sprint(s.ask("member", http.MethodGet, "/availability_zones", "")["availability_zones"])
	if !strings.Contains(got, "name:az1") || !strings.Contains(got, "state:available") {
		t.Errorf("%s", got)
	}
}
