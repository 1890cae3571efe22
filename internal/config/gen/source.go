// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// section is one struct of the configuration: the root (whose name is
// empty), or what one of the root's keys holds.
type section struct {
	name string
	doc  string
	keys []key
}

// key is one field with a value.
type key struct {
	path     string
	kind     string
	doc      string
	fallback string
}

// kinds maps a field's Go type to the Kind constant's name and to its text.
var kinds = map[string][2]string{
	"string":        {"String", "string"},
	"[]string":      {"Strings", "list of strings"},
	"bool":          {"Bool", "boolean"},
	"int":           {"Int", "integer"},
	"time.Duration": {"Duration", "duration"},
}

// sections reads the source of package config.
func sections(file string) ([]section, error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	structs := structsOf(parsed)
	root, ok := structs["Config"]
	if !ok {
		return nil, fmt.Errorf("%s: no struct Config", file)
	}
	top := section{}
	all := []section{}
	for _, f := range root.fields {
		name := yamlName(f)
		goType := typeName(f.Type)
		switch sub, isSection := structs[goType]; {
		case name == "":
		case isSection:
			s := section{name: name, doc: oneLine(sub.doc)}
			if s.keys, err = keysOf(name+".", sub.fields); err != nil {
				return nil, err
			}
			all = append(all, s)
		default:
			k, err := keyOf("", f)
			if err != nil {
				return nil, err
			}
			top.keys = append(top.keys, k)
		}
	}
	return append([]section{top}, all...), nil
}

type structType struct {
	doc    string
	fields []*ast.Field
}

func structsOf(file *ast.File) map[string]structType {
	found := map[string]structType{}
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		for _, s := range g.Specs {
			t := s.(*ast.TypeSpec)
			if st, ok := t.Type.(*ast.StructType); ok {
				found[t.Name.Name] = structType{doc: g.Doc.Text(), fields: st.Fields.List}
			}
		}
	}
	return found
}

func keysOf(prefix string, fields []*ast.Field) ([]key, error) {
	var keys []key
	var errs []error
	for _, f := range fields {
		k, err := keyOf(prefix, f)
		errs = append(errs, err)
		keys = append(keys, k)
	}
	return keys, errors.Join(errs...)
}

// keyOf reads one documented field.
func keyOf(prefix string, f *ast.Field) (key, error) {
	path := prefix + yamlName(f)
	goType := typeName(f.Type)
	if _, ok := kinds[goType]; !ok || len(f.Names) != 1 || path == prefix {
		return key{}, fmt.Errorf("%s: want one name, a yaml tag and a type of %v; found type %s", path, slices.Sorted(maps.Keys(kinds)), goType)
	}
	text, fallback, ok := strings.Cut(oneLine(f.Doc.Text()), " Default: ")
	if !ok || !strings.HasSuffix(fallback, ".") {
		return key{}, fmt.Errorf("%s: the comment does not end with \"Default: ….\"", path)
	}
	name := f.Names[0].Name
	sentence, ok := strings.CutPrefix(text, name+" ")
	if !ok {
		return key{}, fmt.Errorf("%s: the comment does not begin with %q", path, name)
	}
	for _, verb := range []string{"is ", "are "} {
		sentence = strings.TrimPrefix(sentence, verb)
	}
	return key{
		path: path, kind: goType, fallback: strings.TrimSuffix(fallback, "."),
		doc: strings.ToUpper(sentence[:1]) + sentence[1:],
	}, nil
}

func yamlName(f *ast.Field) string {
	if f.Tag == nil {
		return ""
	}
	tag, err := strconv.Unquote(f.Tag.Value)
	if err != nil {
		return ""
	}
	return reflect.StructTag(tag).Get("yaml")
}

func typeName(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.Ident:
		return t.Name
	case *ast.ArrayType:
		return "[]" + typeName(t.Elt)
	case *ast.SelectorExpr:
		return typeName(t.X) + "." + t.Sel.Name
	}
	return "?"
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
