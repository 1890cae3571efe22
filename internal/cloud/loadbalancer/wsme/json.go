// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package wsme

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode"
)

// dict is a JSON object in the order of the body, which the texts of errors keep.
type dict struct {
	keys   []string
	values map[string]any
}

var errNotJSON = errors.New("wsme: not one JSON value")

// decode reads one JSON value: nil, bool, string, json.Number, []any or *dict.
func decode(body []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	v, err := value(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errNotJSON
	}
	return v, nil
}

func value(d *json.Decoder) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := value(d)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	case json.Delim('{'):
		return object(d)
	}
	return t, nil
}

func object(d *json.Decoder) (any, error) {
	o := &dict{values: map[string]any{}}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		v, err := value(d)
		if err != nil {
			return nil, err
		}
		name, _ := key.(string)
		if _, again := o.values[name]; !again {
			o.keys = append(o.keys, name)
		}
		o.values[name] = v
	}
	_, err := d.Token()
	return o, err
}

// str words a value as Python's str() does.
func str(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return Repr(v)
}

// Repr words a value as Python's repr() does.
func Repr(v any) string {
	switch x := v.(type) {
	case nil:
		return "None"
	case bool:
		if x {
			return "True"
		}
		return "False"
	case string:
		return reprString(x)
	case int:
		return strconv.Itoa(x)
	case float64:
		return reprFloat(x)
	case *big.Int:
		return x.String()
	case json.Number:
		return reprNumber(x)
	case []string:
		return reprList(x)
	case []any:
		return reprList(x)
	case *dict:
		items := make([]string, len(x.keys))
		for i, k := range x.keys {
			items[i] = Repr(k) + ": " + Repr(x.values[k])
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	return ""
}

func reprList[T any](list []T) string {
	items := make([]string, len(list))
	for i, item := range list {
		items[i] = Repr(item)
	}
	return "[" + strings.Join(items, ", ") + "]"
}

func reprString(s string) string {
	quote := '\''
	if strings.Contains(s, "'") && !strings.Contains(s, "\"") {
		quote = '"'
	}
	var b strings.Builder
	b.WriteRune(quote)
	for _, r := range s {
		switch {
		case r == quote || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x100:
			b.WriteString(`\x` + strconv.FormatInt(0x100+int64(r), 16)[1:])
		case r < 0x10000:
			b.WriteString(`\u` + strconv.FormatInt(0x10000+int64(r), 16)[1:])
		default:
			b.WriteString(`\U` + strconv.FormatInt(0x100000000+int64(r), 16)[1:])
		}
	}
	b.WriteRune(quote)
	return b.String()
}

func reprNumber(n json.Number) string {
	if !strings.ContainsAny(n.String(), ".eE") {
		return n.String()
	}
	f, err := n.Float64()
	if err != nil {
		f = math.Inf(1)
	}
	return reprFloat(f)
}

// reprFloat writes numbers from 1e-4 to 1e16 without an exponent, as Python does.
func reprFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case f != 0 && (math.Abs(f) < 1e-4 || math.Abs(f) >= 1e16):
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
