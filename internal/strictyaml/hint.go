// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package strictyaml

import (
	"fmt"
	"reflect"
	"strings"
)

// hint suggests the key that was probably meant: the same name in another
// section, or the nearest spelling. Empty when nothing is near.
func (r *reader) hint(path string, in reflect.Type) string {
	section, name := split(path)
	best, least := "", max(len(name)/3, 2)+1
	for _, known := range append(paths(r.root, ""), names(in, section)...) {
		knownSection, knownName := split(known)
		distance := editDistance(strings.ToLower(name), strings.ToLower(knownName))
		if knownSection != section {
			// A near name in the right section comes first.
			distance += 2
		}
		if distance < least {
			best, least = known, distance
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// paths lists every key and every section below a struct, without what is in lists.
func paths(of reflect.Type, prefix string) (all []string) {
	for i := range of.NumField() {
		f := of.Field(i)
		if Name(f) == "" {
			continue
		}
		path := join(prefix, Name(f))
		all = append(all, path)
		if isSection(f.Type) {
			all = append(all, paths(f.Type, path)...)
		}
	}
	return all
}

// names lists the keys of one struct.
func names(of reflect.Type, prefix string) (all []string) {
	for i := range of.NumField() {
		if name := Name(of.Field(i)); name != "" {
			all = append(all, join(prefix, name))
		}
	}
	return all
}

// split parts a path into its section and its last name.
func split(path string) (section, name string) {
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return "", path
}

// editDistance is the number of single-byte insertions, deletions and
// replacements that lead from a to b (Levenshtein). Long names are cut:
// nothing that long is near a key.
func editDistance(a, b string) int {
	const longest = 64
	a, b = a[:min(len(a), longest)], b[:min(len(b), longest)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := diagonal
			if a[i-1] != b[j-1] {
				replaced++
			}
			diagonal = row[j]
			row[j] = min(replaced, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
