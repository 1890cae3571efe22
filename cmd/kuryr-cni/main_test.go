// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kuryr-go/kuryr/internal/agentapi"
)

func TestMain(m *testing.M) {
	testscript.Main(tidy{m}, map[string]func(){"kuryr-cni": main})
}

// built is where a test has built the plugin; empty when none has.
var built string

// tidy removes what was built when all tests have run.
type tidy struct{ *testing.M }

func (t tidy) Run() int {
	defer func() { _ = os.RemoveAll(built) }()
	return t.M.Run()
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": serve,
			"large": large,
		},
	})
}

// serve starts the other end of the plugin's socket, which the plugin's
// transport is tried on: "serve SOCKET HOW". "echo" answers what it was asked,
// "fail" a CNI error, "refuse" an HTTP error, "break" half an answer.
func serve(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: serve SOCKET HOW")
	}
	handlers := map[string]http.HandlerFunc{"echo": echo, "fail": fail, "refuse": refuse, "break": breakOff}
	l, err := net.Listen("unix", ts.MkAbs(args[0]))
	ts.Check(err)
	server := &http.Server{Handler: handlers[args[1]]}
	go func() { _ = server.Serve(l) }()
	ts.Defer(func() { _ = server.Close() })
}

func answerWith(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// echo answers with the request as a result: its stdin as text.
func echo(w http.ResponseWriter, r *http.Request) {
	var call agentapi.CNIRequest
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
		panic(err)
	}
	b, err := json.Marshal(map[string]any{
		"command": call.Command, "containerID": call.ContainerID, "netns": call.Netns, "ifName": call.IfName, "args": call.Args,
		"path": call.Path, "stdin": string(call.Stdin), "started": !call.StartedAt.IsZero(), "version": call.PluginVersion != "",
	})
	if err != nil {
		panic(err)
	}
	answerWith(w, http.StatusOK, agentapi.CNIResponse{Stdout: b})
}

func fail(w http.ResponseWriter, _ *http.Request) {
	answerWith(w, http.StatusOK, agentapi.CNIError{CNIVersion: "1.0.0", Code: agentapi.CodeQuota, Msg: "no more ports"}.Response())
}

func refuse(w http.ResponseWriter, _ *http.Request) {
	answerWith(w, http.StatusBadRequest, agentapi.Failure{Class: "invalid", Message: "not understood"})
}

func breakOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = w.Write([]byte(`{"stdout":`))
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// large writes a network configuration of some bytes: "large FILE MEGABYTES SOCKET".
func large(ts *testscript.TestScript, _ bool, args []string) {
	sizes := map[string]int{"1": 1 << 20, "10": 10 << 20}
	conf := `{"cniVersion":"1.0.0","name":"x","socket":"` + ts.MkAbs(args[2]) + `","args":{"pad":"`
	conf += strings.Repeat("x", sizes[args[1]]-len(conf)-3) + `"}}`
	ts.Check(os.WriteFile(filepath.Clean(ts.MkAbs(args[0])), []byte(conf), 0o600))
}
