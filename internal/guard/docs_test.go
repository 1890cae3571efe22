// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package guard

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// markdownLink is [text](target) with a target in this tree.
var markdownLink = regexp.MustCompile(`\]\(([^)\s:]+)\)`)

func TestLinksInTheDocumentationLeadSomewhere(t *testing.T) {
	for _, f := range files(t, ".md") {
		for _, m := range markdownLink.FindAllSubmatch(f.content, -1) {
			target, anchor, _ := strings.Cut(string(m[1]), "#")
			path := filepath.Join(root(), filepath.Dir(f.name), target)
			if target == "" {
				path = filepath.Join(root(), f.name)
			}
			content, err := os.ReadFile(path)
			if err != nil {
				t.Errorf("%s: link to %s: %v", f.name, m[1], err)
				continue
			}
			if anchor != "" && !anchors(content)[anchor] {
				t.Errorf("%s: link to %s: no such heading", f.name, m[1])
			}
		}
	}
}

var (
	heading     = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	notInAnchor = regexp.MustCompile(`[^a-z0-9_ -]`)
)

// anchors lists the headings of a page as links name them.
func anchors(page []byte) map[string]bool {
	all := map[string]bool{}
	for _, m := range heading.FindAllSubmatch(page, -1) {
		text := notInAnchor.ReplaceAllString(strings.ToLower(string(m[1])), "")
		all[strings.ReplaceAll(text, " ", "-")] = true
	}
	return all
}
