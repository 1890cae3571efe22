// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package config

import (
	"fmt"
	"strings"
)

// hint suggests the key that was probably meant: the same name in another
// section, or the nearest spelling. Empty when nothing is near.
func hint(path string) string {
	section, name := split(path)
	best, least := "", max(len(name)/3, 2)+1
	for _, known := range paths() {
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

// paths lists every key and every section.
func paths() []string {
	var all []string
	seen := map[string]bool{}
	for _, k := range Keys() {
		if section, _ := split(k.Path); section != "" && !seen[section] {
			seen[section] = true
			all = append(all, section)
		}
		all = append(all, k.Path)
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
