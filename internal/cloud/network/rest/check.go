// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Check converts a value of a request and tells what is wrong with it: a
// Reason, which is worded as "Invalid input for NAME. Reason: …", or an
// *api.Error that is the answer itself. Numbers come as json.Number.
type Check func(value any) (any, error)

// Reason is what is wrong with a value.
type Reason string

// Error gives the reason.
func (r Reason) Error() string { return string(r) }

// Reasonf makes a Reason.
func Reasonf(format string, args ...any) Reason { return Reason(fmt.Sprintf(format, args...)) }

// Checks are makers of checks by their names; a maker gets the words behind
// the name's colons ("string:255").
type Checks map[string]func(args []string) Check

// converters are the names of checks that Neutron applies to filters too.
var converters = []string{
	"boolean", "boolean-or-none", "int", "lower", "none-is-empty", "canonical-cidr", "canonical-ip", "mac-if-none",
	"port-value", "sg-protocol", "protocol", "ethertype", "prefix", "rbac-object-type",
}

// named joins the checks of a list of names, and those of them that convert.
func (c Checks) named(list string) (convert, check Check, err error) {
	var all, converting []Check
	for name := range strings.SplitSeq(list, ",") {
		words := strings.Split(name, ":")
		maker := c[words[0]]
		if maker == nil {
			maker = basic[words[0]]
		}
		if maker == nil {
			return nil, nil, fmt.Errorf("no check is called %q", words[0])
		}
		one := maker(words[1:])
		all = append(all, one)
		if slices.Contains(converters, words[0]) {
			converting = append(converting, one)
		}
	}
	return chain(converting), chain(all), nil
}

func chain(checks []Check) Check {
	return func(value any) (any, error) {
		var err error
		for _, check := range checks {
			if value, err = check(value); err != nil {
				return nil, err
			}
		}
		return plain(value), nil
	}
}

// plain gives a number of the request as an int, where it is one.
func plain(value any) any {
	if n, ok := value.(json.Number); ok {
		if i, err := strconv.Atoi(n.String()); err == nil {
			return i
		}
	}
	return value
}

// Plain makes a maker of a check without words.
func Plain(check Check) func([]string) Check { return func([]string) Check { return check } }

var basic = Checks{
	"any":             Plain(func(v any) (any, error) { return v, nil }),
	"boolean":         Plain(boolean),
	"boolean-or-none": Plain(orNone(boolean)),
	"int":             Plain(integer),
	"non-negative":    Plain(nonNegative),
	"lower":           Plain(lower),
	"none-is-empty": Plain(func(v any) (any, error) {
		if v == nil {
			return []any{}, nil
		}
		return v, nil
	}),
	"uuid":             Plain(uuidCheck),
	"uuid-or-none":     Plain(orNone(uuidCheck)),
	"uuid-list":        Plain(uuidList),
	"string":           func(args []string) Check { return stringCheck(number(args[0])) },
	"string-or-none":   func(args []string) Check { return orNone(stringCheck(number(args[0]))) },
	"not-empty-string": Plain(notEmpty),
	"values":           oneOf,
	"range":            between,
	"dict-or-none":     Plain(dictOrNone),
}

func number(word string) int {
	n, err := strconv.Atoi(word)
	if err != nil {
		panic("rest: a check's number: " + err.Error())
	}
	return n
}

// orNone lets null pass a check.
func orNone(check Check) Check {
	return func(v any) (any, error) {
		if v == nil {
			return nil, nil
		}
		return check(v)
	}
}

// Boolean is the check of a truth value.
func Boolean(v any) (any, error) { return boolean(v) }

// boolean reads what oslo.utils' bool_from_string does in its strict mode.
func boolean(v any) (any, error) {
	switch strings.ToLower(strings.TrimSpace(Str(v))) {
	case "1", "t", "true", "on", "y", "yes":
		return true, nil
	case "0", "f", "false", "off", "n", "no":
		return false, nil
	}
	return nil, InvalidInput("'%s' cannot be converted to boolean", Str(v))
}

