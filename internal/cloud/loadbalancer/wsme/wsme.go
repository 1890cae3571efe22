// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package wsme

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
)

// Kind is what an attribute's values are like.
type Kind interface {
	// from converts a JSON value.
	from(v any) (any, error)
	// check looks at a converted value that is not null.
	check(v any) (any, error)
}

// Attr is an attribute of a Type.
type Attr struct {
	Name string
	Kind Kind
	// Mandatory is true for one that must be there, though it may be null.
	Mandatory bool
}

// Type is the Kind of an object: its attributes, in the order that they are
// looked at.
type Type []Attr

// Object is what was read: the attributes that are given. A value is nil (null),
// string, int, float64, bool, []any of these, map[string]string or Object.
type Object map[string]any

// valueError is Python's ValueError: it becomes the answer of the attribute, or
// of the whole argument, that was being read.
type valueError string

func (e valueError) Error() string { return string(e) }

// stumble is an error of Python's that nobody catches: a 500.
func stumble(text string) *api.Error {
	return api.Errorf(http.StatusInternalServerError, "", "%s", text)
}

func clientError(format string, args ...any) *api.Error {
	return api.Errorf(http.StatusBadRequest, "", format, args...)
}

func invalid(name string, v any, text string) *api.Error {
	return clientError("Invalid input for field/attribute %s. Value: '%s'. %s", name, str(v), text)
}

// unknown is the error for attributes that a Type does not have. Its path grows
// while it comes up from the object that it is about.
type unknown struct {
	path  []string
	names []string
}

func (u *unknown) Error() string {
	words := "Unknown attribute for argument "
	if len(u.names) > 1 {
		words = "Unknown attributes for argument "
	}
	return words + strings.Join(u.path, ".") + ": " + strings.Join(u.names, ", ")
}

// Parse reads a body that is one object of a type. argument is what WSME calls
// the body in its errors.
func Parse(body []byte, mimetype, argument string, t Type) (Object, error) {
	mimetype, _, _ = strings.Cut(mimetype, ";")
	switch mimetype = strings.TrimSpace(mimetype); {
	case len(body) == 0 || mimetype == "application/x-www-form-urlencoded":
		return nil, clientError("Missing argument: \"%s\"", argument)
	case !slices.Contains([]string{"application/json", "text/javascript", "application/javascript"}, mimetype):
		return nil, api.Errorf(http.StatusUnsupportedMediaType, "", "Unknown mimetype: %s", mimetype)
	}
	data, err := decode(body)
	if err != nil {
		return nil, clientError("Request is not in valid JSON format")
	}
	v, err := t.from(data)
	if bad := valueError(""); errors.As(err, &bad) {
		return nil, invalid(argument, data, string(bad))
	}
	if u := (*unknown)(nil); errors.As(err, &u) {
		u.path = append([]string{argument}, u.path...)
		return nil, clientError("%s", u.Error())
	}
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, stumble("'NoneType' object has no attribute '" + t[0].Name + "'")
	}
	return v.(Object), nil
}

// from reads a JSON object.
func (t Type) from(v any) (any, error) {
	if v == nil {
		return nil, nil //nolint:nilnil // null is a value
	}
	d, ok := v.(*dict)
	if !ok {
		return nil, stumble("'" + pythonType(v) + "' object has no attribute 'keys'")
	}
	var strange []string
	for _, k := range d.keys {
		if !slices.ContainsFunc(t, func(a Attr) bool { return a.Name == k }) {
			strange = append(strange, k)
		}
	}
	if strange != nil {
		return nil, &unknown{names: strange}
	}
	o := Object{}
	for _, a := range t {
		given, ok := d.values[a.Name]
		if !ok {
			if a.Mandatory {
				return nil, invalid(a.Name, nil, "Mandatory field missing.")
			}
			continue
		}
		v, err := a.read(given)
		if err != nil {
			return nil, err
		}
		o[a.Name] = v
	}
	return o, nil
}

func (t Type) check(v any) (any, error) { return v, nil }

// Recheck looks at an object that was read as another type whose attributes are
// of the same kinds, but less narrow.
func (t Type) Recheck(o Object) error {
	for _, a := range t {
		if v, ok := o[a.Name]; ok && v != nil {
			if _, err := a.examine(v); err != nil {
				return err
			}
		}
	}
	return nil
}

// read converts and checks an attribute's value.
func (a Attr) read(given any) (any, error) {
	v, err := a.Kind.from(given)
	if u := (*unknown)(nil); errors.As(err, &u) {
		u.path = append([]string{a.Name}, u.path...)
	}
	if err != nil || v == nil {
		return nil, err
	}
	return a.examine(v)
}

func (a Attr) examine(v any) (any, error) {
	checked, err := a.Kind.check(v)
	if bad := valueError(""); errors.As(err, &bad) {
		return nil, invalid(a.Name, v, string(bad))
	}
	return checked, err
}

// Has tells whether an attribute was given, be it null.
func (o Object) Has(name string) bool { _, ok := o[name]; return ok }

// Null tells whether an attribute was given as null.
func (o Object) Null(name string) bool { v, ok := o[name]; return ok && v == nil }

// String gives a text; "" when it is null or was not given.
func (o Object) String(name string) string { s, _ := o[name].(string); return s }

// Text gives a text, or nil when it is null or was not given.
func (o Object) Text(name string) *string {
	if s, ok := o[name].(string); ok {
		return &s
	}
	return nil
}

// Int gives a number, or otherwise when it is null or was not given.
func (o Object) Int(name string, otherwise int) int {
	if n, ok := o[name].(int); ok {
		return n
	}
	return otherwise
}

// Number gives a number, or nil when it is null or was not given.
func (o Object) Number(name string) *int {
	if n, ok := o[name].(int); ok {
		return &n
	}
	return nil
}

// Float gives a number, or nil when it is null or was not given.
func (o Object) Float(name string) *float64 {
	if f, ok := o[name].(float64); ok {
		return &f
	}
	return nil
}

// Bool gives a truth value: false when it is null, otherwise when it was not given.
func (o Object) Bool(name string, otherwise bool) bool {
	v, given := o[name]
	if !given {
		return otherwise
	}
	b, _ := v.(bool)
	return b
}

// Strings gives a list of texts: nil when it is null or was not given.
func (o Object) Strings(name string) []string {
	list, ok := o[name].([]any)
	if !ok {
		return nil
	}
	texts := make([]string, 0, len(list))
	for _, v := range list {
		if s, ok := v.(string); ok {
			texts = append(texts, s)
		}
	}
	return texts
}

// Map gives a map of texts.
func (o Object) Map(name string) map[string]string { m, _ := o[name].(map[string]string); return m }

// Object gives an object: nil when it is null or was not given.
func (o Object) Object(name string) Object { v, _ := o[name].(Object); return v }

// Objects gives a list of objects.
func (o Object) Objects(name string) (objects []Object) {
	list, _ := o[name].([]any)
	for _, v := range list {
		if x, ok := v.(Object); ok {
			objects = append(objects, x)
		}
	}
	return objects
}
