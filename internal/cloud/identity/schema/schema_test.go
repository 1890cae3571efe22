// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package schema

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const project = `{"type": "object", "properties": {
	"description": {"type": ["string", "null"]},
	"enabled": {"type": "boolean", "enum": [true, false, null]},
	"interface": {"type": "string", "enum": ["admin", "internal"]},
	"name": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "[\\S]+"},
	"tags": {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[^,/]*$"}, "required": [], "maxItems": 3, "uniqueItems": true},
	"options": {"type": "object", "properties": {"immutable": {"type": ["boolean", "null"], "enum": [true, false, null]}}, "additionalProperties": false},
	"roles": {"type": "array", "items": {"type": "object", "minProperties": 1, "maxProperties": 1}, "minItems": 1}},
	"required": ["name"], "minProperties": 1, "additionalProperties": true}`

// The texts are what Keystone 22 with jsonschema 4.10 answers.
func TestFaultsAreToldInJsonschemasWords(t *testing.T) {
	s := MustParse(project)
	name := "    {'maxLength': 64, 'minLength': 1, 'pattern': '[\\\\S]+', 'type': 'string'}\n"
	tags := "    {'items': {'maxLength': 255,\n               'minLength': 1,\n               'pattern': '^[^,/]*$',\n               'type': 'string'},\n" +
		"     'maxItems': 3,\n     'required': [],\n     'type': 'array',\n     'uniqueItems': True}\n"
	enabled := "Failed validating 'type' in schema['properties']['enabled']:\n    {'enum': [True, False, None], 'type': 'boolean'}\n\nOn instance['enabled']:\n    "
	for _, c := range []struct{ value, want string }{
		{`{"name": "x", "foo": [1]}`, ""},
		{`{"name": 5}`, "Invalid input for field 'name': 5 is not of type 'string'\n\nFailed validating 'type' in schema['properties']['name']:\n" + name + "\nOn instance['name']:\n    5"},
		{`{"name": ""}`, "Invalid input for field 'name': '' is too short\n\nFailed validating 'minLength' in schema['properties']['name']:\n" + name + "\nOn instance['name']:\n    ''"},
		{`{"name": "  "}`, "Invalid input for field 'name': '  ' does not match '[\\\\S]+'\n\nFailed validating 'pattern' in schema['properties']['name']:\n" + name + "\nOn instance['name']:\n    '  '"},
		{`{"description": 7}`, "Invalid input for field 'description': 7 is not of type 'string', 'null'\n\nFailed validating 'type' in schema['properties']['description']:\n    {'type': ['string', 'null']}\n\nOn instance['description']:\n    7"},
		{`{"enabled": 1.5}`, "Invalid input for field 'enabled': 1.5 is not of type 'boolean'\n\n" + enabled + "1.5"},
		{
			`{"enabled": "a fairly long text with words in it, so that the printer has to break the line somewhere, and then again"}`,
			"Invalid input for field 'enabled': 'a fairly long text with words in it, so that the printer has to break the line somewhere, and then again' is not of type 'boolean'\n\n" +
				enabled + "('a fairly long text with words in it, so that the printer has to '\n     'break the line somewhere, and then again')",
		},
		{`{"interface": "foo"}`, "Invalid input for field 'interface': 'foo' is not one of ['admin', 'internal']\n\nFailed validating 'enum' in schema['properties']['interface']:\n    {'enum': ['admin', 'internal'], 'type': 'string'}\n\nOn instance['interface']:\n    'foo'"},
		{`{"tags": ["a", "a"]}`, "Invalid input for field 'tags': ['a', 'a'] has non-unique elements\n\nFailed validating 'uniqueItems' in schema['properties']['tags']:\n" + tags + "\nOn instance['tags']:\n    ['a', 'a']"},
		{`{"tags": ["a", "b", "c", "d"]}`, "Invalid input for field 'tags': ['a', 'b', 'c', 'd'] is too long\n\nFailed validating 'maxItems' in schema['properties']['tags']:\n" + tags + "\nOn instance['tags']:\n    ['a', 'b', 'c', 'd']"},
		{`{"tags": ["a,b"]}`, "Invalid input for field 'tags/0': 'a,b' does not match '^[^,/]*$'\n\nFailed validating 'pattern' in schema['properties']['tags']['items']:\n" +
			"    {'maxLength': 255,\n     'minLength': 1,\n     'pattern': '^[^,/]*$',\n     'type': 'string'}\n\nOn instance['tags'][0]:\n    'a,b'"},
		{`{"options": {"foo": 1}}`, "Invalid input for field 'options': Additional properties are not allowed ('foo' was unexpected)\n\nFailed validating 'additionalProperties' in schema['properties']['options']:\n" +
			"    {'additionalProperties': False,\n     'properties': {'immutable': {'enum': [True, False, None],\n                                  'type': ['boolean', 'null']}},\n     'type': 'object'}\n\nOn instance['options']:\n    {'foo': 1}"},
		{`{"options": {"a": 1, "b": 2}}`, "Invalid input for field 'options': Additional properties are not allowed ('a', 'b' were unexpected)\n\nFailed validating 'additionalProperties' in schema['properties']['options']:\n" +
			"    {'additionalProperties': False,\n     'properties': {'immutable': {'enum': [True, False, None],\n                                  'type': ['boolean', 'null']}},\n     'type': 'object'}\n\nOn instance['options']:\n    {'a': 1, 'b': 2}"},
		{`{"roles": []}`, "Invalid input for field 'roles': [] is too short\n\nFailed validating 'minItems' in schema['properties']['roles']:\n    {'items': {'maxProperties': 1, 'minProperties': 1, 'type': 'object'},\n     'minItems': 1,\n     'type': 'array'}\n\nOn instance['roles']:\n    []"},
		{`{"roles": [{"id": "a", "name": "b"}]}`, "Invalid input for field 'roles/0': {'id': 'a', 'name': 'b'} has too many properties\n\nFailed validating 'maxProperties' in schema['properties']['roles']['items']:\n    {'maxProperties': 1, 'minProperties': 1, 'type': 'object'}\n\nOn instance['roles'][0]:\n    {'id': 'a', 'name': 'b'}"},
		{
			`{"name": [["abcdefghijklmnopqrstuvwxyz", 1, 2, 3, 4, 5], ["abcdefghijklmnopqrstuvwxyz bbcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz bbcdefghijklmnopqrstuvwxyz", true]]}`,
			"Invalid input for field 'name': [['abcdefghijklmnopqrstuvwxyz', 1, 2, 3, 4, 5], ['abcdefghijklmnopqrstuvwxyz bbcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz bbcdefghijklmnopqrstuvwxyz', True]] is not of type 'string'\n\n" +
				"Failed validating 'type' in schema['properties']['name']:\n" + name + "\nOn instance['name']:\n    [['abcdefghijklmnopqrstuvwxyz', 1, 2, 3, 4, 5],\n     ['abcdefghijklmnopqrstuvwxyz bbcdefghijklmnopqrstuvwxyz '\n      'abcdefghijklmnopqrstuvwxyz bbcdefghijklmnopqrstuvwxyz',\n      True]]",
		},
	} {
		if diff := cmp.Diff(c.want, check(t, s, c.value)); diff != "" {
			t.Errorf("%s: %s", c.value, diff)
		}
	}
}

