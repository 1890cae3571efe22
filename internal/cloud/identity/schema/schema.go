// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package schema

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Schema is a JSON schema.
type Schema struct {
	root     object
	patterns map[string]*regexp.Regexp
}

// Error is what is wrong with a value.
type Error struct{ message string }

// Error gives Keystone's words.
func (e *Error) Error() string { return e.message }

// MustParse reads a schema, which is part of the program.
func MustParse(text string) *Schema {
	s, err := parse(text)
	if err != nil {
		panic(err)
	}
	return s
}

func parse(text string) (*Schema, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	value, err := readOrdered(d)
	if err != nil {
		return nil, fmt.Errorf("schema: read: %w", err)
	}
	root, ok := value.(object)
	if !ok {
		return nil, fmt.Errorf("schema: read: no object: %s", text)
	}
	s := &Schema{root: root, patterns: map[string]*regexp.Regexp{}}
	return s, s.compile(root)
}

// compile prepares the patterns of a schema and of those in it.
func (s *Schema) compile(value any) error {
	switch v := value.(type) {
	case object:
		for _, m := range v {
			if pattern, ok := m.value.(string); ok && m.name == "pattern" {
				re, err := regexp.Compile(pattern)
				if err != nil {
					return fmt.Errorf("schema: read: %w", err)
				}
				s.patterns[pattern] = re
			}
			if err := s.compile(m.value); err != nil {
				return err
			}
		}
	case []any:
		for _, item := range v {
			if err := s.compile(item); err != nil {
				return err
			}
		}
	}
	return nil
}

// Check compares a value that was read from JSON (map[string]any, []any,
// string, json.Number or float64, bool or nil) with the schema. The error is an *Error.
func (s *Schema) Check(value any) error {
	if f := s.check(s.root, value); f != nil {
		return &Error{f.text()}
	}
	return nil
}

// fault is where a value does not fit.
type fault struct {
	message, keyword string
	schema           object
	instance         any
	// path leads to the instance, schemaPath to the schema; both from the inside out.
	path, schemaPath []any
}

// under tells that a fault is below a key of the instance and keys of the schema.
func (f *fault) under(key any, schemaKeys ...any) *fault {
	if f == nil {
		return nil
	}
	f.path = append(f.path, key)
	slices.Reverse(schemaKeys)
	f.schemaPath = append(f.schemaPath, schemaKeys...)
	return f
}

func (s *Schema) check(schema object, instance any) *fault {
	for _, m := range schema {
		var message string
		switch m.name {
		case "properties":
			if f := s.properties(m.value.(object), instance); f != nil {
				return f
			}
		case "items":
			if f := s.items(m.value.(object), instance); f != nil {
				return f
			}
		case "pattern":
			message = s.pattern(m.value.(string), instance)
		default:
			message = keyword(m.name, m.value, schema, instance)
		}
		if message != "" {
			return &fault{message: message, keyword: m.name, schema: schema, instance: instance}
		}
	}
	return nil
}

func (s *Schema) properties(properties object, instance any) *fault {
	fields, ok := instance.(map[string]any)
	if !ok {
		return nil
	}
	for _, p := range properties {
		if value, given := fields[p.name]; given {
			if f := s.check(p.value.(object), value).under(p.name, "properties", p.name); f != nil {
				return f
			}
		}
	}
	return nil
}

func (s *Schema) items(schema object, instance any) *fault {
	list, _ := instance.([]any)
	for i, item := range list {
		if f := s.check(schema, item).under(i, "items"); f != nil {
			return f
		}
	}
	return nil
}

func (s *Schema) pattern(pattern string, instance any) string {
	text, ok := instance.(string)
	if !ok || s.patterns[pattern].MatchString(text) {
		return ""
	}
	return repr(instance) + " does not match " + repr(pattern)
}

// keyword checks what is said about one value; empty: nothing is wrong.
func keyword(name string, want any, schema object, instance any) string {
	switch name {
	case "type":
		return checkType(want, instance)
	case "enum":
		if !slices.ContainsFunc(want.([]any), func(v any) bool { return equal(v, instance) }) {
			return repr(instance) + " is not one of " + repr(want)
		}
	case "required":
		return checkRequired(want.([]any), instance)
	case "additionalProperties":
		return checkAdditional(want, schema, instance)
	case "uniqueItems":
		if list, ok := instance.([]any); ok && want == true && hasTwins(list) {
			return repr(instance) + " has non-unique elements"
		}
	default:
		return checkSize(name, want, instance)
	}
	return ""
}

