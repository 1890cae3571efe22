// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package config

import (
	"bytes"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

// YAML gives the whole configuration as a file that Parse reads back as it
// is. There is no secret in it.
func (c *Config) YAML() ([]byte, error) {
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(structNode(reflect.ValueOf(c).Elem())); err != nil {
		return nil, fmt.Errorf("config: encode: %w", err)
	}
	if err := encoder.Close(); err != nil {
		return nil, fmt.Errorf("config: encode: %w", err)
	}
	return b.Bytes(), nil
}

func structNode(v reflect.Value) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("yaml")
		if name == "" {
			continue
		}
		n.Content = append(n.Content, scalar("!!str", name), valueNode(v.Field(i)))
	}
	return n
}

// valueNode differs from package yaml's own encoding in one point: a list
// that is not set is null, for an empty list may mean something else.
func valueNode(v reflect.Value) *yaml.Node {
	switch x := v.Interface().(type) {
	case string:
		return stringNode(x)
	case []string:
		if x == nil {
			return scalar("!!null", "null")
		}
		n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, s := range x {
			n.Content = append(n.Content, stringNode(s))
		}
		return n
	case bool:
		return scalar("!!bool", strconv.FormatBool(x))
	case int:
		return scalar("!!int", strconv.Itoa(x))
	case time.Duration:
		return scalar("!!str", x.String())
	}
	return structNode(v)
}

// stringNode leaves the quoting to package yaml, which knows when it is needed.
func stringNode(s string) *yaml.Node {
	var n yaml.Node
	n.SetString(s)
	return &n
}

func scalar(tag, value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
}
