// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/containernetworking/cni/libcni"

	"github.com/kuryr-go/kuryr/internal/agentapi"
)

// maxSize is the largest the plugin may be as it is shipped, in bytes.
const maxSize = 8 << 20

// binary builds the plugin once, as it is shipped, into the folder built.
var binary = sync.OnceValues(func() (path string, err error) {
	if built, err = os.MkdirTemp("", "kuryr-cni"); err != nil {
		return "", err
	}
	path = filepath.Join(built, "kuryr-cni")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", &exec.Error{Name: string(out), Err: err}
	}
	return path, nil
})

func shipped(t *testing.T) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestThePluginIsSmallAndStatic(t *testing.T) {
	path := shipped(t)
	stat, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", stat.Size())
	if stat.Size() > maxSize {
		t.Errorf("%d bytes; at most %d", stat.Size(), maxSize)
	}
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if libraries, err := f.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("needs %v, %v", libraries, err)
	}
}

// TestThePluginLinksOnlyTheStandardLibrary is stricter than it must be
// (no cloud, no Kubernetes, no gRPC): a plugin that only forwards needs nothing else.
func TestThePluginLinksOnlyTheStandardLibrary(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
	list.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	const module = "github.com/kuryr-go/kuryr/"
	for _, path := range strings.Fields(string(out)) {
		if !slices.Contains([]string{module + "cmd/kuryr-cni", module + "internal/agentapi", module + "internal/version"}, path) {
			t.Errorf("links %s", path)
		}
	}
}

func TestTheReferenceLibraryAsksForVersions(t *testing.T) {
	path := shipped(t)
	cni := libcni.NewCNIConfigWithCacheDir([]string{filepath.Dir(path)}, t.TempDir(), nil)
	info, err := cni.GetVersionInfo(t.Context(), "kuryr-cni")
	if err != nil || !slices.Equal(info.SupportedVersions(), agentapi.CNIVersions) {
		t.Errorf("%v, %v", info, err)
	}
}

// TestASignalEndsTheCallInTheAgentToo sends the signals by which runtimes
// end a plugin; of the last, the plugin itself never learns.
func TestASignalEndsTheCallInTheAgentToo(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			socket, arrived, ended := hold(t)
			cmd := exec.Command(shipped(t))
			cmd.Env = []string{"CNI_COMMAND=ADD", "CNI_CONTAINERID=c", "CNI_IFNAME=eth0", "CNI_NETNS=/run/netns/x"}
			cmd.Stdin = strings.NewReader(`{"cniVersion":"1.0.0","name":"x","socket":"` + socket + `"}`)
			var stdout bytes.Buffer
			cmd.Stdout = &stdout
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			<-arrived
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err == nil {
				t.Error("exited with success")
			}
			<-ended
			if signal == syscall.SIGKILL {
				return
			}
			var got agentapi.CNIError
			if err := json.Unmarshal(stdout.Bytes(), &got); err != nil || got.Code != agentapi.CodeTryAgain || got.CNIVersion != "1.0.0" {
				t.Errorf("%s: %v", stdout.Bytes(), err)
			}
			if !strings.Contains(got.Details, signal.String()) {
				t.Errorf("details %q do not name the signal", got.Details)
			}
		})
	}
}

// hold serves a socket whose calls wait until their caller is gone.
func hold(t *testing.T) (socket string, arrived, ended <-chan struct{}) {
	t.Helper()
	a, e := make(chan struct{}), make(chan struct{})
	socket = filepath.Join(t.TempDir(), "agent.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(a)
		<-r.Context().Done()
		close(e)
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Shutdown(context.WithoutCancel(t.Context())) })
	return socket, a, e
}

// BenchmarkVersion is the whole life of a plugin process that has nothing to ask.
func BenchmarkVersion(b *testing.B) {
	path, err := binary()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		execute(b, path, "VERSION", "")
	}
}

// BenchmarkForward is the same with a call over the socket, answered at once.
func BenchmarkForward(b *testing.B) {
	path, err := binary()
	if err != nil {
		b.Fatal(err)
	}
	socket := filepath.Join(b.TempDir(), "agent.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(echo)}
	go func() { _ = server.Serve(l) }()
	b.Cleanup(func() { _ = server.Close() })
	for b.Loop() {
		execute(b, path, "ADD", `{"cniVersion":"1.0.0","name":"x","type":"kuryr-cni","network":"n","socket":"`+socket+`"}`)
	}
}

func execute(b *testing.B, path, command, stdin string) {
	cmd := exec.Command(path)
	cmd.Env = []string{"CNI_COMMAND=" + command, "CNI_CONTAINERID=c", "CNI_IFNAME=eth0", "CNI_NETNS=/run/netns/x"}
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.Output(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
}
