// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testSecret is the password of every client that talks to an endpoint.
const testSecret = "correct-horse-battery"

// endpoint is an HTTP server that logs everybody in and leaves all else to a
// handler: enough to show the client answers that a healthy Neutron does not
// give.
type endpoint struct {
	*httptest.Server
	logins atomic.Int32
	// login, when set, answers logins instead.
	login http.HandlerFunc
}

func newEndpoint(t *testing.T, handler http.HandlerFunc) *endpoint {
	t.Helper()
	e := &endpoint{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v3/auth/tokens", func(w http.ResponseWriter, r *http.Request) {
		n := e.logins.Add(1)
		if e.login != nil {
			e.login(w, r)
			return
		}
		e.grant(w, n)
	})
	mux.HandleFunc("/", handler)
	e.Server = httptest.NewServer(mux)
	t.Cleanup(e.Close)
	return e
}

// grant answers a login with token number n.
func (e *endpoint) grant(w http.ResponseWriter, n int32) {
	w.Header().Set("X-Subject-Token", fmt.Sprintf("token-%d", n))
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]any{"token": map[string]any{
		"expires_at": time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05.000000Z"),
		"project":    map[string]any{"id": "p1", "name": "demo"},
		"user":       map[string]any{"id": "u1", "name": "kuryr"},
		"catalog": []any{map[string]any{"type": "network", "endpoints": []any{
			map[string]any{"interface": "public", "region": "R1", "region_id": "R1", "url": e.URL},
		}}},
	}})
}

// client makes a client of the endpoint.
func (e *endpoint) client(t *testing.T, change ...func(*Options)) *Client {
	t.Helper()
	return newClient(t, writeClouds(t, e.URL), change...)
}

func newClient(t *testing.T, config string, change ...func(*Options)) *Client {
	t.Helper()
	o := Options{Cloud: "test", ConfigFile: config, RequestTimeout: 10 * time.Second}
	for _, f := range change {
		f(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func writeClouds(t *testing.T, url string) string {
	t.Helper()
	return writeCloudsOf(t, url+"/v3", "kuryr", testSecret, "demo", "R1")
}

func writeCloudsOf(t *testing.T, authURL, user, password, project, region string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clouds.yaml")
	writeFile(t, path, fmt.Sprintf(`
clouds:
  test:
    auth:
      auth_url: %s
      username: %s
      password: %s
      project_name: %s
      user_domain_name: Default
      project_domain_name: Default
    region_name: %s
`, authURL, user, password, project, region))
	return path
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// answer is a handler that always says the same.
func answer(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// debugLog collects what a client logs.
func debugLog(b *bytes.Buffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// discardErrors silences a server whose clients are expected to hang up.
func discardErrors() *log.Logger { return log.New(io.Discard, "", 0) }
