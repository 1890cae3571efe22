// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package faults

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tokens are the callers by their tokens.
type tokens map[string]api.Caller

func (t tokens) Authenticate(token string) (api.Caller, error) {
	c, ok := t[token]
	if !ok {
		return c, errors.New("no such token")
	}
	return c, nil
}

// service is a little Neutron, which counts the ports that it made.
type service struct {
	http.Handler
	made int
}

func newService(f *Faults, name string) *service {
	s := &service{}
	m := api.NewMux(api.Options{
		Name: name, Logger: slog.New(slog.DiscardHandler),
		Authenticator: tokens{"a": {ProjectID: "1", ProjectName: "demo", UserName: "alice"}, "b": {ProjectID: "2", ProjectName: "other"}},
		Render:        func(_ *api.Request, e *api.Error) any { return map[string]string{"type": e.Type, "message": e.Message} },
		Unauthorized:  func(*api.Request) *api.Error { return api.Errorf(http.StatusUnauthorized, "", "who are you?") },
	})
	m.Handle("POST /v2.0/ports", func(r *api.Request) (api.Reply, error) {
		if len(r.Body) == 0 {
			return api.Reply{}, api.Errorf(http.StatusBadRequest, "HTTPBadRequest", "no body")
		}
		s.made++
		return api.Reply{Status: http.StatusCreated, Body: map[string]string{"name": "a port with a long name"}}, nil
	})
	m.Handle("GET /v2.0/ports/{id}", func(*api.Request) (api.Reply, error) { return api.Reply{Body: "port"}, nil })
	m.Handle("DELETE /v2.0/ports/{id}", func(*api.Request) (api.Reply, error) { return api.Reply{Status: http.StatusNoContent}, nil })
	s.Handler = f.Wrap(m)
	return s
}

// cut is the status of a call whose connection ended without an answer.
const cut = 0

// do makes a call as alice of the project demo.
func (s *service) do(method, path, body string) *httptest.ResponseRecorder {
	return s.as("a", method, path, body)
}

func (s *service) as(token, method, path, body string) (w *httptest.ResponseRecorder) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body == "" {
		r.Body = http.NoBody
	}
	r.Header.Set("X-Auth-Token", token)
	w = httptest.NewRecorder()
	w.Code = cut
	defer func() {
		if p := recover(); !aborted(p) && p != nil {
			panic(p)
		}
	}()
	s.ServeHTTP(w, r)
	return w
}

// aborted tells whether a panic ends a connection.
func aborted(p any) bool {
	err, ok := p.(error)
	return ok && errors.Is(err, http.ErrAbortHandler)
}

func (s *service) post() int { return s.do("POST", "/v2.0/ports", `{"port": {"name": "web"}}`).Code }

