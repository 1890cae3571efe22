// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/kuryr-go/kuryr/internal/strictyaml"
)

var withoutOrigins = cmpopts.IgnoreUnexported(Config{})

func TestAnEmptyFileIsTheDefaults(t *testing.T) {
	for _, content := range []string{"", "\n", "# nothing\n", "---\n", "agent:\ncloud: {}\nnode:\nlog:\n  level:\n"} {
		got, err := Parse("agent.yaml", []byte(content))
		if err != nil {
			t.Errorf("%q: %v", content, err)
		}
		if diff := cmp.Diff(Default(), got, withoutOrigins); diff != "" {
			t.Errorf("%q: %s", content, diff)
		}
	}
}

func TestTheDefaultsAreAllowed(t *testing.T) {
	c := Default()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if c.Node == "" {
		t.Error("no node name on a machine that has a host name")
	}
}

func TestEveryCommentTellsTheTrueDefault(t *testing.T) {
	c := Default()
	for _, k := range Keys() {
		field := c.field(k.Path)
		var got string
		switch {
		case k.Path == "node":
			continue // the machine's host name
		case k.Kind == Strings:
			if !field.IsNil() {
				t.Errorf("%s: the default is not nil", k.Path)
			}
			got = "none"
		case k.Kind == String:
			got = `"` + field.String() + `"`
		case k.Kind == Duration:
			want, err := time.ParseDuration(k.Default)
			if err != nil || want != time.Duration(field.Int()) {
				t.Errorf("%s: the comment says %q, the default is %v", k.Path, k.Default, field)
			}
			continue
		default:
			got = strings.TrimSpace(strings.ReplaceAll(cmp.Diff(nil, field.Interface()), "\n", ""))
			if !strings.Contains(got, k.Default) {
				t.Errorf("%s: the comment says %q, the default is %v", k.Path, k.Default, field)
			}
			continue
		}
		if got != k.Default {
			t.Errorf("%s: the comment says %s, the default is %s", k.Path, k.Default, got)
		}
	}
}

