// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rest

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Str words a value as Python's str() does, as Neutron's messages have it.
func Str(v any) string {
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
		quote := "'"
		if strings.Contains(x, "'") && !strings.Contains(x, `"`) {
			quote = `"`
		}
		return quote + strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\t", `\t`, "\r", `\r`, quote, `\`+quote).Replace(x) + quote
	case json.Number:
		return x.String()
	case []string:
		return reprList(x)
	case []any:
		return reprList(x)
	case map[string]any:
		var items []string
		for _, k := range sortedKeys(x) {
			items = append(items, Repr(k)+": "+Repr(x[k]))
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	return fmt.Sprint(v)
}

func reprList[T any](list []T) string {
	var items []string
	for _, item := range list {
		items = append(items, Repr(item))
	}
	return "[" + strings.Join(items, ", ") + "]"
}
