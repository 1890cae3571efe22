// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// maxFile is the largest file that is read, in bytes: far more than every
// key with a long value.
const maxFile = 1 << 20

// Load reads a file over the defaults. It finds unknown keys and values of
// the wrong type; whether a value is allowed is Validate's to tell, after
// the flags. Errors about the content are Problems; a file that cannot be
// read is an error of package os.
func Load(path string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Default(), fmt.Errorf("config: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return Default(), fmt.Errorf("config: %w", err)
	}
	return Parse(path, b)
}

// Parse is Load for a file that was read already; name stands for it in
// problems.
func Parse(name string, content []byte) (Config, error) {
	r := reader{name: name, config: Default()}
	r.config.origins = map[string]string{}
	if len(content) > maxFile {
		r.problems.add(name, "", "larger than %d bytes", maxFile)
		return r.config, r.problems
	}
	if root := r.document(content); root != nil {
		r.section(root, "", reflect.ValueOf(&r.config).Elem())
	}
	return r.config, r.problems.err()
}

// reader fills a configuration from one file and notes what is wrong.
type reader struct {
	name     string
	config   Config
	problems Problems
}

// yamlLine is how package yaml tells a line in a syntax error.
var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// document gives the root of the only document; nil when there is none or it
// is no YAML.
func (r *reader) document(content []byte) *yaml.Node {
	decoder := yaml.NewDecoder(strings.NewReader(string(content)))
	var doc, second yaml.Node
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		r.syntax(err)
		return nil
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		r.problems.add(r.at(&second), "", "a second document: the file must be one YAML document")
	case !errors.Is(err, io.EOF):
		r.syntax(err)
	}
	if len(doc.Content) == 0 {
		return nil
	}
	return doc.Content[0]
}

func (r *reader) syntax(err error) {
	origin, message := r.name, err.Error()
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		message = m[2]
		if m[1] != "" {
			origin += ":" + m[1]
		}
	}
	r.problems.add(origin, "", "not YAML: %s", message)
}

// at gives "file:line" of a node.
func (r *reader) at(n *yaml.Node) string { return r.name + ":" + strconv.Itoa(n.Line) }

// section reads a mapping into the struct into.
func (r *reader) section(n *yaml.Node, path string, into reflect.Value) {
	n = resolved(n)
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.problems.add(r.at(n), path, "want keys with values, found %s", describe(n))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := resolved(n.Content[i]), n.Content[i+1]
		full := join(path, printable(key.Value))
		if first, ok := seen[key.Value]; ok {
			r.problems.add(r.at(n.Content[i]), full, "set twice, first in line %d", first)
			continue
		}
		seen[key.Value] = n.Content[i].Line
		r.entry(n.Content[i], full, fieldByName(into, key.Value), value)
	}
}

// entry reads the value of one key into its field, which is invalid for a
// key that does not exist.
func (r *reader) entry(key *yaml.Node, path string, field reflect.Value, value *yaml.Node) {
	if !field.IsValid() {
		r.problems.add(r.at(key), path, "unknown key%s", hint(path))
		return
	}
	kind := kindOf(field)
	if kind == "" {
		r.section(value, path, field)
		return
	}
	value = resolved(value)
	if isNull(value) {
		return
	}
	r.config.origins[path] = r.at(value)
	if err := decode(kind, field, value); err != nil {
		r.problems.add(r.at(value), path, "%v", err)
	}
}

// resolved follows an alias to what it stands for.
func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// printable gives a key as it may stand in a message.
func printable(key string) string {
	for _, r := range key {
		if !unicode.IsPrint(r) {
			return strconv.Quote(key)
		}
	}
	return key
}