func newFaults(t *testing.T, settings string) *Faults {
	t.Helper()
	s, err := Read("faults.yaml", []byte(settings))
	if err != nil {
		t.Fatal(err)
	}
	f, err := New(Options{Settings: s})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTheThirdCreateIsCutAfterItTookEffect(t *testing.T) {
	f := newFaults(t, `rules: [{match: {service: network, method: POST, path: /v2.0/ports}, skip: 2, count: 1, after: true, answer: drop}]`)
	s := newService(f, "network")
	var got []int
	for range 4 {
		got = append(got, s.post())
	}
	if want := []int{201, 201, cut, 201}; !slices.Equal(got, want) || s.made != 4 {
		t.Errorf("answers %v, want %v; %d ports made", got, want, s.made)
	}
	calls := f.Calls(2)
	if len(calls) != 2 || calls[0].Status != 0 || calls[0].RequestID == "" || calls[0].Faults[0] != "rule 1" {
		t.Errorf("log of the third and fourth: %+v", calls)
	}
}

func TestAnErrorBeforeTheEffectLeavesNothingAndHasTheServicesForm(t *testing.T) {
	f := newFaults(t, `rules: [{name: full, match: {path: /v2.0/ports}, answer: error, status: 503, retryAfter: 1500ms}]`)
	s := newService(f, "network")
	w := s.do("POST", "/v2.0/ports", "{}")
	if w.Code != 503 || s.made != 0 || w.Header().Get("Retry-After") != "2" || w.Header().Get(requestID) == "" {
		t.Errorf("answer %d %v, %d ports made", w.Code, w.Header(), s.made)
	}
	want := `{"message":"Service Unavailable (an injected fault: full).","type":"HTTPServiceUnavailable"}`
	if w.Body.String() != want {
		t.Errorf("body %s, want %s", w.Body, want)
	}
	f.Clear()
	if got := s.post(); got != 201 {
		t.Errorf("without faults: %d", got)
	}
}

func TestTheQuotaIsExceededInTheServicesWords(t *testing.T) {
	for path, want := range map[string]struct {
		service string
		status  int
		text    string
	}{
		"/v2.0/ports":                {"network", 409, "Quota exceeded for resources: ['port']."},
		"/v2.0/security-group-rules": {"network", 409, "Quota exceeded for resources: ['security_group_rule']."},
		"/v2.0/rbac-policies":        {"network", 409, "Quota exceeded for resources: ['rbac_policy']."},
		"/v2/lbaas/loadbalancers":    {"load-balancer", 403, "Quota has been met for resources: Load Balancer"},
		"/v2/lbaas/l7policies":       {"load-balancer", 403, "Quota has been met for resources: L7 Policy"},
	} {
		f := newFaults(t, `rules: [{answer: quota}]`)
		w := newService(f, want.service).do("POST", path, "{}")
		if w.Code != want.status || !strings.Contains(w.Body.String(), want.text) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestOnlyWhatMatchesIsMet(t *testing.T) {
	yes := []string{
		"{}", "{service: network}", "{method: POST}", "{path: /v2.0/ports}", "{path: /v2.0/*}", "{path: /**}", "{path: /v2.0/ports/**}",
		"{bulk: true}", "{project: demo}", "{project: '1'}", "{user: alice}", "{contains: web2}",
	}
	no := []string{
		"{service: identity}", "{method: PUT}", "{path: /v2.0/ports/*}", "{path: /v2.0}", "{path: /v2.0/ports/{id}/x/**}",
		"{bulk: false}", "{project: other}", "{user: bob}", "{contains: web3}",
	}
	for i, match := range append(yes, no...) {
		f := newFaults(t, `rules: [{answer: drop, match: `+strings.ReplaceAll(match, "{id}", "*")+`}]`)
		s := newService(f, "network")
		got := s.do("POST", "/v2.0/ports", `{"ports": [{"name": "web"}, {"name": "web2"}]}`).Code
		if want := map[bool]int{true: cut, false: 201}[i < len(yes)]; got != want {
			t.Errorf("%s: %d, want %d", match, got, want)
		}
	}
}

func TestAnAnswerCanStopInItsMiddle(t *testing.T) {
	f := newFaults(t, `rules: [{answer: truncate}]`)
	server := httptest.NewServer(newService(f, "network"))
	defer server.Close()
	r, err := http.NewRequest("POST", server.URL+"/v2.0/ports", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Auth-Token", "a")
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) || len(b) == 0 {
		t.Errorf("read %q, %v", b, err)
	}
}

func TestACutConnectionIsInTheLogBeforeTheClientSeesIt(t *testing.T) {
	f := newFaults(t, `rules: [{answer: drop}]`)
	server := httptest.NewServer(newService(f, "network"))
	defer server.Close()
	for i := range 10 {
		resp, err := server.Client().Post(server.URL+"/v2.0/ports", "application/json", strings.NewReader("{}"))
		if err == nil {
			_ = resp.Body.Close()
			t.Fatalf("answered %s", resp.Status)
		}
		if n := f.Count("POST /v2.0/ports"); n != i+1 {
			t.Fatalf("%d calls in the log after %d", n, i+1)
		}
	}
}

func TestCallsAreSlowedDownAsManyTimesAsTheyHaveItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFaults(t, `rules: [{delay: 1s, itemDelay: 100ms}, {after: true, delay: 10s}]`)
		s := newService(f, "network")
		for body, want := range map[string]time.Duration{
			`{"port": {}}`:            11*time.Second + 100*time.Millisecond,
			`{"ports": [{}, {}, {}]}`: 11*time.Second + 300*time.Millisecond,
		} {
			began := time.Now()
			s.do("POST", "/v2.0/ports", body)
			if took := time.Since(began); took != want {
				t.Errorf("%s: %v, want %v", body, took, want)
			}
		}
		if c := f.Calls(0)[1]; c.Seconds < 11 {
			t.Errorf("the log says %v s", c.Seconds)
		}
	})
}

