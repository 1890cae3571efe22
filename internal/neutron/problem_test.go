// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestErrorBodiesOfEveryServiceAreRead(t *testing.T) {
	tests := []struct {
		name, body string
		want       problem
	}{
		{"neutron", `{"NeutronError": {"type": "PortNotFound", "message": "Port x could not be found.", "detail": ""}}`, problem{"PortNotFound", "Port x could not be found."}},
		{"neutron of old", `{"NeutronError": "all wrong"}`, problem{"NeutronError", "all wrong"}},
		{"keystone", `{"error":{"code":403,"message":"not authorized: identity:list_projects.","title":"Forbidden"}}`, problem{"Forbidden", "not authorized: identity:list_projects."}},
		{"middleware", `{"message": "The server is currently unavailable.<br /><br />\n\n\n", "code": "503 Service Unavailable", "title": "Service Unavailable"}`, problem{"", "The server is currently unavailable."}},
		{"other services", `{"itemNotFound": {"code": 404, "message": "nothing here"}}`, problem{"itemNotFound", "nothing here"}},
		{"two envelopes", `{"aaa": {"message": "no"}, "NeutronError": {"type": "T", "message": "yes"}}`, problem{"T", "yes"}},
		{"detail", `{"NeutronError": {"type": "T", "message": "m", "detail": "and more"}}`, problem{"T", "m (and more)"}},
		{"traceback", `{"NeutronError": {"type": "T", "message": "m", "detail": "Traceback (most recent call last)"}}`, problem{"T", "m"}},
		{"html", "<html><head><style>b{}</style><title>\n502 Bad Gateway</title></head><body>x</body></html>", problem{"", "502 Bad Gateway"}},
		{"html without title", "<h1>503</h1><script>alert(1)</script>no &amp; server", problem{"", "503 no & server"}},
		{"plain", "upstream connect error", problem{"", "upstream connect error"}},
		{"lines", `{"NeutronError": {"type": "T", "message": "a\nb\u0007\tc"}}`, problem{"T", "a b c"}},
		{"empty", "", problem{}},
		{"array", "[1,2]", problem{"", "[1,2]"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, parseProblem([]byte(tt.body))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTheRuleMostLikelyMissingIsNamed(t *testing.T) {
	for message, want := range map[string]string{
		"((rule:create_port and rule:create_port:device_owner) and rule:create_port:binding:host_id) is disallowed by policy":                                              "create_port:binding:host_id",
		"(rule:create_port and (rule:create_port:fixed_ips and (rule:create_port:fixed_ips:ip_address and rule:create_port:fixed_ips:subnet_id))) is disallowed by policy": "create_port:fixed_ips:ip_address",
		"(rule:create_port and rule:create_port:mac_address) is disallowed by policy":                                                                                      "create_port:mac_address",
		"rule:delete_port is disallowed by policy":                                        "delete_port",
		"You are not authorized to perform the requested action: identity:list_projects.": "identity:list_projects",
		"Tenant 11 not allowed to create port on this network":                            "",
	} {
		if got := missingRule(message); got != want {
			t.Errorf("%q: %q, want %q", message, got, want)
		}
	}
}

func FuzzParseProblem(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "null", "[]", `{"NeutronError": {"type": "T", "message": "m", "detail": "d"}}`, `{"NeutronError": null}`,
		`{"error": {"message": 7}}`, `{"message": "<b>x</b>"}`, "<title></title><<<>>", "\xff\xfe", "&#xD800;&#0;", `{"error":"\ud800"}`,
		strings.Repeat("<script", 100), "a\u2028b\u0085c",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p := parseProblem(body)
		for _, s := range []string{p.Type, p.Message} {
			if len(s) > maxMessage || !utf8.ValidString(s) {
				t.Fatalf("%d bytes, valid %t: %q", len(s), utf8.ValidString(s), s)
			}
			for _, r := range s {
				if unicode.IsControl(r) || !unicode.IsPrint(r) {
					t.Fatalf("%q is not printable in %q", r, s)
				}
			}
		}
		missingRule(p.Message)
	})
}
