// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/kuryr-go/kuryr/internal/config"
)

func TestEveryKeyOfTheConfigurationIsUsed(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(b)
	}
	paths := fieldPaths(reflect.TypeFor[config.Config](), "")
	if len(paths) != len(config.Keys()) {
		t.Errorf("%d fields, %d keys", len(paths), len(config.Keys()))
	}
	for _, path := range paths {
		if !regexp.MustCompile(`\bcfg` + regexp.QuoteMeta(path) + `\b`).MatchString(source.String()) {
			t.Errorf("cfg%s is used nowhere: a key that does nothing", path)
		}
	}
}

// fieldPaths lists the fields with values below a struct: ".Agent.Socket".
func fieldPaths(of reflect.Type, prefix string) []string {
	var paths []string
	for i := range of.NumField() {
		f := of.Field(i)
		switch {
		case f.Tag.Get("yaml") == "":
		case f.Type.Kind() == reflect.Struct:
			paths = append(paths, fieldPaths(f.Type, prefix+"."+f.Name)...)
		default:
			paths = append(paths, prefix+"."+f.Name)
		}
	}
	return paths
}
