// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// exchange is a request that was made to Keystone 22.0.2, and what it answered.
// ${x} is a value that an earlier answer had: Save says where. Ids that nobody
// speaks of are <id>, times <time>; catalogues are left out, and of audit ids
// there is the number.
type exchange struct {
	Name, Call           string
	Token, Subject, Body string
	Type                 *string // the content type, if it is not JSON's
	Save                 map[string]string
	Status               int
	Want                 any
}

func TestItAnswersAsTheRealKeystoneDid(t *testing.T) {
	recording, err := os.ReadFile("testdata/keystone.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, Options{AdminPassword: "secret"})
	values := map[string]string{"base": c.url}
	for line := range bytes.Lines(recording) {
		var e exchange
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		status, header, got := e.send(t, values)
		for name, where := range e.Save {
			if values[name] = lookUp(got, header, where); values[name] == "" {
				t.Fatalf("%s: %s: no %s in %v", e.Name, e.Call, where, got)
			}
		}
		if status != e.Status {
			t.Errorf("%s: %s: status %d, want %d", e.Name, e.Call, status, e.Status)
		}
		if e.Want != nil {
			if diff := cmp.Diff(normal(e.Want), normal(masked(t, got, values))); diff != "" {
				t.Errorf("%s: %s: %s", e.Name, e.Call, diff)
			}
		}
	}
}

func (e exchange) send(t *testing.T, values map[string]string) (int, http.Header, any) {
	t.Helper()
	method, path, _ := strings.Cut(e.Call, " ")
	expand := func(text string) string {
		return variable.ReplaceAllStringFunc(text, func(v string) string { return values[v[2:len(v)-1]] })
	}
	req, err := http.NewRequestWithContext(t.Context(), method, values["base"]+expand(path), strings.NewReader(expand(e.Body)))
	if err != nil {
		t.Fatal(err)
	}
	if e.Type == nil {
		req.Header.Set("Content-Type", "application/json")
	} else if *e.Type != "" {
		req.Header.Set("Content-Type", *e.Type)
	}
	for header, token := range map[string]string{"X-Auth-Token": e.Token, "X-Subject-Token": e.Subject} {
		if known := values[token]; known != "" {
			token = known
		}
		if token != "" {
			req.Header.Set(header, token)
		}
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var got any
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil && err != io.EOF {
		t.Fatalf("%s: %v", e.Call, err)
	}
	return resp.StatusCode, resp.Header, got
}

// lookUp finds a value in an answer: "role.id", "roles.0.id", "@token".
func lookUp(got any, header http.Header, where string) string {
	if where == "@token" {
		return header.Get("X-Subject-Token")
	}
	for key := range strings.SplitSeq(where, ".") {
		switch v := got.(type) {
		case ref:
			got = v[key]
		case []any:
			if i, err := strconv.Atoi(key); err == nil && i < len(v) {
				got = v[i]
			}
		}
	}
	value, _ := got.(string)
	return value
}

var variable = regexp.MustCompile(`\$\{\w+\}`)

var masks = []struct {
	form *regexp.Regexp
	mask string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?`), "<time>"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "<id>"},
	{regexp.MustCompile(`gAAAA[A-Za-z0-9_=-]+`), "<token>"},
}

// masked hides in an answer what differs from one Keystone to another.
func masked(t *testing.T, got any, values map[string]string) any {
	t.Helper()
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	masked := string(b)
	// The longest first: one may be within another.
	names := slices.SortedFunc(maps.Keys(values), func(a, b string) int { return len(values[b]) - len(values[a]) })
	for _, name := range names {
		masked = strings.ReplaceAll(masked, values[name], "${"+name+"}")
	}
	for _, m := range masks {
		masked = m.form.ReplaceAllString(masked, m.mask)
	}
	var value any
	if err := json.Unmarshal([]byte(masked), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// normal sorts lists and leaves out what is not compared.
func normal(value any) any {
	switch v := value.(type) {
	case ref:
		n := ref{}
		for name, field := range v {
			ids, isList := field.([]any)
			secret, _ := field.(string)
			switch {
			case name == "catalog":
			case name == "audit_ids" && isList:
				n[name] = float64(len(ids))
			case name == "secret" && len(secret) > 60:
				n[name] = "<secret>"
			default:
				n[name] = normal(field)
			}
		}
		return n
	case []any:
		n := []any{}
		for _, item := range v {
			n = append(n, normal(item))
		}
		slices.SortFunc(n, func(a, b any) int { return strings.Compare(jsonText(a), jsonText(b)) })
		return n
	}
	return value
}

func jsonText(value any) string {
	b, _ := json.Marshal(value) // it was JSON before
	return string(b)
}
