// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cloud_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kuryr-go/kuryr/internal/cloud"
	"github.com/kuryr-go/kuryr/internal/cloud/faults"
	"github.com/kuryr-go/kuryr/internal/strictyaml"
)

var update = flag.Bool("update", false, "write the references in docs/cloud.md again")

// The references in docs/cloud.md are made of the comments of these structs.
var references = []struct {
	name  string
	root  string
	files []string
}{
	{"seed", "Seed", []string{"seed.go", "identity/options.go"}},
	{"faults", "Settings", []string{"faults/settings.go", "faults/match.go"}},
}

func TestTheReferencesInTheDocumentationAreUpToDate(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "cloud.md")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := string(before)
	for _, r := range references {
		begin, end := "<!-- reference: "+r.name+" -->\n", "<!-- end: "+r.name+" -->\n"
		head, rest, ok := strings.Cut(page, begin)
		_, tail, ends := strings.Cut(rest, end)
		if !ok || !ends {
			t.Fatalf("docs/cloud.md has no place for the reference of %s", r.name)
		}
		structs := map[string]*ast.StructType{}
		for _, file := range r.files {
			read(t, file, structs)
		}
		page = head + begin + section(t, structs, r.root, "") + "\n" + end + tail
	}
	if *update {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(page, string(before)); diff != "" {
		t.Errorf("docs/cloud.md is stale: run `go test ./internal/cloud -run References -update`\n%s", diff)
	}
}

// read finds the structs of a file.
func read(t *testing.T, file string, into map[string]*ast.StructType) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if spec, ok := n.(*ast.TypeSpec); ok {
			if s, ok := spec.Type.(*ast.StructType); ok {
				into[spec.Name.Name] = s
			}
		}
		return true
	})
}

// section gives the table of a struct, and then those of what it holds.
func section(t *testing.T, structs map[string]*ast.StructType, name, path string) string {
	t.Helper()
	var b, below strings.Builder
	if path != "" {
		fmt.Fprintf(&b, "\n#### `%s`\n", path)
	}
	b.WriteString("\n| key | type | default | |\n| --- | --- | --- | --- |\n")
	for _, f := range structs[name].Fields.List {
		tag, _ := strconv.Unquote(f.Tag.Value)
		key := strictyaml.Name(reflect.StructField{Tag: reflect.StructTag(tag)})
		kind, inner, list := describe(f.Type)
		if structs[inner] != nil {
			at := key
			if list {
				at += "[]"
			}
			if path != "" {
				at = path + "." + at
			}
			below.WriteString(section(t, structs, inner, at))
			kind = map[bool]string{true: "list", false: "section"}[list]
		}
		text, fallback := comment(t, f)
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", key, kind, fallback, text)
	}
	return b.String() + below.String()
}

// kinds are the words for the Go types.
var kinds = map[string]string{
	"string": "string", "bool": "true or false", "*bool": "true or false", "int": "whole number", "uint64": "whole number", "float64": "number",
	"time.Duration": "duration", "Seconds": "duration", "Latency": "delay", "[]string": "list of strings",
	"map[string]string": "strings by name", "map[string]int": "numbers by name", "map[string][]string": "lists of strings by name",
}

// describe gives a type in words, or the struct that it or its items are.
func describe(e ast.Expr) (kind, inner string, list bool) {
	text := types.ExprString(e)
	if kind := kinds[text]; kind != "" {
		return kind, "", false
	}
	text, list = strings.CutPrefix(text, "[]")
	return "", text[strings.LastIndexByte(text, '.')+1:], list
}

// comment gives a field's comment without its name, and the default in it.
func comment(t *testing.T, f *ast.Field) (text, fallback string) {
	t.Helper()
	name := f.Names[0].Name
	text = strings.Join(strings.Fields(f.Doc.Text()), " ")
	rest, ok := strings.CutPrefix(text, name+" ")
	if !ok {
		t.Fatalf("%s: the comment %q does not begin with the name", name, text)
	}
	for _, verb := range []string{"is ", "are "} {
		rest = strings.TrimPrefix(rest, verb)
	}
	rest, fallback, _ = strings.Cut(rest, " Default: ")
	rest = strings.ReplaceAll(rest, "|", `\|`)
	return strings.ToUpper(rest[:1]) + rest[1:], strings.TrimSuffix(fallback, ".")
}

func TestTheExamplesInTheDocumentationAreRight(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "cloud.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```yaml\n")[1:]
	if len(blocks) < 6 {
		t.Errorf("%d examples", len(blocks))
	}
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		if strings.HasPrefix(block, "adminPassword:") {
			file := filepath.Join(t.TempDir(), "seed.yaml")
			if err := os.WriteFile(file, []byte(block), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := cloud.ReadSeed(file); err != nil {
				t.Errorf("%v\n%s", err, block)
			}
			continue
		}
		if _, err := faults.Read("example", []byte(block)); err != nil {
			t.Errorf("%v\n%s", err, block)
		}
	}
}
