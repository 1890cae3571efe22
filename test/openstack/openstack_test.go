// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kuryr-go/kuryr/internal/fault"
)

func TestOptionsNameTheFieldAtFault(t *testing.T) {
	dir := t.TempDir()
	for field, o := range map[string]Options{
		"prefix": {Dir: dir, Prefix: "Not-This"},
		"nodes":  {Dir: dir, Nodes: MaxNodes + 1},
		"dir":    {Dir: dir + strings.Repeat("x", maxDir)},
	} {
		_, err := o.complete()
		f, ok := fault.As(err)
		if !ok || f.Class != fault.Invalid || f.Field != field {
			t.Errorf("%+v: got %v, want an invalid field %s", o, err, field)
		}
	}
}

func TestOptionsComeFromTheDirectoryBeforeTheDefaults(t *testing.T) {
	dir := shortDir(t)
	fresh, err := Options{Dir: dir}.complete()
	if err != nil {
		t.Fatal(err)
	}
	if fresh.Prefix != DefaultPrefix || fresh.Nodes != DefaultNodes {
		t.Errorf("a new directory gets prefix %q and %d nodes", fresh.Prefix, fresh.Nodes)
	}
	if err := (record{Prefix: "abc", Embedded: true, Nodes: []int{1, 2, 5}}).write(dir); err != nil {
		t.Fatal(err)
	}
	again, err := Options{Dir: dir}.complete()
	if err != nil {
		t.Fatal(err)
	}
	if again.Prefix != "abc" || again.Nodes != 3 || !again.Embedded {
		t.Errorf("an embedded cloud of prefix abc with 3 nodes becomes one of prefix %q with %d nodes, embedded: %v", again.Prefix, again.Nodes, again.Embedded)
	}
	if _, err := (Options{Dir: dir, Prefix: "xyz"}).complete(); !fault.Is(err, fault.Invalid) {
		t.Errorf("another prefix for the same directory: %v", err)
	}
}

func TestADirectoryKeepsItsFlavour(t *testing.T) {
	dir := shortDir(t)
	if err := (record{Prefix: "abc", Nodes: []int{1}}).write(dir); err != nil {
		t.Fatal(err)
	}
	_, err := Options{Dir: dir, Embedded: true}.complete()
	if f, ok := fault.As(err); !ok || f.Field != "embedded" {
		t.Errorf("an embedded cloud in the directory of a real one: %v", err)
	}
}

func TestADirectoryWithOtherFilesIsNotTaken(t *testing.T) {
	dir := shortDir(t)
	if err := os.WriteFile(filepath.Join(dir, "thesis.tex"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := claim(dir, record{Prefix: "kt"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v, want a refusal", err)
	}
}

func TestCloudsBelowRunAreRefused(t *testing.T) {
	if _, err := cleanDir("/var/run/cloud"); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v, want a refusal", err)
	}
}

func TestConfigurationKnowsEveryPlaceholder(t *testing.T) {
	var files []string
	for embedded, want := range map[bool]int{false: 6, true: 1} {
		c := open(shortDir(t), record{Prefix: "kt", Embedded: embedded})
		if err := os.MkdirAll(c.path("etc"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := c.configure(); err != nil {
			t.Fatal(err)
		}
		written, err := filepath.Glob(c.path("etc", "*"))
		if err != nil || len(written) != want {
			t.Fatalf("got %v, %v", written, err)
		}
		files = append(files, written...)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil || strings.Contains(string(b), "{{") || strings.Contains(string(b), "<no value>") {
			t.Errorf("%s: %v\n%s", f, err, b)
		}
	}
}

func TestATemplateHoldsTheDatabasesAsTheyWere(t *testing.T) {
	c := open(shortDir(t), record{Prefix: "kt"})
	want := map[string]string{"mysql/ibdata1": strings.Repeat("\x00", 1<<20) + "x", "keys/fernet/0": "secret", "migrated": ""}
	for name, content := range want {
		if err := os.MkdirAll(filepath.Dir(c.path("db", name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(c.path("db", name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "template.tar.gz")
	if err := pack(t.Context(), c.path("db"), file); err != nil {
		t.Fatal(err)
	}
	other := open(shortDir(t), record{Prefix: "kt"})
	if err := os.Mkdir(other.path("db"), 0o755); err != nil {
		t.Fatal(err)
	}
	other.template = file
	if err := other.unpack(); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for name := range want {
		b, err := os.ReadFile(other.path("db", name))
		if err != nil {
			t.Error(err)
		}
		got[name] = string(b)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestListeningMeansThatTheSocketAccepts(t *testing.T) {
	const table = `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 76109 /var/run/octavia/status.sock
0000000000000000: 00000003 00000000 00000000 0001 03 76110 /var/run/octavia/get.sock
0000000000000000: 00000003 00000000 00000000 0001 03 76111
`
	if !listening(table, "/var/run/octavia/status.sock") {
		t.Error("a socket that accepts was not found")
	}
	if listening(table, "/var/run/octavia/get.sock") {
		t.Error("a connected socket was taken for one that accepts")
	}
}

func TestAwaitTellsTheCauseAndTheLastAnswer(t *testing.T) {
	cause, last := errors.New("the process ended"), errors.New("connection refused")
	ctx, cancel := context.WithCancelCause(t.Context())
	err := await(ctx, "keystone", func(context.Context) error {
		cancel(cause)
		return last
	})
	if !errors.Is(err, cause) || !errors.Is(err, last) {
		t.Errorf("got %v", err)
	}
}

func TestCloudsYAMLHasEachLogin(t *testing.T) {
	c := open("/x", record{Prefix: "kt"})
	b, err := c.CloudsYAML(map[string]Login{
		"a": {User: "u", Password: "p", Project: "q"},
		"b": {ApplicationCredentialID: "id", ApplicationCredentialSecret: "s"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"auth_url: http://198.18.0.1:5000/v3", "username: u", "project_name: q",
		"auth_type: v3applicationcredential", "application_credential_id: id",
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%q is not in\n%s", want, b)
		}
	}
}

// shortDir is t.TempDir with a path that leaves room for sockets.
func shortDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "kt") //nolint:usetesting // t.TempDir is too long for the sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// testNetns makes a namespace for one test.
func testNetns(t *testing.T, name string) Netns {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv(EnvRequire) == "1" {
			t.Fatal("needs root, to make network namespaces")
		}
		t.Skip("needs root, to make network namespaces")
	}
	n := Netns{name + "-" + newUUID()[:8]}
	if err := n.Make(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := (&Cloud{}).discard(ctx, n); err != nil {
			t.Error(err)
		}
		if n.Exists() {
			t.Errorf("namespace %s is left", n.Name)
		}
	})
	return n
}
