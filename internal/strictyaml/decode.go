// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package strictyaml

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

var (
	duration = reflect.TypeFor[time.Duration]()
	texts    = reflect.TypeFor[[]string]()
	fromText = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// isText tells a type that reads itself from the text of a scalar.
func isText(t reflect.Type) bool { return reflect.PointerTo(t).Implements(fromText) }

func isSection(t reflect.Type) bool { return t.Kind() == reflect.Struct && !isText(t) }

func isTable(t reflect.Type) bool { return t.Kind() == reflect.Map }

func isList(t reflect.Type) bool { return t.Kind() == reflect.Slice && t != texts }

// decode sets a field from a YAML value of exactly its kind.
func decode(field reflect.Value, n *yaml.Node) error {
	if field.Type() == texts {
		return decodeStrings(field, n)
	}
	if n.Kind != yaml.ScalarNode || !fits(field.Type(), n) {
		return fmt.Errorf("want %s, found %s%s", wanted(field.Type()), describe(n), quoting(field.Type(), n))
	}
	return SetText(field, n.Value)
}

// fits tells whether a scalar is of the kind of a type.
func fits(t reflect.Type, n *yaml.Node) bool {
	tag := n.ShortTag()
	switch {
	case isText(t):
		return true
	case t == duration:
		// A duration is a string to YAML; the bare 0 needs no unit.
		return tag == "!!str" || n.Value == "0"
	}
	switch t.Kind() {
	case reflect.String:
		return tag == "!!str"
	case reflect.Bool:
		return tag == "!!bool"
	case reflect.Float64:
		return tag == "!!int" || tag == "!!float"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return tag == "!!int"
	default:
		panic(unsupported(t))
	}
}

func decodeStrings(field reflect.Value, n *yaml.Node) error {
	if n.Kind != yaml.SequenceNode {
		return fmt.Errorf("want %s, found %s", wanted(texts), describe(n))
	}
	list := make([]string, 0, len(n.Content))
	for i, item := range n.Content {
		item = resolved(item)
		if item.Kind != yaml.ScalarNode || item.ShortTag() != "!!str" {
			return fmt.Errorf("want %s, found %s as item %d (line %d)%s", wanted(texts), describe(item), i+1, item.Line, quoting(texts, item))
		}
		list = append(list, item.Value)
	}
	field.Set(reflect.ValueOf(list))
	return nil
}

// SetText sets a field from the text of its value, a list's items separated
// by commas.
func SetText(field reflect.Value, text string) error {
	mismatch := fmt.Errorf("want %s, found %q", wanted(field.Type()), text)
	switch t := field.Type(); {
	case isText(t):
		return field.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
	case t == duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return mismatch
		}
		field.SetInt(int64(d))
		return nil
	case t == texts:
		list := []string{}
		if text != "" {
			list = strings.Split(text, ",")
		}
		field.Set(reflect.ValueOf(list))
		return nil
	}
	var err error
	switch field.Kind() {
	case reflect.String:
		field.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return mismatch
		}
		field.SetBool(text == "true")
	case reflect.Int, reflect.Int64:
		var i int64
		i, err = strconv.ParseInt(text, 10, 64)
		field.SetInt(i)
	case reflect.Uint64:
		var i uint64
		i, err = strconv.ParseUint(text, 10, 64)
		field.SetUint(i)
	case reflect.Float64:
		var f float64
		f, err = strconv.ParseFloat(text, 64)
		field.SetFloat(f)
	default:
		panic(unsupported(field.Type()))
	}
	if err != nil {
		return mismatch
	}
	return nil
}

// wanted names a type in a message.
func wanted(t reflect.Type) string {
	switch t {
	case duration:
		return "a duration with its unit, such as 90s or 1h30m"
	case texts:
		return "a list of strings"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	default:
		return "a string"
	}
}

// quoting is the advice for a scalar where a string is wanted.
func quoting(t reflect.Type, n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode && (t.Kind() == reflect.String || t == texts) {
		return "; quote it to make it a string"
	}
	return ""
}

// describe names what stands in a file where something else was wanted.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys with values"
	case yaml.SequenceNode:
		return "a list"
	case yaml.DocumentNode, yaml.AliasNode:
		return "something else"
	case yaml.ScalarNode:
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!bool":
		return "the boolean " + n.Value
	}
	return strconv.Quote(n.Value)
}
