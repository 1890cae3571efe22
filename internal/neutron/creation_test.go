// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kuryr-go/kuryr/internal/cloud"
	"github.com/kuryr-go/kuryr/internal/cloud/faults"
	"github.com/kuryr-go/kuryr/internal/fault"
)

// hold takes all slots of a client until the function that it gives is
// called, so that what is asked for in between waits together.
func hold(c *Client) (release func()) {
	s := c.scheduler
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan.running += s.plan.limit.most
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.plan.running -= s.plan.limit.most
		s.advance()
	}
}

// startAll asks for ports that wait together.
func startAll(ctx context.Context, c *Client, specs ...PortCreate) []*Creation {
	defer hold(c)()
	var all []*Creation
	for _, s := range specs {
		all = append(all, c.StartPort(ctx, s))
	}
	return all
}

// numbered gives n specifications of ports on a network.
func numbered(network string, n int) []PortCreate {
	specs := make([]PortCreate, n)
	for i := range specs {
		specs[i] = PortCreate{NetworkID: network, Name: fmt.Sprint("port", i)}
	}
	return specs
}

// one bounds a client to one request at a time.
func one(o *Options) { o.Concurrency = 1 }

// patient lets a bulk take as long as it likes.
func patient(o *Options) { o.BulkTime = time.Minute }

func TestPortsThatWaitTogetherAreOneRequest(t *testing.T) {
	e := newEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if want := `{"ports":[{"network_id":"n","name":"a"},{"network_id":"n","name":"b"}]}`; string(body) != want {
			t.Errorf("body %s", body)
		}
		// Not in the order of the request, which Neutron keeps.
		answer(201, `{"ports": [{"id": "2", "name": "b"}, {"id": "1", "name": "a"}]}`)(w, r)
	})
	for _, p := range []Priority{Refill, Waiting} {
		all := startAll(WithPriority(t.Context(), p), e.client(t, one), PortCreate{NetworkID: "n", Name: "a"}, PortCreate{NetworkID: "n", Name: "b"})
		for i, creation := range all {
			if p, err := creation.Wait(t.Context()); err != nil || p.ID != fmt.Sprint(i+1) {
				t.Errorf("%+v, %v", p, err)
			}
		}
	}
}

func TestAnAnswerAboutOtherPortsIsNobodys(t *testing.T) {
	for _, body := range []string{`{"ports": [{"name": "port0"}]}`, `{"ports": [{"name": "port0"}, {"name": "else"}]}`} {
		e := newEndpoint(t, answer(201, body))
		for _, creation := range startAll(t.Context(), e.client(t, one), numbered("n", 2)...) {
			if p, err := creation.Wait(t.Context()); !fault.Is(err, fault.Internal) || !MayExist(err) || p.Name != "" {
				t.Errorf("%s: %+v, %v", body, p, err)
			}
		}
	}
}

// bulks gives the number of ports in each request to make ports that the
// cloud was sent, in their order, with the status of the answer.
func (s *site) bulks() (list []string) {
	for _, e := range s.Faults().Calls(0) {
		if e.Kind == "POST /v2.0/ports" {
			list = append(list, fmt.Sprintf("%d: %d", e.Items, e.Status))
		}
	}
	return list
}

func TestAPortThatIsRefusedFailsAlone(t *testing.T) {
	s := newSite(t)
	specs := numbered(s.networkID, 16)
	specs[5].SecurityGroups = []string{"00000000-0000-4000-8000-000000000000"}
	for i, creation := range startAll(t.Context(), s.client(t, one, patient), specs...) {
		p, err := creation.Wait(t.Context())
		switch {
		case i == 5 && (!fault.Is(err, fault.NotFound) || ErrorType(err) != TypeGroupNotFound || MayExist(err)):
			t.Errorf("the one at fault: %v", err)
		case i != 5 && (err != nil || p.Name != specs[i].Name):
			t.Errorf("port %d: %+v, %v", i, p, err)
		}
	}
	want := []string{"8: 404", "4: 201", "4: 404", "2: 404", "1: 201", "1: 404", "2: 201", "8: 201"}
	if diff := cmp.Diff(want, s.bulks()); diff != "" {
		t.Error(diff)
	}
}