func checkType(want, instance any) string {
	types, ok := want.([]any)
	if !ok {
		types = []any{want}
	}
	names := make([]string, len(types))
	for i, t := range types {
		if isType(t.(string), instance) {
			return ""
		}
		names[i] = repr(t)
	}
	return repr(instance) + " is not of type " + strings.Join(names, ", ")
}

func isType(name string, instance any) bool {
	switch instance.(type) {
	case nil:
		return name == "null"
	case string:
		return name == "string"
	case bool:
		return name == "boolean"
	case []any:
		return name == "array"
	case map[string]any:
		return name == "object"
	}
	return false
}

func checkRequired(names []any, instance any) string {
	fields, ok := instance.(map[string]any)
	if !ok {
		return ""
	}
	for _, name := range names {
		if _, given := fields[name.(string)]; !given {
			return repr(name) + " is a required property"
		}
	}
	return ""
}

func checkAdditional(want any, schema object, instance any) string {
	fields, ok := instance.(map[string]any)
	if !ok || want != false {
		return ""
	}
	properties, _ := schema.get("properties").(object)
	var extra []string
	for name := range fields {
		if properties.get(name) == nil {
			extra = append(extra, repr(name))
		}
	}
	if len(extra) == 0 {
		return ""
	}
	slices.Sort(extra)
	verb := "were"
	if len(extra) == 1 {
		verb = "was"
	}
	return fmt.Sprintf("Additional properties are not allowed (%s %s unexpected)", strings.Join(extra, ", "), verb)
}

// sizes are the keywords that bound how much of something there is: of what
// kind of value, whether it is the least, and what is said of one beyond.
var sizes = map[string]struct {
	kind    string
	least   bool
	message string
}{
	"minLength":     {"string", true, " is too short"},
	"maxLength":     {"string", false, " is too long"},
	"minItems":      {"array", true, " is too short"},
	"maxItems":      {"array", false, " is too long"},
	"minProperties": {"object", true, " does not have enough properties"},
	"maxProperties": {"object", false, " has too many properties"},
}

func checkSize(name string, want, instance any) string {
	size, known := sizes[name]
	if !known || !isType(size.kind, instance) {
		return ""
	}
	var n int
	switch v := instance.(type) {
	case string:
		n = utf8.RuneCountInString(v)
	case []any:
		n = len(v)
	case map[string]any:
		n = len(v)
	}
	bound := want.(int)
	if size.least && n >= bound || !size.least && n <= bound {
		return ""
	}
	return repr(instance) + size.message
}

func hasTwins(list []any) bool {
	for i, a := range list {
		if slices.ContainsFunc(list[:i], func(b any) bool { return equal(a, b) }) {
			return true
		}
	}
	return false
}

func equal(a, b any) bool { return reflect.DeepEqual(a, b) }

// text is the exception's text, behind the field's name if the fault is in one.
func (f *fault) text() string {
	path, schemaPath := slices.Clone(f.path), slices.Clone(f.schemaPath)
	slices.Reverse(path)
	slices.Reverse(schemaPath)
	text := fmt.Sprintf("%s\n\nFailed validating %s in %s:\n    %s\n\nOn %s:\n    %s", f.message,
		repr(f.keyword), index("schema", schemaPath), indented(pformat(f.schema)), index("instance", path), indented(pformat(f.instance)))
	if len(path) == 0 {
		return text
	}
	names := make([]string, len(path))
	for i, p := range path {
		names[i] = fmt.Sprint(p)
	}
	return fmt.Sprintf("Invalid input for field '%s': %s", strings.Join(names, "/"), text)
}

func index(container string, keys []any) string {
	for _, k := range keys {
		container += "[" + repr(k) + "]"
	}
	return container
}

func indented(text string) string { return strings.ReplaceAll(text, "\n", "\n    ") }
