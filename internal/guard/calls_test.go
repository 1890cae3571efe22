// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package guard

import (
	"go/ast"
	"testing"
)

func TestNothingSleeps(t *testing.T) {
	for _, f := range files(t, ".go") {
		if f.isTest() {
			continue
		}
		eachCall(t, f, func(at string, receiver, name string, _ []ast.Expr) {
			if receiver == "time" && name == "Sleep" {
				t.Errorf("%s: time.Sleep; wait for the event, or for a timer together with the context", at)
			}
		})
	}
}

func TestEverySkipSaysWhy(t *testing.T) {
	for _, f := range files(t, "_test.go") {
		eachCall(t, f, func(at string, _, name string, args []ast.Expr) {
			if name == "SkipNow" || (name == "Skip" && len(args) == 0) {
				t.Errorf("%s: a skip without a reason", at)
			}
		})
	}
}

func TestNothingPrintsOrLogsBehindItsCallersBack(t *testing.T) {
	global := map[string]bool{"Debug": true, "Info": true, "Warn": true, "Error": true, "Default": true, "SetDefault": true, "Log": true}
	for _, f := range files(t, ".go") {
		if f.isTest() {
			continue
		}
		eachCall(t, f, func(at string, receiver, name string, _ []ast.Expr) {
			if receiver == "log" && name == "Printf" || receiver == "slog" && global[name] {
				t.Errorf("%s: %s.%s; a logger is given to who logs", at, receiver, name)
			}
		})
	}
}

// eachCall visits every call of the form receiver.name(args).
func eachCall(t *testing.T, f file, visit func(at string, receiver, name string, args []ast.Expr)) {
	t.Helper()
	set, parsed := f.parse(t)
	ast.Inspect(parsed, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		selector, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		receiver := ""
		if id, ok := selector.X.(*ast.Ident); ok {
			receiver = id.Name
		}
		visit(set.Position(call.Pos()).String(), receiver, selector.Sel.Name, call.Args)
		return true
	})
}
