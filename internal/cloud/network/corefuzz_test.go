// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// FuzzNoRequestAboutAPortIsTheCloudsFault sends bodies of any kind about
// networks, subnets, ports and what shares them: none is answered by a 500, and
// none gives an address twice.
func FuzzNoRequestAboutAPortIsTheCloudsFault(f *testing.F) {
	s, paths, known := core(f)
	for _, seed := range seeds(f) {
		for i, path := range paths {
			if kindOf(path) == seed.kind {
				f.Add(uint(i), seed.body)
			}
		}
	}
	f.Fuzz(func(t *testing.T, at uint, body string) {
		s := &site{TB: t, Tables: s.Tables, Service: s.Service}
		send(s, t, paths[at%uint(len(paths))], known.Replace(body))
	})
}

// TestAnyValueInAnyPlaceOfAPortIsAnswered takes such requests as they are made,
// and puts something else into one place.
func TestAnyValueInAnyPlaceOfAPortIsAnswered(t *testing.T) {
	s, paths, known := core(t)
	of := map[string][]string{}
	for _, seed := range seeds(t) {
		of[seed.kind] = append(of[seed.kind], seed.body)
	}
	place := regexp.MustCompile(`("[^"]*"|[-0-9.]+|true|false|null|\[\]|\{\})[,}\]]`)
	value := rapid.SampledFrom([]string{
		`null`, `true`, `0`, `-1`, `1e400`, `1.5`, `99999999999999999999`, `""`, `"x"`, `"\u0000"`, `"10.0.0.0/99"`, `"::"`, `"::/0"`, `"0.0.0.0/0"`,
		`"10.0.0.256"`, `"ff:ff:ff:ff:ff:ff"`, `[]`, `[[]]`, `[null]`, `[{}]`, `[""]`, `{}`, `{"a":1}`, `{"":null}`, `[{"ip_address":null}]`, `[{"subnet_id":5}]`,
	})
	rapid.Check(t, func(t *rapid.T) {
		path := rapid.SampledFrom(paths).Draw(t, "path")
		if of[kindOf(path)] == nil {
			return
		}
		body := rapid.SampledFrom(of[kindOf(path)]).Draw(t, "seed")
		if places := place.FindAllStringSubmatchIndex(body, -1); places != nil {
			at := rapid.SampledFrom(places).Draw(t, "place")
			body = body[:at[2]] + value.Draw(t, "value") + body[at[3]:]
		}
		send(s, t, path, known.Replace(body))
	})
}

// send is a request that anything may become of but a failure of the cloud.
func send(s *site, t interface{ Errorf(string, ...any) }, path, body string) {
	method, path, _ := strings.Cut(path, " ")
	status, answer := s.call("admin", method, path, body)
	// These are 500s in Neutron, for the caller's faults.
	known := strings.Contains(fmt.Sprint(answer), "SubnetAllocationError") || strings.Contains(fmt.Sprint(answer), "PortBindingError")
	if status >= http.StatusInternalServerError && status != http.StatusNotImplemented && !known {
		t.Errorf("%s %s %s: %d %v", method, path, body, status, answer)
	}
	s.View(func(r store.Reader) {
		if why := s.brokenAddresses(r); why != "" {
			t.Errorf("after %s %s %s: %s", method, path, body, why)
		}
	})
}

// core is a site with a network and what is beside it, the requests that may
// be made of those, and what the names in those stand for.
func core(t testing.TB) (s *site, paths []string, known *strings.Replacer) {
	s = newSite(t, nil)
	network := s.make("admin", "/networks", `{"network":{}}`)
	subnet := s.make("admin", "/subnets", `{"subnet":{"network_id":"`+network+`","ip_version":4,"cidr":"10.0.0.0/24"}}`)
	six := s.make("admin", "/subnets", `{"subnet":{"network_id":"`+network+`","ip_version":6,"cidr":"fd00::/64","ipv6_address_mode":"slaac"}}`)
	port := s.make("admin", "/ports", `{"port":{"network_id":"`+network+`"}}`)
	pool := s.make("admin", "/subnetpools", `{"subnetpool":{"name":"pool","prefixes":["10.64.0.0/12"]}}`)
	scope := s.make("admin", "/address-scopes", `{"address_scope":{"name":"scope","ip_version":4}}`)
	shared := s.make("admin", "/rbac-policies", `{"rbac_policy":{"object_type":"network","object_id":"`+network+`","action":"access_as_shared","target_tenant":"`+otherProject+`"}}`)
	paths = []string{
		"POST /networks", "PUT /networks/" + network, "POST /subnets", "PUT /subnets/" + subnet, "PUT /subnets/" + six, "POST /ports", "PUT /ports/" + port,
		"POST /ports/" + port + "/bindings", "PUT /ports/" + port + "/bindings/node1", "PUT /ports/" + port + "/tags",
		"POST /subnetpools", "PUT /subnetpools/" + pool, "POST /address-scopes", "PUT /address-scopes/" + scope,
		"POST /rbac-policies", "PUT /rbac-policies/" + shared, "PUT /quotas/" + memberProject,
	}
	return s, paths, strings.NewReplacer(
		"$N", network, "$network", network, "$S", subnet, "$A", subnet, "$B", six, "$P", port, "$port", port, "$subnet", subnet, "$EXT", s.external,
	)
}
