// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cni

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// value is a piece of JSON and where it stands. Its readers accept exactly
// one type each, and say in their error what is wanted there.
type value struct {
	// field is the path for messages: "allowedAddressPairs[1].ipAddress".
	field string
	raw   json.RawMessage
}

// member is a key of an object with its value.
type member struct {
	key string
	value
}

// document reads stdin's one object.
func document(stdin []byte) ([]member, error) {
	if !utf8.Valid(stdin) {
		return nil, undecodable("the network configuration is not UTF-8")
	}
	if len(bytes.TrimSpace(stdin)) == 0 {
		return nil, undecodable("the network configuration is empty")
	}
	var raw json.RawMessage
	if err := json.Unmarshal(stdin, &raw); err != nil {
		return nil, undecodable("the network configuration is not JSON: %w", err)
	}
	if kindOf(raw) != "an object" {
		return nil, undecodable("the network configuration is %s; want an object", kindOf(raw))
	}
	return value{raw: raw}.object()
}

// errUndecodable marks what is no JSON object at all (CNI code 6).
var errUndecodable = errors.New("undecodable")

func undecodable(format string, args ...any) error {
	e := fault.InvalidField("stdin", format, args...)
	e.Err = errors.Join(errUndecodable, e.Err)
	return e
}

// kindOf names the type of a valid piece of JSON.
func kindOf(raw json.RawMessage) string {
	trimmed := bytes.TrimLeft(raw, " \t\r\n")
	if len(trimmed) == 0 {
		return "nothing"
	}
	switch trimmed[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

func (v value) isNull() bool { return kindOf(v.raw) == "null" }

// wanted is the error of a value of another type.
func (v value) wanted(what string) error {
	return fault.InvalidField(v.field, "want %s, got %s", what, kindOf(v.raw))
}

// object reads an object's members in their order. A key that stands twice is
// an error: which of the two was meant, nobody can tell.
func (v value) object() ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(v.raw))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, v.wanted("an object")
	}
	var members []member
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, undecodable("%s: %w", v.field, err)
		}
		key, _ := token.(string) // the decoder takes nothing else for a key
		m := member{key: key, value: value{field: join(v.field, key)}}
		if err := dec.Decode(&m.raw); err != nil {
			return nil, undecodable("%s: %w", m.field, err)
		}
		if seen[key] {
			return nil, fault.InvalidField(m.field, "the key stands twice")
		}
		seen[key] = true
		members = append(members, m)
	}
	return members, nil
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// list reads a list's items.
func (v value) list(of string) ([]value, error) {
	var raws []json.RawMessage
	if kindOf(v.raw) != "a list" {
		return nil, v.wanted("a list of " + of)
	}
	if err := json.Unmarshal(v.raw, &raws); err != nil {
		return nil, undecodable("%s: %w", v.field, err)
	}
	items := make([]value, 0, len(raws))
	for i, raw := range raws {
		items = append(items, value{field: fmt.Sprintf("%s[%d]", v.field, i), raw: raw})
	}
	return items, nil
}

const (
	// maxText is the longest text taken, in bytes; Neutron's own names end at 255.
	maxText = 255
	// maxItems is the longest list of names or addresses taken; no port has as many.
	maxItems = 256
)

// text reads a string that is neither empty nor overlong; what says what it
// stands for.
func (v value) text(what string) (string, error) {
	s, err := v.longText(what)
	if len(s) > maxText {
		return "", fault.InvalidField(v.field, "%d bytes long; at most %d", len(s), maxText)
	}
	return s, err
}

// longText reads a string of any length that is not empty.
func (v value) longText(what string) (string, error) {
	var s string
	if err := json.Unmarshal(v.raw, &s); err != nil || kindOf(v.raw) != "a string" {
		return "", v.wanted(what)
	}
	if s == "" {
		return "", fault.InvalidField(v.field, "empty; want %s", what)
	}
	return s, nil
}

// texts reads a list of strings, which may be empty but not nil.
func (v value) texts(what string) ([]string, error) {
	items, err := v.list("strings (" + what + ")")
	if err != nil {
		return nil, err
	}
	if len(items) > maxItems {
		return nil, fault.InvalidField(v.field, "more than %d items in a list", maxItems)
	}
	list := make([]string, 0, len(items))
	seen := map[string]bool{}
	for _, item := range items {
		s, err := item.text(what)
		if err != nil {
			return nil, err
		}
		if seen[s] {
			return nil, fault.InvalidField(item.field, "%q stands twice in the list", s)
		}
		seen[s] = true
		list = append(list, s)
	}
	return list, nil
}

// flag reads true or false.
func (v value) flag() (bool, error) {
	var b bool
	if err := json.Unmarshal(v.raw, &b); err != nil || kindOf(v.raw) != "a boolean" {
		return false, v.wanted("true or false")
	}
	return b, nil
}

// number reads a whole number between two bounds, both included.
func (v value) number(low, high int) (int, error) {
	what := fmt.Sprintf("a whole number from %d to %d", low, high)
	if kindOf(v.raw) != "a number" {
		return 0, v.wanted(what)
	}
	n, err := strconv.Atoi(string(v.raw))
	if err != nil || n < low || n > high {
		return 0, fault.InvalidField(v.field, "%.40s is out of range; want %s", v.raw, what)
	}
	return n, nil
}