func TestWhatFitsIntoTheQuotaIsMade(t *testing.T) {
	s := newSite(t, func(s *cloud.Seed) { s.Network.Quota = map[string]int{"port": 5} })
	c := s.client(t)
	var made, refused int
	for _, creation := range startAll(WithPriority(t.Context(), Refill), c, numbered(s.networkID, 10)...) {
		switch _, err := creation.Wait(t.Context()); {
		case err == nil:
			made++
		case fault.Is(err, fault.Quota) && !MayExist(err):
			refused++
		default:
			t.Error(err)
		}
	}
	if made != 5 || refused != 5 {
		t.Errorf("%d made, %d refused: %v", made, refused, s.bulks())
	}
}

func TestAfterALostAnswerNothingIsSentAgain(t *testing.T) {
	s := newSite(t)
	for name, rule := range map[string]faults.Rule{
		"cut":           {Answer: faults.Drop, After: true},
		"cut before":    {Answer: faults.Drop},
		"in the middle": {Answer: faults.Truncate},
		"error 500":     {Answer: faults.Error, Status: 500, After: true},
		"error 503":     {Answer: faults.Error, Status: 503, After: true},
		"error 408":     {Answer: faults.Error, Status: 408},
		"error 429":     {Answer: faults.Error, Status: 429},
	} {
		rule.Match = faults.Match{Method: http.MethodPost, Path: "/v2.0/ports"}
		if err := s.Faults().Add(rule); err != nil {
			t.Fatal(err)
		}
		before := len(s.bulks())
		for i, creation := range startAll(t.Context(), s.client(t, one), numbered(s.networkID, 3)...) {
			if _, err := creation.Wait(t.Context()); err == nil || !MayExist(err) {
				t.Errorf("%s: port %d: %v", name, i, err)
			}
		}
		if n := len(s.bulks()) - before; n != 1 {
			t.Errorf("%s: %d requests", name, n)
		}
		s.Faults().Clear()
	}
}

