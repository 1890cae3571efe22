// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package faults

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestTheLogTellsWhoCalledWhat(t *testing.T) {
	f := newFaults(t, "")
	s := newService(f, "network")
	s.do("POST", "/v2.0/ports", `{"ports": [{}, {}]}`)
	s.as("", "GET", "/v2.0/ports/1?fields=id", "")
	s.do("PATCH", "/v2.0/ports", "")
	want := []Call{
		{Seq: 1, Service: "network", Kind: "POST /v2.0/ports", Method: "POST", Path: "/v2.0/ports", Items: 2, Status: 201, ProjectID: "1", Project: "demo", User: "alice"},
		{Seq: 2, Service: "network", Kind: "GET /v2.0/ports/{id}", Method: "GET", Path: "/v2.0/ports/1?fields=id", Status: 401},
		{Seq: 3, Service: "network", Kind: "unknown", Method: "PATCH", Path: "/v2.0/ports", Status: 405, ProjectID: "1", Project: "demo", User: "alice"},
	}
	got := f.Calls(0)
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Call{}, "Time", "Seconds", "RequestID")); diff != "" {
		t.Error(diff)
	}
	for _, c := range got {
		if !strings.HasPrefix(c.RequestID, "req-") || c.Time.IsZero() {
			t.Errorf("call without id or time: %+v", c)
		}
	}
}

func TestTheLogIsAWindowAndTheCountersForgetNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 5).Draw(t, "size")
		f, err := New(Options{Log: size})
		if err != nil {
			t.Fatal(err)
		}
		var all []uint64
		total, seq := 0, uint64(0)
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			if rapid.IntRange(0, 9).Draw(t, "reset") == 0 {
				f.Reset()
				all, total = nil, 0
			}
			f.log.begin()
			f.log.end(Call{Kind: "k", Status: rapid.IntRange(0, 2).Draw(t, "status")})
			seq++
			total++
			all = append(all, seq)
			all = all[max(0, len(all)-size):]
			after := rapid.Uint64Range(0, seq+2).Draw(t, "after")
			var want, got []uint64
			for _, s := range all {
				if s > after {
					want = append(want, s)
				}
			}
			calls, forgotten := f.log.calls(after)
			for _, c := range calls {
				got = append(got, c.Seq)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatal(diff)
			}
			if lost := max(0, int(seq)-int(min(after, seq))-len(got)); forgotten != lost {
				t.Fatalf("forgotten %d, want %d", forgotten, lost)
			}
			if n := f.Count("k"); n != total || f.InFlight() != 0 {
				t.Fatalf("counted %d of %d", n, total)
			}
		}
	})
}

func TestAdminSetsShowsAndClears(t *testing.T) {
	f := newFaults(t, "")
	admin := f.Handler()
	call := func(method, path, body string) (int, string) {
		w := httptest.NewRecorder()
		admin.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
		return w.Code, w.Body.String()
	}
	settings := "seed: 3\nrules:\n- {name: slow, match: {bulk: true}, itemDelay: normal 10ms 2ms, retryAfter: 0s}\nportActiveDelay: 1s\n"
	if code, body := call("PUT", "/faults", settings); code != 200 {
		t.Fatalf("set: %d %s", code, body)
	}
	_, shown := call("GET", "/faults", "")
	before := f.Settings()
	if code, body := call("PUT", "/faults", shown); code != 200 {
		t.Fatalf("what was shown is refused: %s", body)
	}
	if diff := cmp.Diff(before, f.Settings()); diff != "" {
		t.Error(diff)
	}
	for body, want := range map[string]string{
		"rules: [{anwser: drop}]": `faults:1: rules[0].anwser: unknown key; did you mean "rules[0].answer"?`,
		"rules:\n- {delay: 200}":  `faults:2: rules[0].delay: "200" is no duration with its unit in "200"`,
		"{":                       "faults:1: not YAML",
	} {
		if code, got := call("PUT", "/faults", body); code != 400 || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %d %s, want %s", body, code, got, want)
		}
	}
	if diff := cmp.Diff(before, f.Settings()); diff != "" {
		t.Errorf("a refused change changed: %s", diff)
	}
	s := newService(f, "network")
	s.post()
	s.do("GET", "/v2.0/ports/1", "")
	code, body := call("GET", "/requests?kind=GET+/v2.0/ports/{id}&after=0", "")
	var r Requests
	if err := json.Unmarshal([]byte(body), &r); err != nil || code != 200 || r.Seq != 2 || len(r.Calls) != 1 || r.Calls[0].Seq != 2 || len(r.Counts) != 2 {
		t.Errorf("%d %v %s", code, err, body)
	}
	for _, query := range []string{"?since=1", "?after=x"} {
		if code, _ := call("GET", "/requests"+query, ""); code != 400 {
			t.Errorf("%s: %d", query, code)
		}
	}
	if code, _ := call("DELETE", "/requests", ""); code != 204 || f.Count("") != 0 {
		t.Errorf("reset: %d, %d calls left", code, f.Count(""))
	}
	if code, _ := call("DELETE", "/faults", ""); code != 204 || len(f.Settings().Rules) != 0 {
		t.Errorf("clear: %d, left %+v", code, f.Settings())
	}
}

