// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kuryr-go/kuryr/internal/fault"
)

func TestEveryAnswerIsClassifiedOnce(t *testing.T) {
	neutronSays := func(typ, message string) string {
		return fmt.Sprintf(`{"NeutronError": {"type": %q, "message": %q, "detail": ""}}`, typ, message)
	}
	policy := "((rule:create_port and rule:create_port:device_owner) and rule:create_port:binding:host_id) is disallowed by policy"
	tests := []struct {
		name   string
		status int
		body   string
		header []string
		class  fault.Class
		says   []string
		wait   time.Duration
	}{
		{name: "bad request", status: 400, body: neutronSays("InvalidIpForNetwork", "IP address 10.9.9.9 is not valid"), class: fault.Invalid, says: []string{"create port", "InvalidIpForNetwork", "10.9.9.9"}},
		{name: "token refused twice", status: 401, body: `{"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}}`, class: fault.Unauthorized, says: []string{"requires authentication", "check the credentials"}},
		{name: "policy", status: 403, body: neutronSays("PolicyNotAuthorized", policy), class: fault.Unauthorized, says: []string{"policy rule create_port:binding:host_id"}},
		{name: "gone", status: 404, body: neutronSays("NetworkNotFound", "Network x could not be found."), class: fault.NotFound, says: []string{"NetworkNotFound"}},
		{name: "404 of a proxy", status: 404, body: "<html><head><title>404 Not Found</title></head><body>nginx</body></html>", class: fault.Unavailable, says: []string{"404 Not Found", "not an OpenStack answer"}},
		{name: "in use", status: 409, body: neutronSays("IpAddressAlreadyAllocated", "IP address 10.0.0.1 already allocated"), class: fault.Conflict},
		{name: "quota", status: 409, body: neutronSays("OverQuota", "Quota exceeded for resources: ['port']."), header: []string{requestIDHeader, "req-42"}, class: fault.Quota, says: []string{"Quota exceeded for resources: ['port'].", "request id req-42"}},
		{name: "subnet exhausted", status: 409, body: neutronSays("IpAddressGenerationFailure", "No more IP addresses available on network x."), class: fault.Quota},
		{name: "revision", status: 412, body: neutronSays("RevisionNumberConstraintFailed", "Constrained to 3, but current revision is 4"), class: fault.Conflict},
		{name: "too large", status: 413, body: "", class: fault.Invalid, says: []string{"Request Entity Too Large"}},
		{name: "unprocessable", status: 422, body: "{}", class: fault.Invalid},
		{name: "rate limit", status: 429, body: `{"overLimit": {"code": 429, "message": "slow down"}}`, header: []string{"Retry-After", "7"}, class: fault.OverLimit, wait: 7 * time.Second, says: []string{"slow down"}},
		{name: "rate limit of old", status: 413, body: `{"overLimit": {"code": 413, "message": "slow down"}}`, header: []string{"Retry-After", "7"}, class: fault.OverLimit, wait: 7 * time.Second},
		{name: "rate limit without a time", status: 429, body: "", class: fault.OverLimit},
		{name: "busy", status: 503, body: "", header: []string{"Retry-After", "2"}, class: fault.OverLimit, wait: 2 * time.Second},
		{name: "down", status: 503, body: "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>", class: fault.Unavailable, says: []string{"503 Service Unavailable No server is available"}},
		{name: "bug", status: 500, body: neutronSays("HTTPInternalServerError", "Request Failed: internal server error while processing your request."), class: fault.Unavailable},
		{name: "gateway", status: 504, body: "", class: fault.Unavailable},
		{name: "not implemented", status: 501, body: "", class: fault.Internal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newEndpoint(t, answer(tt.status, tt.body, tt.header...))
			_, err := e.client(t).CreatePort(t.Context(), PortCreate{NetworkID: "x"})
			f, ok := fault.As(err)
			if !ok {
				t.Fatalf("not classified: %v", err)
			}
			if f.Class != tt.class || f.RetryAfter != tt.wait {
				t.Errorf("class %q, retry after %v; want %q, %v (%v)", f.Class, f.RetryAfter, tt.class, tt.wait, err)
			}
			for _, s := range tt.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %q", err, s)
				}
			}
			var cause *APIError
			if !errors.As(err, &cause) || cause.Status != tt.status {
				t.Errorf("the cause is %#v, want an APIError with status %d", cause, tt.status)
			}
		})
	}
}