func TestWhatHangsEndsWithTheClientOrTheFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFaults(t, `rules: [{answer: hang}, {name: never reached, answer: drop}]`)
		s := newService(f, "network")
		ctx, leave := context.WithCancel(t.Context())
		done := make(chan bool, 2)
		go func() { done <- s.post() == cut }()
		go func() {
			defer func() { done <- aborted(recover()) }()
			s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/v2.0/ports/1", nil).WithContext(ctx))
		}()
		synctest.Wait()
		if len(done) != 0 || f.InFlight() != 2 {
			t.Fatalf("%d ended, %d in flight", len(done), f.InFlight())
		}
		leave()
		synctest.Wait()
		if len(done) != 1 {
			t.Fatalf("%d ended when one client left", len(done))
		}
		f.Clear()
		for range 2 {
			if !<-done {
				t.Error("a call that hung was answered")
			}
		}
		if s.made != 0 {
			t.Error("a call that hung was served")
		}
		if got := f.Fired(); got["rule 1"] != 2 || len(got) != 1 {
			t.Errorf("fired: %v", got)
		}
	})
}

func TestRateLimitsSayWhenToComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFaults(t, `rateLimits: [{match: {method: POST}, rate: 0.5, burst: 2, by: [project, kind]}]`)
		s := newService(f, "network")
		for i, want := range []int{201, 201, 429, 429} {
			if got := s.post(); got != want {
				t.Errorf("call %d: %d, want %d", i, got, want)
			}
		}
		w := s.do("POST", "/v2.0/ports", "{}")
		if w.Header().Get("Retry-After") != "2" || s.made != 2 {
			t.Errorf("Retry-After %q, %d ports made", w.Header().Get("Retry-After"), s.made)
		}
		if got := s.as("b", "POST", "/v2.0/ports", "{}").Code; got != 201 {
			t.Errorf("another project: %d", got)
		}
		if got := s.do("GET", "/v2.0/ports/1", "").Code; got != 200 {
			t.Errorf("another method: %d", got)
		}
		time.Sleep(2 * time.Second)
		if a, b := s.post(), s.post(); a != 201 || b != 429 {
			t.Errorf("two seconds later: %d, %d", a, b)
		}
	})
}

func TestTheSameSeedMeetsTheSameCalls(t *testing.T) {
	settings := `{seed: 7, rules: [{probability: 0.3, answer: error, status: 500}, {probability: 0.3, answer: drop}]}`
	run := func(f *Faults) (statuses []int) {
		s := newService(f, "network")
		for range 200 {
			statuses = append(statuses, s.post())
		}
		return statuses
	}
	f := newFaults(t, settings)
	first := run(f)
	if err := f.Set(f.Settings()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, run(f)); diff != "" {
		t.Error(diff)
	}
	counts := map[int]int{}
	for _, s := range first {
		counts[s]++
	}
	for _, status := range []int{201, 500, cut} {
		if counts[status] < 20 {
			t.Errorf("of 200: %v", counts)
		}
	}
}

func TestAddedRulesLeaveTheOthersCounting(t *testing.T) {
	f := newFaults(t, `rules: [{count: 1, answer: drop}]`)
	s := newService(f, "network")
	first := s.post()
	if err := f.Add(Rule{Match: Match{Method: "POST"}, Answer: Error, Status: 500, Count: 1}); err != nil {
		t.Fatal(err)
	}
	if got := []int{first, s.post(), s.post()}; !slices.Equal(got, []int{cut, 500, 201}) {
		t.Errorf("answers %v", got)
	}
	if err := f.Add(Rule{Answer: Error}); err == nil {
		t.Error("an error without a status was accepted")
	}
}

func TestDelaysOfTheServicesFollowTheSettings(t *testing.T) {
	f := newFaults(t, "{portActiveDelay: 3s, loadBalancerDelay: uniform 1s 2s, amphoraCreateDelay: 0s}")
	if d := f.PortActiveDelay(); d != 3*time.Second {
		t.Errorf("port: %v", d)
	}
	if d := f.LoadBalancerDelay(); d < time.Second || d > 2*time.Second {
		t.Errorf("load balancer: %v", d)
	}
	if d := f.AmphoraDelay(true); d != 0 {
		t.Errorf("amphora, as set: %v", d)
	}
	f.Clear()
	if f.PortActiveDelay() != 0 || f.LoadBalancerDelay() != 0 {
		t.Error("a delay is left")
	}
	if create, update := f.AmphoraDelay(true), f.AmphoraDelay(false); create != 3*time.Second || update != 300*time.Millisecond {
		t.Errorf("amphora, as it is: %v, %v", create, update)
	}
}
