// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// FuzzNoRequestIsTheCloudsFault sends bodies of any kind: none is answered by a
// 500, and none breaks a promise of the tables.
func FuzzNoRequestIsTheCloudsFault(f *testing.F) {
	s, paths, known := furnished(f)
	for _, seed := range seeds(f) {
		for i, path := range paths {
			if kindOf(path) == seed.kind {
				f.Add(uint(i), seed.body)
			}
		}
	}
	f.Fuzz(func(t *testing.T, at uint, body string) {
		s := &site{TB: t, Tables: s.Tables, Service: s.Service}
		method, path, _ := strings.Cut(paths[at%uint(len(paths))], " ")
		body = known.Replace(body)
		if status, answer := s.call("admin", method, path, body); status >= http.StatusInternalServerError {
			t.Errorf("%s %s %s: %d %v", method, path, body, status, answer)
		}
		if why := s.broken(); why != "" {
			t.Error(why)
		}
	})
}

// TestAnyValueInAnyPlaceIsAnswered takes requests as they are made, and puts
// something else into one place.
func TestAnyValueInAnyPlaceIsAnswered(t *testing.T) {
	s, paths, known := furnished(t)
	all := seeds(t)
	value := rapid.SampledFrom([]string{`null`, `true`, `0`, `-1`, `1e400`, `1.5`, `99999999999999999999`, `""`, `"x"`, `"10.0.0.0/99"`, `"::"`, `[]`, `[[]]`, `[null]`, `[{}]`, `{}`, `{"a":1}`})
	rapid.Check(t, func(rt *rapid.T) {
		path := rapid.SampledFrom(paths).Draw(rt, "path")
		var of []seed
		for _, one := range all {
			if one.kind == kindOf(path) {
				of = append(of, one)
			}
		}
		if of == nil {
			rt.Skip("no recorded request of this kind")
		}
		body := known.Replace(rapid.SampledFrom(of).Draw(rt, "seed").body)
		places := regexp.MustCompile(`(": |\[|, )("[^"]*"|[-0-9.]+|true|false|null|\[\]|\{\})`).FindAllStringSubmatchIndex(body, -1)
		if places == nil {
			rt.Skip("nothing in the request to change")
		}
		at := rapid.SampledFrom(places).Draw(rt, "place")
		body = body[:at[4]] + value.Draw(rt, "value") + body[at[5]:]
		method, path, _ := strings.Cut(path, " ")
		if status, answer := s.call("admin", method, path, body); status >= http.StatusInternalServerError {
			rt.Errorf("%s %s %s: %d %v", method, path, body, status, answer)
		}
		if why := s.broken(); why != "" {
			rt.Error(why)
		}
	})
}

// furnished is a site with one of each thing, the requests that may be made of
// them, and what the names in those stand for.
func furnished(t testing.TB) (s *site, paths []string, known *strings.Replacer) {
	s = newSite(t, nil)
	network := s.make("member", "/networks", `{"network":{}}`)
	subnet := s.make("member", "/subnets", `{"subnet":{"network_id":"`+network+`","ip_version":4,"cidr":"10.0.0.0/24"}}`)
	port := s.make("member", "/ports", `{"port":{"network_id":"`+network+`"}}`)
	router := s.make("member", "/routers", `{"router":{"external_gateway_info":{"network_id":"`+s.external+`"}}}`)
	s.ask("member", http.MethodPut, "/routers/"+router+"/add_router_interface", `{"subnet_id":"`+subnet+`"}`)
	floating := s.make("member", "/floatingips", `{"floatingip":{"floating_network_id":"`+s.external+`"}}`)
	group := s.make("member", "/security-groups", `{"security_group":{}}`)
	addresses := s.make("member", "/address-groups", `{"address_group":{"addresses":["10.0.0.0/8"]}}`)
	trunk := s.make("member", "/trunks", `{"trunk":{"port_id":"`+port+`"}}`)
	policy := s.make("admin", "/qos/policies", `{"policy":{}}`)
	paths = []string{
		"POST /routers", "PUT /routers/" + router, "PUT /routers/" + router + "/add_router_interface", "PUT /routers/" + router + "/remove_router_interface",
		"PUT /routers/" + router + "/add_extraroutes", "PUT /routers/" + router + "/remove_extraroutes", "POST /floatingips", "PUT /floatingips/" + floating,
		"POST /floatingips/" + floating + "/port_forwardings", "POST /security-groups", "PUT /security-groups/" + group, "POST /security-group-rules",
		"POST /address-groups", "PUT /address-groups/" + addresses, "PUT /address-groups/" + addresses + "/add_addresses",
		"PUT /address-groups/" + addresses + "/remove_addresses", "POST /trunks", "PUT /trunks/" + trunk, "PUT /trunks/" + trunk + "/add_subports",
		"PUT /trunks/" + trunk + "/remove_subports", "POST /qos/policies", "PUT /qos/policies/" + policy, "POST /qos/policies/" + policy + "/bandwidth_limit_rules",
		"POST /qos/policies/" + policy + "/dscp_marking_rules", "POST /qos/policies/" + policy + "/minimum_packet_rate_rules",
	}
	known = strings.NewReplacer("$network", network, "$subnet", subnet, "$port", port, "$router", router, "$group", group, "$EXT", s.external)
	return s, paths, known
}

// seed is the body of a request, and which kind of request that is.
type seed struct{ kind, body string }

// kindOf is a request's method, its collection and its action.
func kindOf(request string) string {
	method, path, _ := strings.Cut(request, " ")
	steps := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if steps[0] == "qos" {
		steps = steps[1:]
	}
	if len(steps) > 2 {
		return method + " " + steps[0] + " " + steps[2]
	}
	return method + " " + steps[0]
}

// seeds are the bodies of the transcripts' requests.
func seeds(f testing.TB) (all []seed) {
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	seen := map[seed]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			words := strings.SplitN(strings.TrimSpace(line), " ", 5)
			if len(words) < 5 || words[0] != ">" {
				continue
			}
			body := nameForm.ReplaceAllStringFunc(words[4], func(name string) string { return strings.TrimRight(name, "0123456789") })
			one := seed{kindOf(words[2] + " " + words[3]), body}
			if !seen[one] {
				seen[one] = true
				all = append(all, one)
			}
		}
	}
	return all
}
