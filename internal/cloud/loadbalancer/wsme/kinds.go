// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package wsme

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Text is a text.
type Text struct {
	// Min and Max bound its length in characters; zero: no bound.
	Min, Max int
	// Pattern is what Match demands, as errors show it.
	Pattern string
	Match   func(string) bool
}

func (Text) from(v any) (any, error) { return v, nil }

func (k Text) check(v any) (any, error) {
	s, ok := v.(string)
	switch n := utf8.RuneCountInString(s); {
	case !ok:
		return nil, valueError("Value should be string")
	case n < k.Min:
		return nil, valueError("Value should have a minimum character requirement of " + strconv.Itoa(k.Min))
	case k.Max > 0 && n > k.Max:
		return nil, valueError("Value should have a maximum character requirement of " + strconv.Itoa(k.Max))
	case k.Match != nil && !k.Match(s):
		return nil, valueError("Value should match the pattern " + k.Pattern)
	}
	return s, nil
}

// Special is a text with a form of its own. Read gives the value in its one
// form; false: it is none, and Otherwise says what it should be.
type Special struct {
	Read      func(string) (string, bool)
	Otherwise string
}

func (Special) from(v any) (any, error) { return v, nil }

func (k Special) check(v any) (any, error) {
	if s, ok := v.(string); ok {
		if s, ok := k.Read(s); ok {
			return s, nil
		}
	}
	return nil, valueError(k.Otherwise)
}

// UUID is a UUID, with or without its dashes.
var UUID = Special{readUUID, "Value should be UUID format"}

func readUUID(s string) (string, bool) {
	s = strings.NewReplacer("urn:", "", "uuid:", "").Replace(s)
	s = strings.ReplaceAll(strings.Trim(s, "{}"), "-", "")
	if len(s) != 32 {
		return "", false
	}
	id, err := uuid.Parse(s)
	return id.String(), err == nil
}

// Int is a whole number between two, both in it; Max is none when it is zero.
type Int struct{ Min, Max int }

// AnyInt is a whole number without bounds.
var AnyInt = Int{Min: math.MinInt}

func (Int) from(v any) (any, error) {
	switch x := v.(type) {
	case nil:
		return nil, nil //nolint:nilnil // null is a value
	case bool:
		if x {
			return 1, nil
		}
		return 0, nil
	case string:
		n, ok := new(big.Int).SetString(strings.TrimSpace(x), 10)
		if !ok {
			return nil, valueError("invalid literal for int() with base 10: " + Repr(x))
		}
		return whole(n), nil
	case json.Number:
		f, _, err := big.ParseFloat(x.String(), 10, 512, big.ToZero)
		if err != nil {
			return nil, stumble("cannot convert float infinity to integer")
		}
		if f.MantExp(nil) > 1024 {
			return nil, stumble("cannot convert float infinity to integer")
		}
		n, _ := f.Int(nil)
		return whole(n), nil
	}
	return nil, stumble("int() argument must be a string, a bytes-like object or a real number, not '" + pythonType(v) + "'")
}

// whole is an int if it fits: Python's numbers have no end.
func whole(n *big.Int) any {
	if n.IsInt64() {
		return int(n.Int64())
	}
	return n
}

func (k Int) check(v any) (any, error) {
	n, fits := v.(int)
	if x, ok := v.(*big.Int); !fits && ok {
		// Beyond any bound, and as near as it gets where there is none.
		if n = math.MaxInt; x.Sign() < 0 {
			n = math.MinInt
		}
	}
	if n < k.Min {
		return nil, valueError("Value should be greater or equal to " + strconv.Itoa(k.Min))
	}
	if k.Max != 0 && n > k.Max {
		return nil, valueError("Value should be lower or equal to " + strconv.Itoa(k.Max))
	}
	return n, nil
}

// Bool is a truth value, or one of the words for it.
type Bool struct{}

