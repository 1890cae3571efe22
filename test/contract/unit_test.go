// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package contract

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAScriptIsReadAsItsLanguageSays(t *testing.T) {
	s, err := ParseScript("example", `# What is tried
needs ovn
alone
POST /v2.0/networks {network: {name: n,
    mtu: 1400}} -> net
as admin
with If-Match: revision_number=1
each id: $net.id 'a b'
  GET /v2.0/networks/$id
until status=ACTIVE name=n GET /v2.0/networks/$net.id
POST /v2.0/networks raw {"network":
$ openstack network list -> list
`)
	if err != nil {
		t.Fatal(err)
	}
	want := &Script{
		Name: "example", Needs: "ovn", Alone: true, source: s.source,
		Steps: []Step{
			{Text: "# What is tried"},
			{Text: "POST /v2.0/networks {network: {name: n, mtu: 1400}} -> net", As: "member", Method: "POST", Path: "/v2.0/networks", Body: "{network: {name: n, mtu: 1400}}", Var: "net"},
			{Text: "GET /v2.0/networks/$net.id", As: "admin", Method: "GET", Path: "/v2.0/networks/$net.id", Header: []string{"If-Match: revision_number=1"}},
			{Text: "GET /v2.0/networks/a b", As: "admin", Method: "GET", Path: "/v2.0/networks/a", Body: "b"},
			{Text: "until status=ACTIVE name=n GET /v2.0/networks/$net.id", As: "admin", Method: "GET", Path: "/v2.0/networks/$net.id", Until: []string{"status=ACTIVE", "name=n"}},
			{Text: `POST /v2.0/networks raw {"network":`, As: "admin", Method: "POST", Path: "/v2.0/networks", Body: `{"network":`, Raw: true},
			{Text: "$ openstack network list -> list", As: "admin", Command: "openstack network list", Var: "list"},
		},
	}
	if diff := cmp.Diff(want, s, cmp.AllowUnexported(Script{})); diff != "" {
		t.Error(diff)
	}
}

func TestAScriptWithAnErrorIsRefusedWithTheLine(t *testing.T) {
	for source, want := range map[string]string{
		"\nFETCH /v3":                "x:2: no such statement",
		"each a b c\n  GET /v3":      "x:1: `each` wants",
		"each a: 'b\n  GET /v3":      "x:1: a quote has no end",
		"with If-Match: x":           "`with` has no request after it",
		"each a: b\n  GET /v3\n  no": "no such statement: no",
	} {
		if _, err := ParseScript("x", source); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", source, err, want)
		}
	}
}

func TestWhatIsAnotherValueEachTimeIsMaskedByTheSameWord(t *testing.T) {
	m := newMask("POST /v2.0/ports {port: {fixed_ips: [{ip_address: 10.0.0.5}]}}")
	m.replace("http://127.0.0.1:9696", "network")
	first := decode([]byte(`{"port": {"id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "network_id": "16fd2706-8baf-433b-82eb-8c7fada847da",
		"mac_address": "fa:16:3e:01:02:03", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01 00:00:00.123456",
		"fixed_ips": [{"ip_address": "10.0.0.77"}, {"ip_address": "10.0.0.5"}, {"ip_address": "fd00::f816:3eff:fe01:203"}],
		"dns_assignment": [{"hostname": "host-10-0-0-77"}], "provider:segmentation_id": 42}}`))
	m.arrange(first, false)
	m.capture(unwrap(first), "p")
	got := m.body(first)
	want := decode([]byte(`{"port": {"id": "<p>", "network_id": "<network>", "mac_address": "<mac>",
		"created_at": "<timeTZ>", "updated_at": "<time .f>",
		"fixed_ips": [{"ip_address": "10.0.0.5"}, {"ip_address": "<ip of a mac>"}, {"ip_address": "<ip>"}],
		"dns_assignment": [{"hostname": "host-<ip>"}], "provider:segmentation_id": "<segment>"}}`))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	text := m.text("Port 6ba7b810-9dad-11d1-80b4-00c04fd430c8 has 10.0.0.77, not 10.0.0.7, by req-6ba7b810-9dad-11d1-80b4-00c04fd430c8 of http://127.0.0.1:9696/v2.0 {'b', 'a'}", "message", true)
	if want := "Port <p> has <ip>, not 10.0.0.7, by <request> of <network>/v2.0 {'a', 'b'}"; text != want {
		t.Errorf("%s\nwant %s", text, want)
	}
}

