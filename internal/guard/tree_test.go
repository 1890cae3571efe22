// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package guard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// module is the path of the module whose tree is guarded.
const module = "github.com/kuryr-go/kuryr"

// goPackage is what `go list -json` says of a package.
type goPackage struct {
	ImportPath   string
	Dir          string
	Name         string
	GoFiles      []string
	Imports      []string
	Deps         []string
	TestImports  []string
	XTestImports []string
}

// packages lists the module's packages, those with the tag e2e too.
var packages = sync.OnceValues(func() ([]goPackage, error) {
	cmd := exec.Command("go", "list", "-tags=e2e", "-json=ImportPath,Dir,Name,GoFiles,Imports,Deps,TestImports,XTestImports", "./...")
	cmd.Dir = root()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, stderr.String())
	}
	var list []goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
})

func allPackages(t *testing.T) []goPackage {
	t.Helper()
	list, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// root is the top of the tree: two folders above this package.
func root() string {
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		panic(err)
	}
	return dir
}

// file is one file of the tree.
type file struct {
	// name is relative to the top of the tree, with slashes.
	name    string
	content []byte
}

func (f file) isTest() bool { return strings.HasSuffix(f.name, "_test.go") }

// generated tells a file written by a program, by the mark that the go command defines.
func (f file) generated() bool {
	return bytes.Contains(f.content, []byte("\n// Code generated ")) && bytes.Contains(f.content, []byte(" DO NOT EDIT.\n"))
}

func (f file) lines() int { return bytes.Count(f.content, []byte("\n")) }

// parse gives the file's syntax tree.
func (f file) parse(t *testing.T) (*token.FileSet, *ast.File) {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, f.name, f.content, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return set, parsed
}

// files lists the tree without what git and the build put there. An ending
// of "" lists all files.
func files(t *testing.T, ending string) []file {
	t.Helper()
	var list []file
	err := filepath.WalkDir(root(), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root(), path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && (d.Name() == ".git" || name == "bin"):
			return filepath.SkipDir
		case !d.Type().IsRegular() || !strings.HasSuffix(name, ending):
			return nil
		}
		content, err := os.ReadFile(path)
		list = append(list, file{name: filepath.ToSlash(name), content: content})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