func integer(v any) (any, error) {
	switch n := v.(type) {
	case json.Number:
		if f, err := n.Float64(); err == nil && f > -1<<62 && f < 1<<62 {
			return int(f), nil
		}
	case int:
		return n, nil
	case bool:
		if n {
			return 1, nil
		}
		return 0, nil
	case string:
		if i, err := strconv.Atoi(strings.TrimSpace(n)); err == nil {
			return i, nil
		}
	}
	return nil, InvalidInput("'%s' is not an integer", Str(v))
}

// Int gives a value of a request as a number, or Neutron's error.
func Int(v any) (int, error) {
	converted, err := integer(v)
	n, _ := converted.(int)
	return n, err
}

func nonNegative(v any) (any, error) {
	n, ok := plain(v).(int)
	if !ok {
		return nil, Reasonf("'%s' is not an integer", Str(v))
	}
	if n < 0 {
		return nil, Reasonf("'%s' should be non-negative", Str(v))
	}
	return n, nil
}

func lower(v any) (any, error) {
	if s, ok := v.(string); ok {
		return strings.ToLower(s), nil
	}
	return nil, InvalidInput("Input value %s must be string type", Str(v))
}

var uuidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$`)

func uuidCheck(v any) (any, error) {
	if s, ok := v.(string); ok && uuidForm.MatchString(s) {
		return s, nil
	}
	return nil, Reasonf("'%s' is not a valid UUID", Str(v))
}

func uuidList(v any) (any, error) {
	list, err := ListOf(v, uuidCheck)
	return list, err
}

// ListOf checks a list without duplicates whose items pass a check. Its error is a Reason or the item's.
func ListOf(v any, item Check) ([]any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, Reasonf("'%s' is not a list", Str(v))
	}
	seen, twice := map[string]bool{}, []string{}
	for _, x := range list {
		word := Repr(x)
		if seen[word] && !slices.Contains(twice, Str(x)) {
			twice = append(twice, Str(x))
		}
		seen[word] = true
	}
	if len(twice) > 0 {
		return nil, Reasonf("Duplicate items in the list: '%s'", strings.Join(twice, ", "))
	}
	for _, x := range list {
		if _, err := item(x); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// stringCheck takes texts up to a length in characters.
func stringCheck(longest int) Check {
	return func(v any) (any, error) {
		s, ok := v.(string)
		if !ok {
			return nil, Reasonf("'%s' is not a valid string", Str(v))
		}
		if len([]rune(s)) > longest {
			return nil, Reasonf("'%s' exceeds maximum length of %d", s, longest)
		}
		return s, nil
	}
}

func notEmpty(v any) (any, error) {
	s, ok := v.(string)
	switch {
	case !ok:
		return nil, Reasonf("'%s' is not a valid string", Str(v))
	case strings.TrimSpace(s) == "":
		return nil, Reasonf("'%s' Blank strings are not permitted", s)
	}
	return s, nil
}

// oneOf takes the words, "none" for null, numbers as such.
func oneOf(args []string) Check {
	var allowed []any
	for _, word := range args {
		if n, err := strconv.Atoi(word); err == nil {
			allowed = append(allowed, n)
		} else if word == "none" {
			allowed = append(allowed, nil)
		} else {
			allowed = append(allowed, word)
		}
	}
	return func(v any) (any, error) {
		v = plain(v)
		for _, a := range allowed {
			if a == v {
				return v, nil
			}
		}
		return nil, Reasonf("%s is not in valid_values", Str(v))
	}
}

func between(args []string) Check {
	least, most := number(args[0]), number(args[1])
	return func(v any) (any, error) {
		n, ok := plain(v).(int)
		switch {
		case !ok:
			return nil, Reasonf("'%s' is not an integer", Str(v))
		case n < least:
			return nil, Reasonf("'%d' is too small - must be at least '%d'", n, least)
		case n > most:
			return nil, Reasonf("'%d' is too large - must be no larger than '%d'", n, most)
		}
		return n, nil
	}
}

func dictOrNone(v any) (any, error) {
	if _, ok := v.(map[string]any); !ok && v != nil {
		return nil, Reasonf("'%s' is not a dictionary", Str(v))
	}
	return v, nil
}