func (Bool) from(v any) (any, error) {
	switch x := v.(type) {
	case nil, bool:
		return v, nil
	case json.Number:
		// A whole number is true unless it is zero; others are no truth values.
		if n, err := x.Int64(); err == nil {
			return n != 0, nil
		}
	case string:
		if slices.Contains([]string{"true", "t", "yes", "y", "on", "1"}, x) {
			return true, nil
		}
		if slices.Contains([]string{"false", "f", "no", "n", "off", "0"}, x) {
			return false, nil
		}
	}
	return nil, valueError("Value not an unambiguous boolean: " + str(v))
}

func (Bool) check(v any) (any, error) { return v, nil }

// Enum is one of some texts.
type Enum []string

func (Enum) from(v any) (any, error) { return v, nil }

func (k Enum) check(v any) (any, error) {
	if s, ok := v.(string); ok && slices.Contains(k, s) {
		return s, nil
	}
	return nil, valueError("Value should be one of: " + strings.Join(k, ", "))
}

// Ints is one of some whole numbers.
type Ints []int

func (Ints) from(v any) (any, error) { return Int{}.from(v) }

func (k Ints) check(v any) (any, error) {
	if n, ok := v.(int); ok && slices.Contains(k, n) {
		return n, nil
	}
	words := make([]string, len(k))
	for i, n := range k {
		words[i] = strconv.Itoa(n)
	}
	return nil, valueError("Value should be one of: " + strings.Join(words, ", "))
}

// Floats is one of some numbers.
type Floats []float64

func (Floats) from(v any) (any, error) {
	switch x := v.(type) {
	case nil:
		return nil, nil //nolint:nilnil // null is a value
	case bool:
		if x {
			return 1.0, nil
		}
		return 0.0, nil
	case string:
		f, err := strconv.ParseFloat(strings.TrimSpace(x), 64)
		if err != nil {
			return nil, valueError("could not convert string to float: " + Repr(x))
		}
		return f, nil
	case json.Number:
		f, err := x.Float64()
		if errors.Is(err, strconv.ErrRange) {
			return f, nil
		}
		return f, err
	}
	return nil, stumble("float() argument must be a string or a real number, not '" + pythonType(v) + "'")
}

func (k Floats) check(v any) (any, error) {
	if f, ok := v.(float64); ok && slices.Contains(k, f) {
		return f, nil
	}
	words := make([]string, len(k))
	for i, f := range k {
		words[i] = Repr(f)
	}
	return nil, valueError("Value should be one of: " + strings.Join(words, ", "))
}

// List is a list of one Kind.
type List struct{ Of Kind }

func (k List) from(v any) (any, error) {
	if v == nil {
		return nil, nil //nolint:nilnil // null is a value
	}
	list, ok := v.([]any)
	if !ok {
		return nil, valueError("Value not a valid list: " + str(v))
	}
	converted := make([]any, len(list))
	for i, item := range list {
		var err error
		if converted[i], err = k.Of.from(item); err != nil {
			return nil, err
		}
	}
	return converted, nil
}

func (k List) check(v any) (any, error) {
	list, _ := v.([]any)
	checked := make([]any, len(list))
	for i, item := range list {
		if item == nil {
			continue
		}
		var err error
		if checked[i], err = k.Of.check(item); err != nil {
			return nil, err
		}
	}
	return checked, nil
}

// Texts is a map of texts to texts.
type Texts struct{ Of Text }

func (k Texts) from(v any) (any, error) {
	if v == nil {
		return nil, nil //nolint:nilnil // null is a value
	}
	d, ok := v.(*dict)
	if !ok {
		return nil, valueError("Value not a valid dict: " + str(v))
	}
	return d, nil
}

func (k Texts) check(v any) (any, error) {
	d, _ := v.(*dict)
	m := make(map[string]string, len(d.keys))
	for _, key := range d.keys {
		if d.values[key] == nil {
			continue
		}
		s, err := k.Of.check(d.values[key])
		if err != nil {
			return nil, err
		}
		m[key], _ = s.(string)
	}
	return m, nil
}

// pythonType names the type of a JSON value as Python does.
func pythonType(v any) string {
	switch x := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case string:
		return "str"
	case json.Number:
		if strings.ContainsAny(x.String(), ".eE") {
			return "float"
		}
		return "int"
	case []any:
		return "list"
	}
	return "dict"
}
