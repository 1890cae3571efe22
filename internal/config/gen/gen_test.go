// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGeneratedFilesAreUpToDate(t *testing.T) {
	files, err := generate("..")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is stale: run `go generate ./internal/config`\n%s", name, diff)
		}
	}
}

func TestAKeyThatIsNotDocumentedIsRefused(t *testing.T) {
	for want, field := range map[string]string{
		`does not end with "Default:`: "// Node is a thing.\n\tNode string `yaml:\"node\"`",
		`does not begin with "Node"`:  "// The thing. Default: 1.\n\tNode string `yaml:\"node\"`",
		"found type float64":          "// Node is a thing. Default: 1.\n\tNode float64 `yaml:\"node\"`",
	} {
		file := filepath.Join(t.TempDir(), "config.go")
		source := "package config\n\ntype Config struct {\n\t" + field + "\n}\n"
		if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := sections(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", field, err, want)
		}
	}
}
