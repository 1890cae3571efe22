// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package strictyaml

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

// MaxFile is the largest file that is read, in bytes: far more than every key
// with a long value.
const MaxFile = 1 << 20

// Origins tells for each value that was set where it stood ("file:line"), by
// its path ("agent.socket", "users[1].name").
type Origins map[string]string

// At gives where the value of a path stood; when it was not set, where the
// nearest section around it did, or else the name of the file.
func (o Origins) At(path, name string) string {
	for path != "" {
		if at, ok := o[path]; ok {
			return at
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return name
}

// ReadFile reads a file into the struct that into points to. Errors about the
// content are Problems; a file that cannot be read is an error of package os.
func ReadFile(path string, into any) (Origins, error) {
	f, err := os.Open(path)
	if err != nil {
		return Origins{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return Origins{}, err
	}
	return Read(path, b, into)
}

// Read is ReadFile for a file that was read already; name stands for it in
// problems.
func Read(name string, content []byte, into any) (Origins, error) {
	root := reflect.ValueOf(into).Elem()
	r := reader{name: name, root: root.Type(), origins: Origins{}}
	if len(content) > MaxFile {
		r.problems.Add(name, "", "larger than %d bytes", MaxFile)
		return r.origins, r.problems
	}
	if n := r.document(content); n != nil {
		r.section(n, "", root)
	}
	return r.origins, r.problems.Err()
}

// reader fills a struct from one file and notes what is wrong.
type reader struct {
	name     string
	root     reflect.Type
	origins  Origins
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
		r.problems.Add(r.at(&second), "", "a second document: the file must be one YAML document")
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
	r.problems.Add(origin, "", "not YAML: %s", message)
}

// at gives "file:line" of a node.
func (r *reader) at(n *yaml.Node) string { return r.name + ":" + strconv.Itoa(n.Line) }

// section reads a mapping into the struct into.
func (r *reader) section(n *yaml.Node, path string, into reflect.Value) {
	r.mapping(n, path, func(key, value *yaml.Node, full string) {
		field := Field(into, key.Value)
		if !field.IsValid() {
			r.problems.Add(r.at(key), full, "unknown key%s", r.hint(full, into.Type()))
			return
		}
		r.value(value, full, field)
	})
}

// table reads a mapping into the map into, whose keys are strings.
func (r *reader) table(n *yaml.Node, path string, into reflect.Value) {
	if into.IsNil() {
		into.Set(reflect.MakeMap(into.Type()))
	}
	r.mapping(n, path, func(key, value *yaml.Node, full string) {
		item := reflect.New(into.Type().Elem()).Elem()
		r.value(value, full, item)
		into.SetMapIndex(reflect.ValueOf(key.Value).Convert(into.Type().Key()), item)
	})
}

// mapping gives each key of a mapping with its value and its path.
func (r *reader) mapping(n *yaml.Node, path string, entry func(key, value *yaml.Node, full string)) {
	if n = resolved(n); isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.problems.Add(r.at(n), path, "want keys with values, found %s", describe(n))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := *resolved(n.Content[i])
		key.Line = n.Content[i].Line
		full := join(path, printable(key.Value))
		if first, ok := seen[key.Value]; ok {
			r.problems.Add(r.at(&key), full, "set twice, first in line %d", first)
			continue
		}
		seen[key.Value] = key.Line
		entry(&key, n.Content[i+1], full)
	}
}

// value reads what stands at a path into a field.
func (r *reader) value(n *yaml.Node, path string, into reflect.Value) {
	if n = resolved(n); isNull(n) {
		return
	}
	if into.Kind() == reflect.Pointer {
		into.Set(reflect.New(into.Type().Elem()))
		into = into.Elem()
	}
	if isSection(into.Type()) {
		r.section(n, path, into)
		return
	}
	r.origins[path] = r.at(n)
	if isTable(into.Type()) {
		r.table(n, path, into)
		return
	}
	if isList(into.Type()) {
		r.list(n, path, into)
		return
	}
	if err := decode(into, n); err != nil {
		r.problems.Add(r.at(n), path, "%v", err)
	}
}

// list reads a list of sections or tables.
func (r *reader) list(n *yaml.Node, path string, into reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		r.problems.Add(r.at(n), path, "want a list, found %s", describe(n))
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		at := path + "[" + strconv.Itoa(i) + "]"
		r.origins[at] = r.at(item)
		r.value(item, at, into.Index(i))
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

// Name is a field's key: that of its yaml tag, or else of its json tag; empty: none.
func Name(f reflect.StructField) string {
	for _, tag := range []string{"yaml", "json"} {
		if name, _, _ := strings.Cut(f.Tag.Get(tag), ","); name != "" && name != "-" {
			return name
		}
	}
	return ""
}

// Field finds the field of a struct by its key; the zero Value when there is
// none.
func Field(v reflect.Value, name string) reflect.Value {
	for i := range v.NumField() {
		if name != "" && Name(v.Type().Field(i)) == name {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

// unsupported is a defect of who made the struct.
func unsupported(t reflect.Type) string { return fmt.Sprintf("strictyaml: a field of type %v", t) }