func TestAListWhoseOrderMeansNothingIsSorted(t *testing.T) {
	masked := func(s string, ordered bool) any {
		m, v := newMask(""), decode([]byte(s))
		m.arrange(v, ordered)
		return m.body(v)
	}
	if diff := cmp.Diff(decode([]byte(`{"networks": [{"name": "a"}, {"name": "b"}]}`)), masked(`{"networks": [{"name": "b"}, {"name": "a"}]}`, false)); diff != "" {
		t.Error(diff)
	}
	for _, ordered := range []string{`{"networks": [{"name": "b"}, {"name": "a"}]}`, `{"networks": [{"dns_nameservers": ["10.0.0.2", "10.0.0.1"]}]}`} {
		if diff := cmp.Diff(decode([]byte(ordered)), masked(ordered, true)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestATranscriptIsReadAsItWasWritten(t *testing.T) {
	want := Transcript{
		{Text: "# comment"},
		{Text: "member> GET /v2.0/networks", Status: 200, Body: decode([]byte(`{"networks": [{"a": 1.50, "b": "<x>"}, {}], "n": 5}`))},
		{Text: "member> DELETE /v2.0/networks/x", Status: 204},
		{Text: "nobody> GET identity:/nothing", Status: 404, Header: []string{"Content-Type: text/html", "Location: <identity>"}, Body: Text("<html>\n\n404")},
		{Text: "member> GET /v2.0/x", Status: -1, Body: Text("not run")},
		{Text: "member> GET /v2.0/list", Status: 200, Body: []any{}},
	}
	got, err := ParseTranscript(want.Format())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDifferencesAreToldFieldByField(t *testing.T) {
	record := func(status int, body string) Transcript {
		return Transcript{{Text: "GET x", Status: status, Body: decode([]byte(body))}}
	}
	got := Compare(
		record(200, `{"ports": [{"name": "a", "mtu": 1, "old": null}, {"name": "b"}], "same": [1, 2]}`),
		record(201, `{"ports": [{"name": "c"}, {"name": "a", "mtu": 2, "new": ""}], "same": [1, 3]}`))
	want := []Difference{
		{"GET x", "status", "200", "201"},
		{"GET x", "body.ports.a.mtu", "1", "2"},
		{"GET x", "body.ports.a.old", "null", ""},
		{"GET x", "body.ports.a.new", "", `""`},
		{"GET x", "body.ports.b", `{"name":"b"}`, ""},
		{"GET x", "body.ports.c", "", `{"name":"c"}`},
		{"GET x", "body.same.1", "2", "3"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestOnlyAListedDifferenceIsKnownAndOneThatIsGoneIsTold(t *testing.T) {
	known, err := parseDifferences("file", `
# The real one is
# wrong here.
ports | * POST /v2.0/ports * | body.port.*
ports | * | status

# Never seen.
networks | * | *
`)
	if err != nil {
		t.Fatal(err)
	}
	found := []Difference{
		{Step: "member> POST /v2.0/ports {port: {}}", Path: "body.port.id"},
		{Step: "member> GET /v2.0/ports", Path: "body.port.id"},
	}
	if diff := cmp.Diff(found[1:], known.Unknown("ports", found)); diff != "" {
		t.Error(diff)
	}
	gone := known.Gone(func(scenario string) bool { return scenario == "ports" })
	if diff := cmp.Diff([]string{"file:5: ports | * | status"}, gone); diff != "" {
		t.Error(diff)
	}
	if known[0].Reason != "The real one is wrong here." {
		t.Errorf("reason %q", known[0].Reason)
	}
	for _, bad := range []string{"ports | * | *", "# why\nports | *"} {
		if _, err := parseDifferences("file", bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
