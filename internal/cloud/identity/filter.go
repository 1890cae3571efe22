// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"slices"
	"strings"
)

// filters are the conditions of a list's query; all must hold.
type filters []filter

type filter struct{ name, comparator, value string }

// filters reads the query as far as it names fields: name=value, or
// name__contains=value with contains, startswith or endswith, and an "i" before
// these where case is no matter.
func (c *call) filters(names ...string) (f filters) {
	for key, values := range c.URL.Query() {
		name, comparator, _ := strings.Cut(key, "__")
		if !slices.Contains(names, name) {
			continue
		}
		for _, value := range values {
			f = append(f, filter{name, comparator, value})
		}
	}
	return f
}

// value gives what a field must be equal to, if the filters say so.
func (f filters) value(name string) (string, bool) {
	for _, one := range f {
		if one.name == name && one.comparator == "" {
			return one.value, true
		}
	}
	return "", false
}

// match looks at fields by their names.
func (f filters) match(field func(name string) any) bool {
	return !slices.ContainsFunc(f, func(one filter) bool { return !one.match(field(one.name)) })
}

func (f filter) match(value any) bool {
	if b, ok := value.(bool); ok && f.comparator == "" {
		return b == isTrue(f.value)
	}
	have, ok := value.(string)
	if !ok {
		return false
	}
	want, comparator := f.value, f.comparator
	if folded, fold := strings.CutPrefix(comparator, "i"); fold {
		have, want, comparator = strings.ToLower(have), strings.ToLower(want), folded
	}
	switch comparator {
	case "":
		return have == want
	case "contains":
		return strings.Contains(have, want)
	case "startswith":
		return strings.HasPrefix(have, want)
	case "endswith":
		return strings.HasSuffix(have, want)
	}
	// What Keystone does not know it passes over.
	return true
}

// isTrue reads a boolean of a query: what does not say no says yes.
func isTrue(value string) bool {
	return !slices.Contains([]string{"0", "f", "false", "off", "n", "no"}, strings.ToLower(strings.TrimSpace(value)))
}