func TestWhatIsMissingIsToldWithTheWholeSchema(t *testing.T) {
	s := MustParse(`{"type": "object", "properties": {"original_password": {"type": "string"}, "password": {"type": "string"}},
		"required": ["original_password", "password"], "additionalProperties": false}`)
	schema := " in schema:\n    {'additionalProperties': False,\n     'properties': {'original_password': {'type': 'string'},\n                    'password': {'type': 'string'}},\n" +
		"     'required': ['original_password', 'password'],\n     'type': 'object'}\n\nOn instance:\n    "
	for value, want := range map[string]string{
		`{"password": "three"}`: "'original_password' is a required property\n\nFailed validating 'required'" + schema + "{'password': 'three'}",
		`"x"`:                   "'x' is not of type 'object'\n\nFailed validating 'type'" + schema + "'x'",
		`null`:                  "None is not of type 'object'\n\nFailed validating 'type'" + schema + "None",
	} {
		if diff := cmp.Diff(want, check(t, s, value)); diff != "" {
			t.Errorf("%s: %s", value, diff)
		}
	}
	least := MustParse(`{"minProperties": 1}`)
	if got := check(t, least, `{}`); !strings.HasPrefix(got, "{} does not have enough properties\n\n") {
		t.Error(got)
	}
}

func check(t *testing.T, s *Schema, text string) string {
	t.Helper()
	if err := s.Check(read(t, text)); err != nil {
		return err.Error()
	}
	return ""
}

func read(t *testing.T, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestValuesAreShownAsPythonShowsThem(t *testing.T) {
	for _, c := range []struct {
		value any
		want  string
	}{
		{"it's", `"it's"`},
		{`"it's"`, `'"it\'s"'`},
		{"a\\b\n\t\r\x00\u00e9\u0085\u200b\U000e0001", `'a\\b\n\t\r\x00é\x85\u200b\U000e0001'`},
		{json.Number("12345678901234567890"), "12345678901234567890"},
		{json.Number("1.0"), "1.0"},
		{json.Number("-0.00001"), "-1e-05"},
		{json.Number("1e15"), "1000000000000000.0"},
		{json.Number("1e16"), "1e+16"},
		{json.Number("1e999"), "inf"},
		{json.Number("-1e999"), "-inf"},
		{map[string]any{"b": nil, "a": []any{true, false}}, "{'a': [True, False], 'b': None}"},
	} {
		if got := repr(c.value); got != c.want {
			t.Errorf("%#v: %s, want %s", c.value, got, c.want)
		}
	}
}

func TestABrokenTextIsTheTextAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`([a-z]{1,30}[ \n]{0,3}){0,12}`).Draw(t, "text")
		width := rapid.IntRange(3, 40).Draw(t, "width")
		joined := ""
		for _, chunk := range breakText(text, width, rapid.IntRange(0, 3).Draw(t, "allowance")) {
			joined += strings.Trim(chunk, "'")
		}
		if want := strings.ReplaceAll(text, "\n", `\n`); joined != want {
			t.Fatalf("%q, want %q", joined, want)
		}
	})
}

func FuzzNoValueMakesTheCheckPanic(f *testing.F) {
	s := MustParse(project)
	f.Add(`{"name": "x", "tags": [["a"]], "options": {"immutable": 1e400}}`)
	f.Add(`[{"a": null}]`)
	f.Fuzz(func(_ *testing.T, text string) {
		var value any
		if json.Unmarshal([]byte(text), &value) == nil {
			_ = s.Check(value)
		}
	})
}
