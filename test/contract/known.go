// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package contract

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

// Known is a difference that is meant, or cannot be helped.
type Known struct {
	// Scenario, Step and Path are patterns: * stands for any text.
	Scenario, Step, Path string
	Reason               string

	at      string
	pattern *regexp.Regexp
	// matched counts the differences that it explains.
	matched int
}

// Differences are the known ones. Not for use by several goroutines.
type Differences []*Known

// ReadDifferences reads a file of known differences: comments that give a
// reason, and below them lines SCENARIO | STEP | PATH.
func ReadDifferences(file string) (Differences, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("contract: read differences: %w", err)
	}
	return parseDifferences(file, string(b))
}

func parseDifferences(file, content string) (Differences, error) {
	var all Differences
	reason, fresh := "", true
	for i, line := range strings.Split(content, "\n") {
		switch text := strings.TrimSpace(line); {
		case text == "":
			reason, fresh = "", true
		case strings.HasPrefix(text, "#"):
			if !fresh {
				reason, fresh = "", true
			}
			reason += " " + strings.TrimSpace(text[1:])
		default:
			parts := strings.Split(text, " | ")
			if len(parts) != 3 || reason == "" {
				return nil, fmt.Errorf("contract: %s:%d: want a comment with the reason, then SCENARIO | STEP | PATH", file, i+1)
			}
			fresh = false
			k := &Known{Scenario: parts[0], Step: parts[1], Path: parts[2], Reason: strings.TrimSpace(reason), at: fmt.Sprintf("%s:%d", file, i+1)}
			k.pattern = regexp.MustCompile(`^` + strings.ReplaceAll(regexp.QuoteMeta(strings.Join(parts, "\x00")), `\*`, `[^\x00]*`) + `$`)
			all = append(all, k)
		}
	}
	return all, nil
}

// Unknown gives those of a scenario's differences that no entry explains.
func (k Differences) Unknown(scenario string, found []Difference) []Difference {
	var unknown []Difference
	for _, d := range found {
		explained := false
		for _, known := range k {
			if known.pattern.MatchString(scenario + "\x00" + d.Step + "\x00" + d.Path) {
				known.matched++
				explained = true
			}
		}
		if !explained {
			unknown = append(unknown, d)
		}
	}
	return unknown
}

// Gone gives the entries for scenarios that have run and explained nothing.
func (k Differences) Gone(ran func(scenario string) bool) []string {
	var gone []string
	for _, known := range k {
		if known.matched == 0 && ran(known.Scenario) {
			gone = append(gone, fmt.Sprintf("%s: %s | %s | %s", known.at, known.Scenario, known.Step, known.Path))
		}
	}
	return gone
}
