// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// decode sets a field from a YAML value of exactly its kind.
func decode(kind Kind, field reflect.Value, n *yaml.Node) error {
	if kind == Strings {
		return decodeStrings(field, n)
	}
	if n.Kind != yaml.ScalarNode {
		return fmt.Errorf("want %s, found %s", wanted(kind), describe(n))
	}
	tag := n.ShortTag()
	fits := map[Kind]bool{
		String: tag == "!!str",
		Bool:   tag == "!!bool",
		Int:    tag == "!!int",
		// A duration is a string to YAML; the bare 0 needs no unit.
		Duration: tag == "!!str" || n.Value == "0",
	}
	if !fits[kind] {
		return fmt.Errorf("want %s, found %s%s", wanted(kind), describe(n), quoting(kind))
	}
	return setText(kind, field, n.Value)
}

func decodeStrings(field reflect.Value, n *yaml.Node) error {
	if n.Kind != yaml.SequenceNode {
		return fmt.Errorf("want %s, found %s", wanted(Strings), describe(n))
	}
	list := make([]string, 0, len(n.Content))
	for i, item := range n.Content {
		item = resolved(item)
		if item.Kind != yaml.ScalarNode || item.ShortTag() != "!!str" {
			return fmt.Errorf("want %s, found %s as item %d (line %d)%s", wanted(Strings), describe(item), i+1, item.Line, quoting(Strings))
		}
		list = append(list, item.Value)
	}
	field.Set(reflect.ValueOf(list))
	return nil
}

// setText sets a field from the text of its value.
func setText(kind Kind, field reflect.Value, text string) error {
	mismatch := fmt.Errorf("want %s, found %q", wanted(kind), text)
	switch kind {
	case String:
		field.SetString(text)
	case Strings:
		list := []string{}
		if text != "" {
			list = strings.Split(text, ",")
		}
		field.Set(reflect.ValueOf(list))
	case Bool:
		if text != "true" && text != "false" {
			return mismatch
		}
		field.SetBool(text == "true")
	case Int:
		i, err := strconv.Atoi(text)
		if err != nil {
			return mismatch
		}
		field.SetInt(int64(i))
	case Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return mismatch
		}
		field.SetInt(int64(d))
	}
	return nil
}

// Set overrides one key from the text of its value, a list's items separated
// by commas. origin says who did, for problems found later. The error is
// about an unknown key or a value of the wrong type.
func (c *Config) Set(path, text, origin string) error {
	key, ok := Lookup(path)
	if !ok {
		return Problem{Origin: origin, Key: path, Message: "unknown key" + hint(path)}
	}
	if err := setText(key.Kind, c.field(path), text); err != nil {
		return Problem{Origin: origin, Key: path, Message: err.Error()}
	}
	if c.origins == nil {
		c.origins = map[string]string{}
	}
	c.origins[path] = origin
	return nil
}

// wanted names a kind in a message.
func wanted(kind Kind) string {
	switch kind {
	case Bool:
		return "true or false"
	case Int:
		return "a whole number"
	case Duration:
		return "a duration with its unit, such as 90s or 1h30m"
	case Strings:
		return "a list of strings"
	case String:
	}
	return "a string"
}

// quoting is the advice for a scalar where a string is wanted.
func quoting(kind Kind) string {
	if kind == String || kind == Strings {
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