func TestACloudThatAsksForAPauseGetsIt(t *testing.T) {
	s := newSite(t)
	const pause = time.Second
	posts := faults.Match{Method: http.MethodPost, Path: "/v2.0/ports"}
	if err := s.Faults().Add(faults.Rule{Match: posts, Count: 1, Answer: faults.Error, Status: 429, RetryAfter: faults.Seconds(pause)}); err != nil {
		t.Fatal(err)
	}
	c := s.client(t)
	_, err := c.CreatePort(t.Context(), PortCreate{NetworkID: s.networkID})
	if refused, _ := fault.As(err); refused == nil || refused.Class != fault.OverLimit || refused.RetryAfter != pause {
		t.Fatalf("got %v", err)
	}
	var waiting []*Creation
	for p := range Waiting + 1 {
		waiting = append(waiting, c.StartPort(WithPriority(t.Context(), p), PortCreate{NetworkID: s.networkID}))
	}
	if _, err := c.Ports(t.Context(), PortFilter{NetworkID: s.networkID}); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := c.CreatePort(ctx, PortCreate{}); err == nil || MayExist(err) {
		t.Errorf("given up during the pause: %v", err)
	}
	for _, creation := range waiting {
		if _, err := creation.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
	var last faults.Call
	for _, call := range s.Faults().Calls(0) {
		if call.Kind != "POST /v2.0/ports" {
			continue
		}
		if last.Status == 429 && call.Time.Sub(last.Time) < pause {
			t.Errorf("sent %v after the refusal", call.Time.Sub(last.Time))
		}
		last = call
	}
}

func TestAContainersPortIsMadeBeforeTheRefill(t *testing.T) {
	s := newSite(t)
	c := s.client(t, one, patient)
	release := hold(c)
	var all []*Creation
	for range 200 {
		all = append(all, c.StartPort(WithPriority(t.Context(), Refill), PortCreate{NetworkID: s.networkID}))
	}
	all = append(all, c.StartPort(t.Context(), PortCreate{NetworkID: s.networkID, Name: "waits"}))
	release()
	for _, creation := range all {
		if _, err := creation.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	bulks := s.bulks()
	if bulks[0] != "1: 201" || len(bulks) > 50 {
		t.Errorf("%d requests: %v", len(bulks), bulks)
	}
}

func TestWhoGaveUpIsNotSent(t *testing.T) {
	s := newSite(t)
	c := s.client(t, one)
	release := hold(c)
	ctx, cancel := context.WithCancel(t.Context())
	specs := numbered(s.networkID, 4)
	given := []*Creation{c.StartPort(ctx, specs[0]), c.StartPort(ctx, specs[2])}
	kept := []*Creation{c.StartPort(t.Context(), specs[1]), c.StartPort(t.Context(), specs[3])}
	cancel()
	for _, creation := range given {
		if _, err := creation.Wait(ctx); !fault.Is(err, fault.Unavailable) || MayExist(err) {
			t.Errorf("given up: %v", err)
		}
		<-creation.Done()
	}
	release()
	for i, creation := range kept {
		if p, err := creation.Wait(t.Context()); err != nil || p.Name != specs[2*i+1].Name {
			t.Errorf("%+v, %v", p, err)
		}
	}
	if bulks := s.bulks(); !slices.Equal(bulks, []string{"2: 201"}) {
		t.Errorf("sent %v", bulks)
	}
}

// A port whose caller goes while its bulk is refused is not asked for again.
func TestWhoGaveUpMeanwhileIsNotSentAgain(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var bodies atomic.Int32
	e := newEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		if bodies.Add(1) == 1 {
			cancel()
			answer(409, `{"NeutronError": {"type": "OverQuota", "message": "no"}}`)(w, r)
			return
		}
		body, _ := io.ReadAll(r.Body)
		if want := `{"port":{"network_id":"n","name":"stays"}}`; string(body) != want {
			t.Errorf("body %s", body)
		}
		answer(201, `{"port": {"id": "1", "name": "stays"}}`)(w, r)
	})
	c := e.client(t, one)
	release := hold(c)
	goes := c.StartPort(ctx, PortCreate{NetworkID: "n", Name: "goes"})
	stays := c.StartPort(t.Context(), PortCreate{NetworkID: "n", Name: "stays"})
	release()
	if p, err := stays.Wait(t.Context()); err != nil || p.ID != "1" {
		t.Errorf("%+v, %v", p, err)
	}
	<-goes.Done()
	if _, err := goes.Wait(t.Context()); !fault.Is(err, fault.Unavailable) || MayExist(err) {
		t.Errorf("got %v", err)
	}
}

func TestABulkIsNotHalvedForBadCredentials(t *testing.T) {
	var sent atomic.Int32
	e := newEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		sent.Add(1)
		answer(401, `{"error": {"code": 401, "title": "Unauthorized", "message": "no"}}`)(w, r)
	})
	for _, creation := range startAll(t.Context(), e.client(t, one), numbered("n", 4)...) {
		if _, err := creation.Wait(t.Context()); !fault.Is(err, fault.Unauthorized) || MayExist(err) {
			t.Errorf("got %v", err)
		}
	}
	if sent.Load() > 2 { // once more with a new token
		t.Errorf("%d requests", sent.Load())
	}
}

