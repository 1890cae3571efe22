// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package contract

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func scripts(t *testing.T) []*Script {
	t.Helper()
	all, err := ReadScripts(filepath.Join("testdata", "scenarios"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func golden(s *Script) string { return filepath.Join("testdata", "golden", s.Name+".txt") }

func readGolden(t *testing.T, s *Script) Transcript {
	t.Helper()
	b, err := os.ReadFile(golden(s))
	if err != nil {
		t.Fatal(err)
	}
	tr, err := ParseTranscript(b)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// compareWithGolden runs the scenarios on an embedded cloud. Whatever it says
// otherwise than the golden files must be in differences.txt, and whatever is
// there must be so.
func compareWithGolden(t *testing.T, c *Cloud, can func(*Script) bool) {
	t.Helper()
	known, err := ReadDifferences("differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex // guards known and ran
	ran := map[string]bool{}
	all := scripts(t)
	var left []string
	t.Run("scenario", func(t *testing.T) {
		for _, s := range all {
			if !can(s) {
				left = append(left, s.Name)
				continue
			}
			t.Run(s.Name, func(t *testing.T) {
				if !s.Alone {
					t.Parallel()
				}
				got, err := Run(t.Context(), c, s)
				if err != nil {
					t.Errorf("%v\nso far:\n%s", err, tail(got))
				}
				mu.Lock()
				defer mu.Unlock()
				ran[s.Name] = err == nil
				if unknown := known.Unknown(s.Name, Compare(readGolden(t, s), got)); len(unknown) > 0 {
					t.Errorf("%d differences:\n%s", len(unknown), Format(unknown))
				}
			})
		}
	})
	if len(left) > 0 {
		fmt.Println("contract: not run here, for want of OVN or of where the openstack command can run:", strings.Join(left, ", "))
	}
	for _, gone := range known.Gone(func(scenario string) bool {
		if strings.Contains(scenario, "*") {
			return len(ran) == len(all)
		}
		return ran[scenario]
	}) {
		t.Errorf("%s: there is no such difference any more; remove the line", gone)
	}
}

// tail is the end of a transcript, for a failure's message.
func tail(t Transcript) []byte { return t[max(0, len(t)-2):].Format() }
