// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// wantedRule is a rule as a request says it.
type wantedRule struct {
	Group     string `json:"security_group_id"`
	Direction string `json:"direction"`
	Family    string `json:"ethertype"`
	Protocol  any    `json:"protocol,omitempty"`
	Min       *int   `json:"port_range_min,omitempty"`
	Max       *int   `json:"port_range_max,omitempty"`
	Prefix    string `json:"remote_ip_prefix,omitempty"`
}

// numbers are some protocols' names.
var numbers = map[string]int{"icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "ipip": 4, "vrrp": 112, "sctp": 132, "ipv6-icmp": 58, "icmpv6": 58}

// meaning is what a rule lets through, worked out in another way than the cloud does.
func (w wantedRule) meaning() string {
	protocol, ports := "any", "all"
	if w.Protocol != nil {
		text := fmt.Sprint(w.Protocol)
		if n, named := numbers[strings.ToLower(text)]; named {
			text = fmt.Sprint(n)
		}
		if w.Family == "IPv6" && text == "1" {
			text = "58"
		}
		protocol = text
	}
	if w.Min != nil && (*w.Min != 1 || *w.Max != 65535) {
		ports = fmt.Sprint(*w.Min, *w.Max)
	}
	prefix := w.Prefix
	if prefix == "0.0.0.0/0" || prefix == "::/0" {
		prefix = ""
	}
	if prefix != "" && !strings.Contains(prefix, "/") {
		prefix += map[string]string{"IPv4": "/32", "IPv6": "/128"}[w.Family]
	}
	return strings.Join([]string{w.Direction, w.Family, protocol, ports, prefix}, " ")
}

func drawRule(t *rapid.T, group string) wantedRule {
	w := wantedRule{
		Group:     group,
		Direction: rapid.SampledFrom([]string{"ingress", "egress"}).Draw(t, "direction"),
		Family:    rapid.SampledFrom([]string{"IPv4", "IPv6"}).Draw(t, "family"),
	}
	protocols := []any{nil, "tcp", "TCP", 6, "6", "udp", 17, "icmp", 1, "gre", "47", "ipip", 4, "vrrp", "112"}
	prefixes := []string{"", "0.0.0.0/0", "10.0.0.0/8", "10.0.0.1", "10.0.0.1/32"}
	if w.Family == "IPv6" {
		protocols = append(protocols, "ipv6-icmp", "icmpv6", "58")
		prefixes = []string{"", "::/0", "fd00::/8", "fd00::1", "fd00::1/128"}
	}
	w.Protocol = rapid.SampledFrom(protocols).Draw(t, "protocol")
	w.Prefix = rapid.SampledFrom(prefixes).Draw(t, "prefix")
	if p := strings.ToLower(fmt.Sprint(w.Protocol)); p == "tcp" || p == "6" || p == "udp" || p == "17" {
		if rapid.Bool().Draw(t, "ports") {
			ends := rapid.SampledFrom([][2]int{{1, 65535}, {80, 80}, {1, 80}}).Draw(t, "ends")
			w.Min, w.Max = &ends[0], &ends[1]
		}
	}
	return w
}

// TestTwoRulesThatMeanTheSameAreOne makes pairs of rules: the second is refused
// if and only if it lets the same packets through, however it is worded.
func TestTwoRulesThatMeanTheSameAreOne(t *testing.T) {
	s := newSite(t, nil)
	rapid.Check(t, func(rt *rapid.T) {
		group := s.make("member", "/security-groups", `{"security_group":{"name":"x"}}`)
		_, answer := s.call("member", http.MethodGet, "/security-group-rules?security_group_id="+group, "")
		for _, rule := range answer.(map[string]any)["security_group_rules"].([]any) {
			s.ask("member", http.MethodDelete, "/security-group-rules/"+rule.(map[string]any)["id"].(string), "")
		}
		first, second := drawRule(rt, group), drawRule(rt, group)
		for i, w := range []wantedRule{first, second} {
			body, err := json.Marshal(map[string]any{"security_group_rule": w})
			if err != nil {
				rt.Fatal(err)
			}
			want := http.StatusCreated
			if i == 1 && first.meaning() == second.meaning() {
				want = http.StatusConflict
			}
			if status, answer := s.call("member", http.MethodPost, "/security-group-rules", string(body)); status != want {
				rt.Fatalf("%s after %+v: %d, not %d: %v", body, first, status, want, answer)
			}
		}
		s.ask("member", http.MethodDelete, "/security-groups/"+group, "")
	})
}

// TestARefusedBulkLeavesNoRule: of many rules all are made, or none.
func TestARefusedBulkLeavesNoRule(t *testing.T) {
	s := newSite(t, nil)
	group := s.make("member", "/security-groups", `{"security_group":{"name":"x"}}`)
	before := 0
	s.View(func(r store.Reader) { before = s.SecurityGroupRules.Len(r) })
	rule := `{"security_group_id":"` + group + `","direction":"ingress","protocol":"tcp","port_range_min":%d,"port_range_max":%d}`
	status, _ := s.call("member", http.MethodPost, "/security-group-rules",
		`{"security_group_rules":[`+fmt.Sprintf(rule, 1, 2)+","+fmt.Sprintf(rule, 3, 4)+","+fmt.Sprintf(rule, 5, 4)+`]}`)
	if status != http.StatusBadRequest {
		t.Fatalf("status %d", status)
	}
	s.View(func(r store.Reader) {
		if n := s.SecurityGroupRules.Len(r); n != before {
			t.Errorf("%d rules, there were %d", n, before)
		}
	})
}

// TestAProjectHasOneDefaultGroup: made by the first port, list or group, and by
// nobody else's request.
func TestAProjectHasOneDefaultGroup(t *testing.T) {
	defaults := func(s *site, project string) (n int) {
		s.View(func(r store.Reader) { n = s.SecurityGroups.Count(r, s.Tables.Index.DefaultGroupByProject, project) })
		return n
	}
	for name, first := range map[string]func(s *site){
		"a list of groups": func(s *site) { s.ask("member", http.MethodGet, "/security-groups", "") },
		"a list of rules":  func(s *site) { s.ask("member", http.MethodGet, "/security-group-rules", "") },
		"a group":          func(s *site) { s.make("member", "/security-groups", `{"security_group":{"name":"x"}}`) },
		"a network":        func(s *site) { s.make("member", "/networks", `{"network":{}}`) },
		"an admin":         func(s *site) { s.ask("admin", http.MethodGet, "/security-groups?project_id="+memberProject, "") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, nil)
			if n := defaults(s, memberProject); n != 0 {
				t.Fatalf("%d default groups to begin with", n)
			}
			s.ask("other", http.MethodGet, "/security-groups?project_id="+memberProject, "")
			if n := defaults(s, memberProject); n != 0 {
				t.Fatalf("somebody else made %d", n)
			}
			first(s)
			first(s)
			if n := defaults(s, memberProject); n != 1 {
				t.Errorf("%d default groups", n)
			}
		})
	}
}
