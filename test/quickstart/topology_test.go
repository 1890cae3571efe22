// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func example() topology {
	return topology{
		external: "public <1>", floating: "203.0.113.77", router: "r", network: "n  10.88.0.0/24", vip: "10.88.0.9:80",
		containers: []node{
			{[]string{"web-1", "10.88.0.5", "fa:16:3e:00:00:01", "port 01234567", "on node1"}},
			{[]string{"web-2", "10.88.0.6", "fa:16:3e:00:00:02", "port 89abcdef", "on node2"}},
		},
	}
}

func TestThePicturesHoldEverythingThatWasMade(t *testing.T) {
	top := example()
	svg := top.svg()
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the SVG is no XML: %v", err)
		}
	}
	for _, picture := range []string{top.text(), svg} {
		for _, want := range []string{"203.0.113.77", "10.88.0.9:80", "10.88.0.5", "10.88.0.6", "web-1, web-2", "on node2", "10.88.0.0/24"} {
			if !strings.Contains(picture, want) {
				t.Errorf("no %s in\n%s", want, picture)
			}
		}
	}
}

func TestTheTerminalsPictureHasStraightEdges(t *testing.T) {
	var widths []int
	for line := range strings.Lines(example().text()) {
		if strings.ContainsAny(line, "┌│└═") && !strings.Contains(line, "floating") && strings.Count(line, "│") != 1 {
			widths = append(widths, len([]rune(strings.TrimRight(line, "\n"))))
		}
	}
	for _, w := range widths {
		if w != widths[0] {
			t.Fatalf("widths %v of\n%s", widths, example().text())
		}
	}
}
