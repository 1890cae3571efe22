// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package strictyaml

import (
	"fmt"
	"strings"
)

// Problem is one thing that is wrong with a file.
type Problem struct {
	// Origin is where it stands: "file:line", "--flag", or "" for a default.
	Origin string
	// Key is the path of the key at fault; empty when the file as a whole is.
	Key string
	// Message says what is wrong and what is allowed.
	Message string
}

// Error gives "origin: key: message" without the empty parts.
func (p Problem) Error() string {
	parts := make([]string, 0, 3)
	for _, s := range []string{p.Origin, p.Key, p.Message} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ": ")
}

// Problems is everything that is wrong with a file, in the order in which it
// was found.
type Problems []Problem

// Error gives a line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Err gives the problems as an error, or nil when there are none.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// Add notes a problem.
func (ps *Problems) Add(origin, key, format string, args ...any) {
	*ps = append(*ps, Problem{Origin: origin, Key: key, Message: fmt.Sprintf(format, args...)})
}