func TestSettingsThatAreNotAllowedAreToldWithTheirPlace(t *testing.T) {
	for settings, want := range map[string]string{
		"rules:\n- {match: {service: neutron}, answer: drop}":  `f:2: rules[0].match.service: "neutron" is not allowed; want identity, network, load-balancer`,
		"rules: [{match: {path: ports}, answer: drop}]":        `f:1: rules[0].match.path: "ports" does not begin with /`,
		"rules: [{answer: cut}]":                               `f:1: rules[0].answer: "cut" is not allowed; want error, quota, drop, truncate or hang`,
		"rules:\n- answer: error":                              `f:2: rules[0].status: 0 is not allowed; want 400 to 599`,
		"rules: [{answer: drop, status: 500}]":                 `f:1: rules[0].status: is for the answer error alone`,
		"rules: [{name: idle}]":                                `f:1: rules[0].answer: is missing, and so are delay and itemDelay: the rule does nothing`,
		"rules: [{match: {service: identity}, answer: quota}]": `f:1: rules[0].answer: identity has no quotas`,
		"rules: [{answer: drop, skip: -1}]":                    `f:1: rules[0].skip: -1 is negative`,
		"rules: [{answer: drop, count: -1}]":                   `f:1: rules[0].count: -1 is negative`,
		"rules: [{answer: drop, probability: 1.5}]":            `f:1: rules[0].probability: 1.5 is not allowed; want 0 to 1`,
		"rules: [{answer: drop, probability: .nan}]":           `f:1: rules[0].probability: want a number, found ".nan"`,
		"rateLimits: [{burst: 3}]":                             `f:1: rateLimits[0].rate: 0 is not allowed; want more than 0`,
		"rateLimits: [{rate: 1, burst: -3}]":                   `f:1: rateLimits[0].burst: -3 is negative`,
		"rateLimits: [{rate: 1, by: [caller]}]":                `f:1: rateLimits[0].by: "caller" is not allowed; want kind, service, project or user`,
	} {
		if _, err := Read("f", []byte(settings)); err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", settings, err, want)
		}
	}
}

func TestLatenciesReadBackAsTheyAreAndStayInTheirBounds(t *testing.T) {
	duration := rapid.Map(rapid.Int64Range(1, int64(time.Hour)), func(n int64) time.Duration { return time.Duration(n) })
	rapid.Check(t, func(t *rapid.T) {
		a := duration.Draw(t, "a")
		b := a + duration.Draw(t, "b")
		text := rapid.SampledFrom([]string{
			a.String(), fmt.Sprint("uniform ", a, " ", b), fmt.Sprint("normal ", a, " ", b), fmt.Sprint("exponential ", a),
			fmt.Sprint("percentiles 12.5=", a, " 90=", b),
		}).Draw(t, "text")
		l, err := ParseLatency(text)
		if err != nil {
			t.Fatal(err)
		}
		if l.String() != text {
			t.Fatalf("%q reads back as %q", text, l)
		}
		f, err := New(Options{Settings: Settings{Seed: rapid.Uint64().Draw(t, "seed"), PortActiveDelay: l}})
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			d := f.PortActiveDelay()
			bounded := l.kind == uniform || l.kind == percentiles
			if d < 0 || bounded && (d < a || d > b) || l.kind == fixed && d != a {
				t.Fatalf("%s gave %v", text, d)
			}
		}
	})
}

func TestMeansComeOutAsTheyWereAskedFor(t *testing.T) {
	for _, text := range []string{"100ms", "uniform 50ms 150ms", "normal 100ms 20ms", "exponential 100ms", "percentiles 0=50ms 50=100ms 100=150ms"} {
		f := newFaults(t, "portActiveDelay: "+text)
		var sum time.Duration
		const n = 10_000
		for range n {
			sum += f.PortActiveDelay()
		}
		if mean := sum / n; mean < 95*time.Millisecond || mean > 105*time.Millisecond {
			t.Errorf("%s: mean %v", text, mean)
		}
	}
}

func FuzzLatency(f *testing.F) {
	for _, seed := range []string{"1s", "uniform 1s 2s", "uniform 2s 1s", "percentiles 50=1s", "percentiles 5=x", "normal", "-1s", "percentiles 9=2s 8=1s", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ParseLatency(text)
		if err != nil {
			return
		}
		again, err := ParseLatency(l.String())
		if err != nil || !again.Equal(l) {
			t.Errorf("%q is %q, which reads as %q, %v", text, l, again, err)
		}
	})
}

func FuzzItems(f *testing.F) {
	for _, seed := range []string{"", " ", "{}", `{"port": {"fixed_ips": [1, 2]}}`, `{"ports": []}`, `{"ports": [{"a": "]\"["}, {}]}`, `{"a": 1, "b": [[1, 2], 3]}`, "[1, 2]", "}", `"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, bulk := items(body)
		if !json.Valid(body) {
			return // it must only not fail
		}
		want, isList := 1, false
		d := json.NewDecoder(strings.NewReader(string(body)))
		if first, err := d.Token(); err == nil && first == json.Delim('{') {
			for d.More() {
				_, _ = d.Token()
				var value json.RawMessage
				_ = d.Decode(&value)
				var list []json.RawMessage
				if strings.HasPrefix(string(value), "[") && json.Unmarshal(value, &list) == nil {
					want, isList = len(list), true
					break
				}
			}
		}
		if got != want || bulk != isList {
			t.Errorf("%s: %d items, bulk %v; want %d, %v", body, got, bulk, want, isList)
		}
	})
}