func TestAPortMayExistUnlessItWasRefusedOrNeverAskedFor(t *testing.T) {
	if MayExist(nil) || !MayExist(errors.New("anything")) {
		t.Error("nil or an unknown error")
	}
	for status, want := range map[int]bool{400: false, 403: false, 404: false, 409: false, 408: true, 429: true, 500: true, 502: true, 503: true} {
		if got := MayExist(fmt.Errorf("wrapped: %w", &APIError{Status: status})); got != want {
			t.Errorf("%d: %v", status, got)
		}
	}
	refusing := newEndpoint(t, func(http.ResponseWriter, *http.Request) {})
	refusing.login = answer(500, "")
	if _, err := refusing.client(t).CreatePort(t.Context(), PortCreate{}); err == nil || MayExist(err) {
		t.Errorf("the login failed: %v", err)
	}
	gone := newEndpoint(t, func(http.ResponseWriter, *http.Request) {})
	c := gone.client(t)
	gone.Close()
	if _, err := c.CreatePort(t.Context(), PortCreate{}); !fault.Is(err, fault.Unavailable) || MayExist(err) {
		t.Errorf("nobody listens: %v", err)
	}
	slow := newEndpoint(t, func(_ http.ResponseWriter, r *http.Request) {
		// A server sees that its client is gone once it has read the body.
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	c = slow.client(t, func(o *Options) { o.RequestTimeout = 200 * time.Millisecond })
	if _, err := c.CreatePort(t.Context(), PortCreate{}); !fault.Is(err, fault.Unavailable) || !MayExist(err) {
		t.Errorf("no answer in time: %v", err)
	}
}

// maker is a Neutron that makes ports by name, refuses some names, has room
// for so many, and loses some answers.
type maker struct {
	mu   sync.Mutex
	room int
	made map[string]int
	// lost tells which requests' answers are lost, by the first of their names.
	lost map[string]bool
}

func (m *maker) serve(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Port  *PortCreate
		Ports []PortCreate
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		panic(err)
	}
	specs := body.Ports
	if body.Port != nil {
		specs = []PortCreate{*body.Port}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.ContainsFunc(specs, func(s PortCreate) bool { return strings.HasPrefix(s.Name, "bad") }) {
		answer(400, `{"NeutronError": {"type": "HTTPBadRequest", "message": "bad"}}`)(w, r)
		return
	}
	if m.room -= len(specs); m.room < 0 {
		m.room += len(specs)
		answer(409, `{"NeutronError": {"type": "OverQuota", "message": "no"}}`)(w, r)
		return
	}
	var ports []map[string]any
	for _, s := range specs {
		m.made[s.Name]++
		ports = append(ports, map[string]any{"id": "id of " + s.Name, "name": s.Name})
	}
	if m.lost[specs[0].Name] {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(http.StatusCreated)
	if body.Port != nil {
		_ = json.NewEncoder(w).Encode(map[string]any{"port": ports[0]})
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"ports": ports})
}

// Whatever is asked for together, refused, lost and given up: everybody gets
// the own port or the own error, nothing is made twice, and what shall not
// exist does not.
func TestEverybodyGetsTheOwnPortOrTheOwnError(t *testing.T) {
	var m *maker
	e := newEndpoint(t, func(w http.ResponseWriter, r *http.Request) { m.serve(w, r) })
	e.Config.ErrorLog = discardErrors()
	c := e.client(t)
	rapid.Check(t, func(t *rapid.T) {
		m = &maker{room: rapid.IntRange(0, 40).Draw(t, "room"), made: map[string]int{}, lost: map[string]bool{}}
		release := hold(c)
		names := map[*Creation]string{}
		given, giveUp := context.WithCancel(context.Background())
		defer giveUp()
		for i := range rapid.IntRange(1, 30).Draw(t, "ports") {
			kind := rapid.SampledFrom([]string{"good", "good", "good", "bad", "lost", "gone"}).Draw(t, "kind")
			name, ctx := fmt.Sprint(kind, i), context.Background()
			switch kind {
			case "lost":
				m.lost[name] = true
			case "gone":
				ctx = given
			}
			p := Priority(rapid.IntRange(int(Refill), int(Waiting)).Draw(t, "priority"))
			names[c.StartPort(WithPriority(ctx, p), PortCreate{Name: name})] = name
		}
		release()
		giveUp()
		for creation, name := range names {
			<-creation.Done()
			port, err := creation.Wait(context.Background())
			m.mu.Lock()
			made := m.made[name]
			m.mu.Unlock()
			switch {
			case made > 1:
				t.Fatalf("%s was made %d times", name, made)
			case err == nil && (made != 1 || port.Name != name || port.ID != "id of "+name):
				t.Fatalf("%s got %+v", name, port)
			case err != nil && !MayExist(err) && made != 0:
				t.Fatalf("%s was made: %v", name, err)
			case strings.HasPrefix(name, "bad") != (ErrorType(err) == "HTTPBadRequest"):
				t.Fatalf("%s: %v", name, err)
			}
		}
		if l := c.Load(); l.Running != 0 || l.Queued[Refill]+l.Queued[Waiting] != 0 {
			t.Fatalf("left behind: %+v", l)
		}
	})
}