func TestAnEnormousErrorBodyIsCutAndStillNamesTheFailure(t *testing.T) {
	page := "<html><body><p>gateway trouble</p>" + strings.Repeat("<b>x", 10<<20/4)
	e := newEndpoint(t, answer(http.StatusBadGateway, page))
	_, err := e.client(t).Port(t.Context(), "x")
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "gateway trouble") || len(err.Error()) > 1000 {
		t.Errorf("got %d bytes: %.300v", len(err.Error()), err)
	}
}

func TestAnEndlessAnswerFails(t *testing.T) {
	e := newEndpoint(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"port": "`))
		chunk := bytes.Repeat([]byte("x"), 1<<20)
		for range 80 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	// Time enough for 64 MiB on a busy machine: the length alone may end it.
	_, err := e.client(t, func(o *Options) { o.RequestTimeout = time.Hour }).Port(t.Context(), "x")
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "longer than 64 MiB") {
		t.Errorf("got %.300v", err)
	}
}

func TestASecretQuotedByAProxyIsNotRepeated(t *testing.T) {
	e := newEndpoint(t, answer(200, ""))
	e.login = answer(http.StatusBadGateway, "could not pass on {\"password\": \""+testSecret+"\"}")
	var log bytes.Buffer
	_, err := e.client(t, func(o *Options) { o.Logger = debugLog(&log) }).Port(t.Context(), "x")
	if err == nil || !strings.Contains(err.Error(), "could not pass on") || !strings.Contains(err.Error(), "***") {
		t.Errorf("the message is lost: %v", err)
	}
	for chain := err; chain != nil; chain = errors.Unwrap(chain) {
		if strings.Contains(chain.Error(), testSecret) {
			t.Errorf("%T tells the secret", chain)
		}
	}
	if strings.Contains(log.String(), testSecret) {
		t.Error("the log tells the secret")
	}
}

func TestSuccessThatIsNotJSONIsUnavailable(t *testing.T) {
	for _, body := range []string{"<html>please log in to the hotel's network</html>", `{"networks": []}`, `{"port": 7}`, ""} {
		e := newEndpoint(t, answer(200, body))
		_, err := e.client(t).Port(t.Context(), "x")
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("%q: class %q, want unavailable: %v", body, fault.ClassOf(err), err)
		}
	}
}

func TestACloudThatIsAwayIsUnavailable(t *testing.T) {
	e := newEndpoint(t, answer(200, `{"port": {}}`))
	c := e.client(t)
	if _, err := c.Port(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	e.Close()
	_, err := c.Port(t.Context(), "x")
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "neutron: show port: cannot reach "+e.URL) {
		t.Errorf("got %v", err)
	}
}

func TestTheCallersDeadlineWins(t *testing.T) {
	release := make(chan struct{})
	e := newEndpoint(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(release) })
	c := e.client(t, func(o *Options) { o.RequestTimeout = time.Hour })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := c.Port(ctx, "x")
	if !fault.Is(err, fault.Unavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	c = e.client(t, func(o *Options) { o.RequestTimeout = 20 * time.Millisecond })
	if _, err := c.Port(t.Context(), "x"); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "in time") {
		t.Errorf("request timeout: got %v", err)
	}
}

func TestARedirectToAnotherHostGetsNoToken(t *testing.T) {
	leaked := make(chan string, 1)
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		leaked <- r.Header.Get("X-Auth-Token")
	}))
	t.Cleanup(other.Close)
	e := newEndpoint(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) })
	_, err := e.client(t).Port(t.Context(), "x")
	if err == nil {
		t.Error("a redirect to another host succeeded")
	}
	select {
	case token := <-leaked:
		t.Errorf("the other host was called with token %q", token)
	default:
	}
}

func TestRetryAfterIsReadInBothForms(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "12": 12 * time.Second, "-3": 0, "99999999999999999999": 0, "1000000": 24 * time.Hour,
		"Fri, 02 Jan 2026 03:04:35 GMT": 30 * time.Second, "Fri, 02 Jan 2026 03:04:00 GMT": 0, "soon": 0,
	} {
		if got := parseRetryAfter(value, now); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}
