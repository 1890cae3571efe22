// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"text/template"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kuryr-go/kuryr/internal/agentapi"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kuryr": main})
}

// The scripts in testdata/script are transcripts of the command line. Beside
// testscript's own commands they have
//
//	serve PATH FILE…  answer GET PATH on $SOCKET with FILE, in which
//	                  {{ago "3h"}} is the time three hours ago; of several
//	                  files each answers one call, and the last all others
//	serve PATH STATUS FILE…  the same with another HTTP status
//	serve POST PATH…         the same with another method; the file "asked" is
//	                         then the body of the last call
//	listen            serve what was said; the file "calls" has the path of
//	                  each call, a line each
//	exits STATUS COMMAND…    run a command, which must end with this status
//	until COMMAND…           run a command again and again, until it succeeds
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: setupScript,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": cmdServe, "listen": cmdListen, "exits": cmdExits, "until": cmdUntil,
		},
		RequireExplicitExec: true,
	})
}

type muxKey struct{}

func setupScript(env *testscript.Env) error {
	// The socket's path is short whatever the script is called: sun_path ends at 107 bytes.
	dir, err := os.MkdirTemp("", "kuryr")
	if err != nil {
		return err
	}
	env.Defer(func() { _ = os.RemoveAll(dir) })
	env.Setenv("SOCKET", dir+"/agent.sock")
	// With -race a program that ends well would linger for a second.
	env.Setenv("GORACE", "atexit_sleep_ms=0")
	env.Values[muxKey{}] = http.NewServeMux()
	return nil
}

func cmdServe(ts *testscript.TestScript, neg bool, args []string) {
	method, status := http.MethodGet, http.StatusOK
	if len(args) > 0 && !strings.HasPrefix(args[0], "/") {
		method, args = args[0], args[1:]
	}
	if neg || len(args) < 2 {
		ts.Fatalf("usage: serve [METHOD] PATH [STATUS] FILE...")
	}
	path, files := args[0], args[1:]
	if code, err := strconv.Atoi(files[0]); err == nil {
		status, files = code, files[1:]
	}
	var bodies [][]byte
	for _, file := range files {
		bodies = append(bodies, expand(ts, file))
	}
	asked, log, calls := ts.MkAbs("asked"), ts.MkAbs("calls"), atomic.Int64{}
	mux := ts.Value(muxKey{}).(*http.ServeMux)
	mux.HandleFunc(method+" "+path, func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil && method != http.MethodGet {
			_ = os.WriteFile(asked, append(body, '\n'), 0o600)
		}
		if f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err == nil {
			_, _ = f.WriteString(path + "\n")
			_ = f.Close()
		}
		w.WriteHeader(status)
		_, _ = w.Write(bodies[min(int(calls.Add(1)), len(bodies))-1])
	})
}

// expand gives a file of a script with its times filled in.
func expand(ts *testscript.TestScript, file string) []byte {
	ago := func(s string) (string, error) {
		d, err := time.ParseDuration(s)
		return time.Now().Add(-d).Format(time.RFC3339), err
	}
	text, err := template.New("").Funcs(template.FuncMap{"ago": ago}).Parse(ts.ReadFile(file))
	ts.Check(err)
	var body bytes.Buffer
	ts.Check(text.Execute(&body, nil))
	return body.Bytes()
}

func cmdListen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: listen")
	}
	l, err := net.Listen("unix", ts.Getenv("SOCKET"))
	ts.Check(err)
	server := &http.Server{Handler: ts.Value(muxKey{}).(*http.ServeMux), ReadHeaderTimeout: time.Minute}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	ts.Defer(func() {
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			ts.Fatalf("serve: %v", err)
		}
	})
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND [ARGUMENT]...")
	}
	status := 0
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status, err = exit.ExitCode(), nil
	}
	ts.Check(err)
	if want := args[0]; strconv.Itoa(status) != want {
		ts.Fatalf("exit status %d, want %s", status, want)
	}
}

func cmdUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: until COMMAND [ARGUMENT]...")
	}
	deadline := time.Now().Add(time.Minute)
	for {
		err := ts.Exec(args[0], args[1:]...)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("still: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestNamesFromElsewhereCannotSpeakToTheTerminal(t *testing.T) {
	row := portsRow(agentapi.Attachment{Network: "a\x1b[31mb\nc", State: "attached"}, false, time.Now())
	if got := strings.Join(row, "|"); strings.ContainsAny(got, "\x1b\n") {
		t.Errorf("row %q", got)
	}
}

func TestAgesAreToldInTheirLargestUnit(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 59 * time.Second: "59s", 119 * time.Second: "1m",
		3*time.Hour + 59*time.Minute: "3h", 49 * time.Hour: "2d",
	} {
		if got := age(d); got != want {
			t.Errorf("age(%v) = %q, want %q", d, got, want)
		}
	}
}
