// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// tokenGuard answers 401 to every token but the newest.
func tokenGuard(e *endpoint, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Auth-Token") != fmt.Sprintf("token-%d", e.logins.Load()) {
			answer(401, `{"error": {"code": 401, "title": "Unauthorized", "message": "expired"}}`)(w, r)
			return
		}
		next(w, r)
	}
}

func TestNewMakesNoRequest(t *testing.T) {
	e := newEndpoint(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s", r.Method, r.URL) })
	e.client(t)
	if n := e.logins.Load(); n != 0 {
		t.Errorf("%d logins", n)
	}
}

func TestARefusedTokenIsRenewedOnceForAll(t *testing.T) {
	var e *endpoint
	e = newEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		tokenGuard(e, answer(200, `{"port": {"id": "x"}}`))(w, r)
	})
	c := e.client(t)
	if _, err := c.Port(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	e.logins.Add(100) // token-1 is no good any more
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := c.Port(t.Context(), "x"); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	// A request that set out with the old token may come back after the
	// renewal; it does not renew again. So one login, for eight refusals.
	if n := e.logins.Load(); n != 102 {
		t.Errorf("%d logins after the refusal, want 1", n-101)
	}
}

func TestARenewalBrokenOffByOneCallerDoesNotFailAnother(t *testing.T) {
	renewing, goOn := make(chan struct{}), make(chan struct{})
	var e *endpoint
	e = newEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		tokenGuard(e, answer(200, `{"port": {"id": "x"}}`))(w, r)
	})
	c := e.client(t)
	if _, err := c.Port(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	e.logins.Add(100)
	var once sync.Once
	e.login = func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() {
			close(renewing)
			select {
			case <-goOn:
			case <-r.Context().Done():
			}
		})
		e.grant(w, e.logins.Load())
	}
	impatient, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { _, err := c.Port(impatient, "x"); first <- err }()
	<-renewing
	second := make(chan error, 1)
	go func() { _, err := c.Port(t.Context(), "x"); second <- err }()
	cancel()
	if err := <-first; !fault.Is(err, fault.Unavailable) {
		t.Errorf("first: %v", err)
	}
	close(goOn)
	if err := <-second; err != nil {
		t.Errorf("second: %v", err)
	}
}

func TestConcurrentFirstCallsShareOneLogin(t *testing.T) {
	e := newEndpoint(t, answer(200, `{"port": {"id": "x"}}`))
	c := e.client(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := c.Port(t.Context(), "x"); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := e.logins.Load(); n != 1 {
		t.Errorf("%d logins", n)
	}
}

func TestRefusedCredentialsAreNotTriedAgainAtOnce(t *testing.T) {
	e := newEndpoint(t, answer(200, "{}"))
	e.login = answer(401, `{"error": {"code": 401, "title": "Unauthorized", "message": "wrong"}}`, requestIDHeader, "req-7")
	c := e.client(t)
	for range 5 {
		_, err := c.Port(t.Context(), "x")
		if !fault.Is(err, fault.Unauthorized) || !strings.Contains(err.Error(), "keystone: log in: ") || !strings.Contains(err.Error(), "req-7") {
			t.Fatalf("got %v", err)
		}
	}
	if n := e.logins.Load(); n != 1 {
		t.Errorf("%d logins; an account may be locked after a few", n)
	}
}

func TestAKeystoneThatIsAwayIsTriedWithEveryCall(t *testing.T) {
	e := newEndpoint(t, answer(200, `{"port": {"id": "x"}}`))
	e.login = answer(503, "")
	c := e.client(t)
	if _, err := c.Port(t.Context(), "x"); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("got %v", err)
	}
	e.login = nil
	if _, err := c.Port(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
}

func TestAMissingEndpointIsNamed(t *testing.T) {
	e := newEndpoint(t, answer(200, "{}"))
	c := e.client(t, func(o *Options) { o.Region, o.Interface = "Atlantis", "internal" })
	_, err := c.Scope(t.Context())
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), `no internal endpoint of type network in region "Atlantis"`) {
		t.Errorf("got %v", err)
	}
}

func TestScopeTellsWhoAndWhere(t *testing.T) {
	e := newEndpoint(t, answer(200, "{}"))
	c := e.client(t)
	got, err := c.Scope(t.Context())
	want := Scope{ProjectID: "p1", ProjectName: "demo", UserName: "kuryr", Endpoint: e.URL + "/"}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if c.AuthURL() != e.URL+"/v3" || c.Region() != "R1" {
		t.Errorf("%s %s", c.AuthURL(), c.Region())
	}
}

func TestNobodyLogsInWhileKeystoneAsksForAPause(t *testing.T) {
	e := newEndpoint(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s", r.Method, r.URL) })
	e.login = answer(429, "", "Retry-After", "600")
	c := e.client(t)
	for range 3 {
		if _, err := c.CreatePort(t.Context(), PortCreate{}); !fault.Is(err, fault.OverLimit) || MayExist(err) {
			t.Errorf("got %v", err)
		}
	}
	load := c.Load()
	if _, paused := load.PausedUntil["keystone"]; e.logins.Load() != 1 || !paused || len(load.PausedUntil) != 1 {
		t.Errorf("%d logins, %+v", e.logins.Load(), load)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	err := c.do(ctx, call{service: keystone, operation: "list projects", method: http.MethodGet})
	if !fault.Is(err, fault.OverLimit) || !strings.Contains(err.Error(), "keystone: list projects: not sent: the cloud asked for a pause until") {
		t.Errorf("got %v", err)
	}
}

func TestATokenIsNotRenewedAgainRightAfterARefusal(t *testing.T) {
	var e *endpoint
	e = newEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		tokenGuard(e, answer(200, `{"port": {"id": "x"}}`))(w, r)
	})
	c := e.client(t)
	if _, err := c.Port(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	e.logins.Add(100) // token-1 is no good any more
	e.login = answer(401, `{"error": {"code": 401, "title": "Unauthorized", "message": "locked"}}`)
	for range 3 {
		if _, err := c.CreatePort(t.Context(), PortCreate{}); !fault.Is(err, fault.Unauthorized) || MayExist(err) {
			t.Errorf("got %v", err)
		}
	}
	if n := e.logins.Load(); n != 102 {
		t.Errorf("%d logins after the refusal, want 1", n-101)
	}
}
