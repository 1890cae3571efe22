// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package contract

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Difference is a place where the embedded cloud says something else than the real one.
type Difference struct {
	// Step is the record's text.
	Step string
	// Path is "status", "header" or a place in the body ("body.port.fixed_ips.0").
	Path string
	// Real and Embedded are the two values; empty: there is none.
	Real, Embedded string
}

// Compare gives the differences of two transcripts of one scenario.
func Compare(actual, embedded Transcript) []Difference {
	var all []Difference
	for i := range max(len(actual), len(embedded)) {
		switch {
		case i >= len(actual):
			all = append(all, Difference{Step: embedded[i].Text, Path: "step", Embedded: "it is new"})
		case i >= len(embedded):
			all = append(all, Difference{Step: actual[i].Text, Path: "step", Real: "there is one more"})
		case actual[i].Text != embedded[i].Text:
			return append(all, Difference{Step: actual[i].Text, Path: "step", Real: actual[i].Text, Embedded: embedded[i].Text})
		default:
			d := differ{step: actual[i].Text}
			d.records(actual[i], embedded[i])
			all = append(all, d.found...)
		}
	}
	return all
}

type differ struct {
	step  string
	found []Difference
}

func (d *differ) add(path, actual, embedded string) {
	d.found = append(d.found, Difference{Step: d.step, Path: path, Real: actual, Embedded: embedded})
}

func (d *differ) records(a, e Record) {
	if a.Status != e.Status {
		d.add("status", strconv.Itoa(a.Status), strconv.Itoa(e.Status))
	}
	if x, y := strings.Join(a.Header, "; "), strings.Join(e.Header, "; "); x != y {
		d.add("header", x, y)
	}
	d.values("body", a.Body, e.Body)
}

func (d *differ) values(path string, a, e any) {
	if x, ok := a.(map[string]any); ok {
		if y, ok := e.(map[string]any); ok {
			d.objects(path, x, y)
			return
		}
	}
	if x, ok := a.([]any); ok {
		if y, ok := e.([]any); ok {
			d.lists(path, x, y)
			return
		}
	}
	if x, y := show(a), show(e); x != y {
		d.add(path, x, y)
	}
}

func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case Text:
		return string(v)
	}
	return compact(v)
}

func (d *differ) objects(path string, a, e map[string]any) {
	for _, k := range sortedKeys(a) {
		if _, ok := e[k]; !ok {
			d.add(path+"."+k, show(a[k]), "")
			continue
		}
		d.values(path+"."+k, a[k], e[k])
	}
	for _, k := range sortedKeys(e) {
		if _, ok := a[k]; !ok {
			d.add(path+"."+k, "", show(e[k]))
		}
	}
}

// lists compares the elements of the same key, or where they have none, of the same place.
func (d *differ) lists(path string, a, e []any) {
	key := keyOf(a, e)
	if key == "" {
		for i := range max(len(a), len(e)) {
			at := fmt.Sprintf("%s.%d", path, i)
			switch {
			case i >= len(a):
				d.add(at, "", show(e[i]))
			case i >= len(e):
				d.add(at, show(a[i]), "")
			default:
				d.values(at, a[i], e[i])
			}
		}
		return
	}
	rest := slices.Clone(e)
	for _, x := range a {
		id := show(x.(map[string]any)[key])
		i := slices.IndexFunc(rest, func(y any) bool { return show(y.(map[string]any)[key]) == id })
		at := path + "." + strings.Trim(id, `"`)
		if i < 0 {
			d.add(at, show(x), "")
			continue
		}
		d.values(at, x, rest[i])
		rest = slices.Delete(rest, i, i+1)
	}
	for _, y := range rest {
		d.add(path+"."+strings.Trim(show(y.(map[string]any)[key]), `"`), "", show(y))
	}
}

// keyOf finds the field that tells the objects of two lists apart: one whose
// values in each are all different and not made by lot.
func keyOf(a, e []any) string {
	for _, key := range []string{"name", "alias", "id", "port_id", "ip_address", "subnet_id", "type", "host"} {
		if distinct(a, key) && distinct(e, key) {
			return key
		}
	}
	return ""
}

func distinct(list []any, key string) bool {
	seen := map[string]bool{}
	for _, element := range list {
		object, ok := element.(map[string]any)
		if !ok || object[key] == nil || seen[show(object[key])] {
			return false
		}
		seen[show(object[key])] = true
	}
	return true
}

// Format tells a scenario's differences to a reader.
func Format(all []Difference) string {
	var b strings.Builder
	last := ""
	for _, d := range all {
		if d.Step != last {
			fmt.Fprintf(&b, "  %s\n", d.Step)
			last = d.Step
		}
		fmt.Fprintf(&b, "    %s\n      real:     %s\n      embedded: %s\n", d.Path, orAbsent(d.Real), orAbsent(d.Embedded))
	}
	return b.String()
}

func orAbsent(s string) string {
	if s == "" {
		return "(absent)"
	}
	if len(s) > 1000 {
		return s[:1000] + "..."
	}
	return s
}
