// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// exchange is a request that was made to Octavia 11.0.3 with the provider ovn
// 3.0.0, and what it answered. ${x} is a value that an earlier answer had: Save
// says where. Ids that nobody speaks of are <id>, times <time>. A call "WAIT
// ${lb}" waited until a load balancer was done.
type exchange struct {
	Call, Token string
	Body        json.RawMessage
	Type        *string // the content type, if it is not JSON's
	Save        map[string]string
	Status      int
	Want        any
}

func TestItAnswersAsTheRealOctaviaDid(t *testing.T) {
	recording, err := os.ReadFile("testdata/octavia.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	o := quick()
	o.Providers = []string{"ovn"}
	c := start(t, o)
	values := map[string]string{
		"base": c.url, "project": demo, "net": network, "sub4": subnet4, "sub4b": subnet4b, "sub6": subnet6, "port": freePort, "usedport": usedPort,
	}
	for line := range bytes.Lines(recording) {
		var e exchange
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		e.replay(t, c, values)
	}
}

func (e exchange) replay(t *testing.T, c *octavia, values map[string]string) {
	t.Helper()
	expand := func(text string) string {
		return variable.ReplaceAllStringFunc(text, func(v string) string { return values[v[2:len(v)-1]] })
	}
	if lb, ok := strings.CutPrefix(e.Call, "WAIT "); ok {
		c.settled(expand(lb))
		return
	}
	body := string(e.Body)
	_ = json.Unmarshal(e.Body, &body) // if it is a text, it is sent as it is
	mimetype := "application/json"
	if e.Type != nil {
		mimetype = *e.Type
	}
	a := c.sendType(e.Token, expand(e.Call), mimetype, expand(body))
	for name, where := range e.Save {
		if values[name] = a.text(where); values[name] == "" {
			t.Fatalf("%s %s: no %s in %d %v", e.Call, body, where, a.status, a.body)
		}
	}
	if a.status != e.Status {
		t.Errorf("%s %s %s: status %d, want %d", e.Token, e.Call, body, a.status, e.Status)
	}
	if diff := cmp.Diff(sorted(masked(t, e.Want, nil)), sorted(masked(t, a.body, values)), anything); diff != "" {
		t.Errorf("%s %s %s: %s", e.Token, e.Call, body, diff)
	}
}

// anything is what Octavia's answer had by chance: a provider is sometimes
// done before the answer is written.
var anything = cmp.FilterValues(func(a, b any) bool { return a == "<any>" || b == "<any>" }, cmp.Ignore())

// choices are those of an enumeration, which Python tells in any order.
var choices = regexp.MustCompile(`(Value should be one of: )([^"\\]*)`)

var variable = regexp.MustCompile(`\$\{\w+\}`)

var masks = []struct {
	form *regexp.Regexp
	mask string
}{
	{regexp.MustCompile(`req-[0-9a-f-]{36}`), "<request>"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?`), "<time>"},
	{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), "<id>"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "<id>"},
}

// masked hides in an answer what differs from one Octavia to another.
func masked(t *testing.T, got any, values map[string]string) any {
	t.Helper()
	masked := jsonText(got)
	names := slices.SortedFunc(maps.Keys(values), func(a, b string) int { return len(values[b]) - len(values[a]) })
	for _, name := range names {
		masked = strings.ReplaceAll(masked, values[name], "${"+name+"}")
	}
	for _, m := range masks {
		masked = m.form.ReplaceAllString(masked, m.mask)
	}
	masked = choices.ReplaceAllStringFunc(masked, func(found string) string {
		parts := choices.FindStringSubmatch(found)
		words := strings.Split(parts[2], ", ")
		slices.Sort(words)
		return parts[1] + strings.Join(words, ", ")
	})
	var value any
	if err := json.Unmarshal([]byte(masked), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// sorted puts lists of objects in an order, where Octavia's is any.
func sorted(value any) any {
	switch v := value.(type) {
	case ref:
		n := ref{}
		for name, field := range v {
			n[name] = sorted(field)
		}
		return n
	case []any:
		n := []any{}
		for _, item := range v {
			n = append(n, sorted(item))
		}
		if len(n) > 0 {
			if _, objects := n[0].(ref); objects {
				slices.SortFunc(n, func(a, b any) int { return strings.Compare(jsonText(a), jsonText(b)) })
			}
		}
		return n
	}
	return value
}

func jsonText(value any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(value) // it was JSON before
	return strings.TrimSpace(b.String())
}