func TestACompleteFileSetsEveryKey(t *testing.T) {
	got, err := Load(filepath.Join("testdata", "complete.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
	want := Config{
		Node: "node1", Cluster: "prod.east-1",
		Agent: Agent{
			Socket: "/run/k/a.sock", Journal: "/var/lib/k/a.db",
			AttachTimeout: 90 * time.Second, OrphanGrace: 0, ShutdownTimeout: 1500 * time.Millisecond,
		},
		Cloud: Cloud{
			Name: "prod", ConfigFile: "/etc/k/clouds.yaml", Region: "r1", Interface: "internal", CACert: "/etc/k/ca.pem",
			RequestTimeout: 30 * time.Second, MaxConcurrency: 16, ReadRate: 50, WriteRate: 10, CacheTTL: time.Minute,
		},
		Defaults: Defaults{Project: "p", Network: "n", Subnets: []string{"s4", "s6"}, SecurityGroups: []string{}},
		Pool: Pool{
			Min: 1, Warm: 2, Max: 3, NodeMax: 4, CoolDown: time.Minute, CheckEvery: 45 * time.Second, IdleAfter: time.Hour, BurstMemory: 2 * time.Hour,
		},
		GC:      GC{Interval: time.Minute, Grace: 30 * time.Second},
		OVS:     OVS{Database: "tcp:[::1]:6640", ChecksumOffload: "off", Ready: "neutron"},
		Log:     Log{Level: "debug", Format: "json"},
		Metrics: Metrics{Address: ""},
	}
	if diff := cmp.Diff(want, got, withoutOrigins); diff != "" {
		t.Error(diff)
	}
	for _, k := range Keys() {
		if k.Path != "cloud.insecure" && got.origins[k.Path] == "" {
			t.Errorf("%s is not in the file", k.Path)
		}
	}
}

func TestAFileThatIsNotThereIsToldAsSuch(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestAHugeFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "huge.yaml")
	if err := os.WriteFile(path, []byte(strings.Repeat("# filler\n", strictyaml.MaxFile/8)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "larger than 1048576 bytes") {
		t.Errorf("error %v", err)
	}
}

func TestAFlagOverridesTheFile(t *testing.T) {
	c, err := Parse("agent.yaml", []byte("log: {level: debug}\ndefaults: {network: a}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		"log.level": "loud", "defaults.subnets": "s1,s2", "cloud.insecure": "true",
		"cloud.maxConcurrency": "3", "agent.orphanGrace": "0", "defaults.securityGroups": "",
	} {
		if err := c.Set(path, text, "--flag"); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]string{"s1", "s2"}, c.Defaults.Subnets); diff != "" {
		t.Error(diff)
	}
	if c.Defaults.SecurityGroups == nil || !c.Cloud.Insecure || c.Cloud.MaxConcurrency != 3 || c.Agent.OrphanGrace != 0 {
		t.Errorf("not set: %+v", c)
	}
	want := `--flag: log.level: "loud" is not allowed; want debug, info, warn or error`
	if err := c.Validate(); err == nil || err.Error() != want {
		t.Errorf("Validate() = %v, want %s", err, want)
	}
}

func TestAFlagOfTheWrongTypeIsRefused(t *testing.T) {
	c := Default()
	for path, text := range map[string]string{
		"agent.attachTimeout": "60", "cloud.insecure": "yes", "cloud.maxConcurrency": "many", "log.depth": "3",
	} {
		if err := c.Set(path, text, "--flag"); err == nil {
			t.Errorf("%s = %s was accepted", path, text)
		}
	}
}

func TestEveryKeyHasAFlagOfItsOwn(t *testing.T) {
	seen := map[string]string{}
	for _, k := range Keys() {
		if other, ok := seen[k.Flag()]; ok {
			t.Errorf("--%s is %s and %s", k.Flag(), other, k.Path)
		}
		seen[k.Flag()] = k.Path
	}
	for path, want := range map[string]string{
		"node": "node", "agent.socket": "socket", "agent.attachTimeout": "attach-timeout",
		"cloud.caCert": "cloud-ca-cert", "cloud.cacheTTL": "cloud-cache-ttl",
	} {
		if k, ok := Lookup(path); !ok || k.Flag() != want {
			t.Errorf("%s: flag %q, want %q", path, k.Flag(), want)
		}
	}
}

func TestTheEffectiveConfigurationReadsBackAsItIs(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "null", "~", "true", "on", "12", "1.5", "2026-01-01", "- a", "a: b", "#"}))
	list := rapid.OneOf(rapid.Just([]string(nil)), rapid.SliceOf(text))
	rapid.Check(t, func(t *rapid.T) {
		want := Default()
		want.Node = text.Draw(t, "node")
		want.Agent.AttachTimeout = time.Duration(rapid.Int64().Draw(t, "attachTimeout"))
		want.Cloud.Insecure = rapid.Bool().Draw(t, "insecure")
		want.Cloud.MaxConcurrency = rapid.Int().Draw(t, "maxConcurrency")
		want.Defaults.Subnets = list.Draw(t, "subnets")
		want.Defaults.SecurityGroups = list.Draw(t, "securityGroups")
		b, err := want.YAML()
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse("effective.yaml", b)
		if err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		if diff := cmp.Diff(want, got, withoutOrigins); diff != "" {
			t.Fatalf("%s\n%s", diff, b)
		}
	})
}

func FuzzParse(f *testing.F) {
	complete, err := os.ReadFile(filepath.Join("testdata", "complete.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(complete)
	for _, seed := range []string{"", "a: &a [*a]", "agent: &a {x: *a}", "<<: {node: a}", "? [a]\n: b", "---\n---\n", "node: !!binary aGk=", "\x00", "log: []"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		c, err := Parse("agent.yaml", content)
		var problems Problems
		if err != nil && !errors.As(err, &problems) {
			t.Fatalf("error is %T: %v", err, err)
		}
		for _, p := range problems {
			if !strings.HasPrefix(p.Origin, "agent.yaml") || p.Message == "" {
				t.Errorf("problem without place or text: %+v", p)
			}
		}
		if err == nil {
			_ = c.Validate()
			if _, err := c.YAML(); err != nil {
				t.Error(err)
			}
		}
	})
}
