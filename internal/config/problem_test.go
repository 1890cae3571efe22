// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The files in testdata/problems are a configuration, a line "-- problems --"
// and what Parse and, when it finds nothing, Validate say of it.
func TestEveryProblemIsToldWithKeyAndLine(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "problems", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			content, want, ok := strings.Cut(string(b), "-- problems --\n")
			if !ok {
				t.Fatal("no line \"-- problems --\"")
			}
			c, err := Parse("agent.yaml", []byte(content))
			if err == nil {
				err = c.Validate()
			}
			if err == nil {
				t.Fatal("no problem found")
			}
			if diff := cmp.Diff(want, err.Error()+"\n"); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAFileThatCannotBeReadIsFoundBeforeItIsNeeded(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "clouds.yaml")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Parse("agent.yaml", []byte("cloud:\n  configFile: "+there+"\n  caCert: "+dir+"/ca.pem\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := "agent.yaml:3: cloud.caCert: open " + dir + "/ca.pem: no such file or directory"
	if err := c.CheckFiles(); err == nil || err.Error() != want {
		t.Errorf("CheckFiles() = %v, want %s", err, want)
	}
}
