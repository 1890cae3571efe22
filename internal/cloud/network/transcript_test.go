// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestTheServicesAnswerAsNeutronDid replays what a real Neutron 21 with ML2/OVN
// was asked and answered. Each file is one conversation: "> WHO METHOD PATH BODY"
// and "< STATUS BODY", or "< STATUS TYPE: MESSAGE" for an error (without a message
// where Neutron's depends on the order of its sets). $NAMES stand for
// what each cloud chooses itself; the first place where one is seen gives it its
// value. "*" is anything. Of an object what is not named does not count; the
// order of a list neither.
func TestTheServicesAnswerAsNeutronDid(t *testing.T) {
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := newSite(t, nil)
			play(s, string(text))
		})
	}
}

// names are what the $NAMES of a transcript stand for.
type names map[string]string

var nameForm = regexp.MustCompile(`\$[A-Za-z:_]+[0-9]*`)

// fill puts values into a text for the names that have one.
func (n names) fill(text string) string {
	return nameForm.ReplaceAllStringFunc(text, func(name string) string {
		if value, known := n[name]; known {
			return value
		}
		return name
	})
}

func play(s *site, text string) {
	n := names{"$admin": adminProject, "$member": memberProject, "$other": otherProject, "$EXT": s.external, "$EXTSUB": s.externalSubnet}
	var status int
	var body any
	request := ""
	for i, line := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(line, "> "):
			words := strings.SplitN(n.fill(line[2:]), " ", 4)
			request = fmt.Sprintf("line %d: %s", i+1, n.fill(line))
			status, body = s.call(words[0], words[1], words[2], strings.Join(words[3:], ""))
		case strings.HasPrefix(line, "< "):
			if wrong := n.compare(line[2:], status, body); wrong != "" {
				got, _ := json.Marshal(body)
				s.Errorf("%s\n%s\nwant %s\ngot  %d %s", request, wrong, n.fill(line[2:]), status, got)
			}
		}
	}
}

// compare tells what is wrong with an answer; empty: nothing.
func (n names) compare(want string, status int, body any) string {
	code, rest, _ := strings.Cut(want, " ")
	if code != strconv.Itoa(status) {
		return "the status is another"
	}
	if rest == "" {
		return ""
	}
	if rest[0] != '{' {
		kind, message, worded := strings.Cut(n.fill(rest), ": ")
		message = strings.ReplaceAll(message, `\n`, "\n")
		object, _ := body.(map[string]any)
		e, _ := object["NeutronError"].(map[string]any)
		got, _ := e["message"].(string)
		if e["type"] != kind || worded && !n.matchText(message, got) {
			return "the error is another"
		}
		return ""
	}
	var expected any
	if err := json.Unmarshal([]byte(rest), &expected); err != nil {
		return err.Error()
	}
	return n.match("", expected, body)
}

// matchText compares two texts, and learns the names in the first that have no value.
func (n names) matchText(want, got string) bool {
	want = n.fill(want)
	if want == got {
		return true
	}
	free := nameForm.FindAllString(want, -1)
	if free == nil {
		return false
	}
	form := "^"
	for i, part := range nameForm.Split(want, -1) {
		if i > 0 {
			form += `([0-9a-f.:-]+)`
		}
		form += regexp.QuoteMeta(part)
	}
	found := regexp.MustCompile(form + "$").FindStringSubmatch(got)
	if found == nil {
		return false
	}
	for i, name := range free {
		n[name] = found[i+1]
	}
	return true
}

func (n names) match(path string, want, got any) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s: %v is no object", path, got)
		}
		for key, value := range w {
			has, there := g[key]
			if !there {
				return path + "." + key + " is absent"
			}
			if wrong := n.match(path+"."+key, value, has); wrong != "" {
				return wrong
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%s: %v has not %d items", path, got, len(w))
		}
		return n.matchList(path, w, g)
	case string:
		if g, ok := got.(string); w == "*" || ok && n.matchText(w, g) {
			return ""
		}
	default:
		if reflect.DeepEqual(want, got) {
			return ""
		}
	}
	return fmt.Sprintf("%s is %v", path, got)
}

// matchList finds for each item that is wanted another one that matches.
func (n names) matchList(path string, want, got []any) string {
	if len(want) == 0 {
		return ""
	}
	why := ""
	for i, item := range got {
		trial := maps.Clone(n)
		if why = trial.match(path+"[]", want[0], item); why != "" {
			continue
		}
		left := append(append([]any{}, got[:i]...), got[i+1:]...)
		if why = trial.matchList(path, want[1:], left); why == "" {
			maps.Copy(n, trial)
			return ""
		}
	}
	return why
}
