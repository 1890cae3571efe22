// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package guard

import (
	"bytes"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The longest file and function, in lines. What is longer holds two ideas.
const (
	maxFileLines     = 500
	maxFunctionLines = 80
)

const header = "// SPDX-License-Identifier: Apache-2.0\n// Copyright The Kuryr Authors\n\n"

func TestEveryFileNamesItsLicence(t *testing.T) {
	for _, f := range files(t, ".go") {
		if !bytes.HasPrefix(f.content, []byte(header)) {
			t.Errorf("%s does not begin with\n%s", f.name, header)
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range allPackages(t) {
		name, begin := relative(p.ImportPath)+"/doc.go", []string{"Package " + p.Name + " "}
		if p.Name == "main" {
			// Go's two customs for a command.
			command := filepath.Base(p.ImportPath)
			begin = []string{"Command " + command + " ", strings.ToUpper(command[:1]) + command[1:] + " "}
		}
		content, err := os.ReadFile(filepath.Join(p.Dir, "doc.go"))
		if err != nil {
			t.Errorf("%s: no doc.go that says what the package is, what it promises and what it must not know", relative(p.ImportPath))
			continue
		}
		_, parsed := file{name: name, content: content}.parse(t)
		if !slices.ContainsFunc(begin, func(s string) bool { return strings.HasPrefix(parsed.Doc.Text(), s) }) {
			t.Errorf("%s: the package comment does not begin with %q", name, begin)
		}
	}
}

func TestEveryExportedNameIsDocumented(t *testing.T) {
	for _, f := range files(t, ".go") {
		if f.isTest() || f.generated() {
			continue
		}
		set, parsed := f.parse(t)
		for _, d := range parsed.Decls {
			for _, name := range undocumented(d) {
				t.Errorf("%s: %s is exported and has no comment", set.Position(name.Pos()), name.Name)
			}
		}
	}
}

// undocumented lists the exported names of a declaration that have no comment.
func undocumented(d ast.Decl) []*ast.Ident {
	var names []*ast.Ident
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Doc == nil && d.Name.IsExported() && exportedReceiver(d) {
			names = append(names, d.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if d.Doc == nil && s.Doc == nil && s.Name.IsExported() {
					names = append(names, s.Name)
				}
			case *ast.ValueSpec:
				for _, n := range s.Names {
					if d.Doc == nil && s.Doc == nil && s.Comment == nil && n.IsExported() {
						names = append(names, n)
					}
				}
			}
		}
	}
	return names
}

// exportedReceiver reports whether a function is no method of a type that
// only its package sees.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	exported := true
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && exported {
			exported = id.IsExported()
			return false
		}
		return true
	})
	return exported
}

func TestFilesAndFunctionsAreShort(t *testing.T) {
	for _, f := range files(t, ".go") {
		if f.generated() {
			continue
		}
		if n := f.lines(); n > maxFileLines {
			t.Errorf("%s has %d lines; at most %d", f.name, n, maxFileLines)
		}
		set, parsed := f.parse(t)
		for _, d := range parsed.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := set.Position(fn.End()).Line - set.Position(fn.Pos()).Line + 1; n > maxFunctionLines {
				t.Errorf("%s: %s has %d lines; at most %d", set.Position(fn.Pos()), fn.Name.Name, n, maxFunctionLines)
			}
		}
	}
}

// The words are put together so that this file does not hold them.
var unfinished = regexp.MustCompile(`\b(` + "TO" + `DO|` + "FIX" + `ME|` + "XX" + `X)\b`)

func TestNothingIsLeftForLater(t *testing.T) {
	for _, f := range files(t, "") {
		if m := unfinished.Find(f.content); m != nil && !bytes.Contains(f.content, []byte{0}) {
			t.Errorf("%s: %s; finish it, or open an issue", f.name, m)
		}
	}
}

// homes are the directories of one person's machine.
var homes = regexp.MustCompile(`/(home|Users)/[a-z][a-z0-9_-]*/|/ro` + `ot/`)

func TestTheTreeNamesNoMachine(t *testing.T) {
	for _, f := range files(t, "") {
		if strings.HasSuffix(f.name, ".sum") || bytes.Contains(f.content, []byte{0}) {
			continue
		}
		for line := range bytes.Lines(f.content) {
			if homes.Match(line) || bytes.Contains(line, []byte(root()+"/")) {
				t.Errorf("%s: a path of one machine: %s", f.name, line)
			}
		}
	}
}
