// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package config

import (
	"reflect"
	"strings"
	"unicode"

	"github.com/kuryr-go/kuryr/internal/strictyaml"
)

// Kind is the type of a key's value.
type Kind string

// The kinds.
const (
	String   Kind = "string"
	Strings  Kind = "list of strings"
	Bool     Kind = "boolean"
	Int      Kind = "integer"
	Duration Kind = "duration"
)

// Key is one key of the configuration, as its struct field documents it.
type Key struct {
	// Path is the key as it is written: "agent.socket", "node".
	Path string
	// Kind is the type of its value.
	Kind Kind
	// Doc is the text of its comment, in one line, without the default.
	Doc string
	// Default is the default as the comment says it, in YAML or in words.
	Default string
}

// Keys lists every key in the order of the file.
func Keys() []Key { return keys }

// Flag is the name of the command-line flag that overrides the key: its path
// in dashes, without the section "agent".
func (k Key) Flag() string {
	var b strings.Builder
	var previous rune
	for _, r := range strings.TrimPrefix(k.Path, "agent.") {
		switch {
		case r == '.':
			r = '-'
			b.WriteRune(r)
		case unicode.IsUpper(r) && unicode.IsLower(previous):
			b.WriteRune('-')
			b.WriteRune(unicode.ToLower(r))
		default:
			b.WriteRune(unicode.ToLower(r))
		}
		previous = r
	}
	return b.String()
}

// Lookup finds a key by its path.
func Lookup(path string) (Key, bool) {
	for _, k := range keys {
		if k.Path == path {
			return k, true
		}
	}
	return Key{}, false
}

// field gives the struct field behind a path that Keys lists.
func (c *Config) field(path string) reflect.Value {
	v := reflect.ValueOf(c).Elem()
	for name := range strings.SplitSeq(path, ".") {
		v = strictyaml.Field(v, name)
	}
	return v
}
