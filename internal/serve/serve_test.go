// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package serve

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/kuryr-go/kuryr/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

func TestTheSocketIsForItsOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "agent.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", fi.Mode(), err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("after Close the path is still there: %v", err)
	}
}

func TestALiveProcessKeepsItsSocketAndADeadOneLosesIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	first, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); !fault.Is(err, fault.Conflict) {
		t.Fatalf("second Listen: %v, want a conflict", err)
	}
	// What kill -9 leaves: the file, and nobody behind it.
	if err := first.(*socket).UnixListener.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := Listen(path)
	if err != nil {
		t.Fatalf("Listen on a dead socket: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); !fault.Is(err, fault.Conflict) {
		t.Errorf("Listen on a file: %v, want a conflict", err)
	}
}

func TestShutdownLetsRequestsEndAndCancelsTheLate(t *testing.T) {
	for name, grace := range map[string]time.Duration{"in time": time.Minute, "late": time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			l, err := Listen(path)
			if err != nil {
				t.Fatal(err)
			}
			began, release := make(chan struct{}), make(chan struct{})
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				close(began)
				select {
				case <-release:
					_, _ = io.WriteString(w, "in time")
				case <-r.Context().Done():
					_, _ = io.WriteString(w, "late")
				}
			})
			ctx, stop := context.WithCancel(context.Background())
			served := make(chan error, 1)
			go func() { served <- Serve(ctx, quiet, grace, Server{Name: "t", Listener: l, Handler: h}) }()
			got := make(chan string, 1)
			go func() { got <- get(path) }()
			<-began
			stop()
			if name == "in time" {
				close(release)
			}
			if body := <-got; body != name {
				t.Errorf("answer %q, want %q", body, name)
			}
			if err := <-served; err != nil {
				t.Errorf("Serve: %v", err)
			}
		})
	}
}

func get(socket string) string {
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Get("http://agent/")
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
