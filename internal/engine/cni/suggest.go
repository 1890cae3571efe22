// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cni

import (
	"fmt"
	"strings"
)

// suggest names the known word that was probably meant, as a hint: "did you
// mean …?". Empty when nothing is near.
func suggest(unknown string, known []string) string {
	if best := nearest(unknown, known); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return ""
}

// nearest finds the known word that differs least from an unknown one; empty
// when all differ by more than a third.
func nearest(unknown string, known []string) string {
	word := fold(unknown)
	best, least := "", len(word)/3+1
	for _, k := range known {
		if d := distance(word, fold(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// fold removes what people vary most: case, underscores and hyphens.
func fold(s string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(s))
}

// distance counts the single-byte changes that make b of a (Levenshtein).
// Long words are cut: nothing of that length is near a known one.
func distance(a, b string) int {
	const longest = 64
	a, b = a[:min(len(a), longest)], b[:min(len(b), longest)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
