// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Record is a step and what the cloud said to it.
type Record struct {
	// Text is the step's, after who asked ("member> GET /v2.0/ports"), or a comment.
	Text string
	// Status is HTTP's, a command's exit status, or -1 where the step could not be
	// run. It means nothing for a comment.
	Status int
	// Header holds what is not as usual, as lines.
	Header []string
	// Body is masked JSON (numbers are json.Number), Text for what is no JSON,
	// or nil for nothing.
	Body any
}

// Text is a body that is no JSON.
type Text string

func (r Record) comment() bool { return strings.HasPrefix(r.Text, "#") }

// Transcript is what a cloud said in a scenario.
type Transcript []Record

// Format writes a transcript as the golden files have it.
func (t Transcript) Format() []byte {
	var b bytes.Buffer
	for _, r := range t {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintln(&b, r.Text)
		if r.comment() {
			continue
		}
		fmt.Fprintf(&b, "< %d\n", r.Status)
		for _, h := range r.Header {
			fmt.Fprintf(&b, "< %s\n", h)
		}
		switch body := r.Body.(type) {
		case nil:
		case Text:
			for line := range strings.SplitSeq(string(body), "\n") {
				fmt.Fprintf(&b, "| %s\n", line)
			}
		default:
			render(&b, body, "", 0)
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

// render writes JSON with a line for each resource.
func render(b *bytes.Buffer, v any, indent string, depth int) {
	switch v := v.(type) {
	case map[string]any:
		if depth > 0 || len(v) == 0 {
			break
		}
		b.WriteString("{")
		for i, k := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(b, "\n  %s: ", compact(k))
			render(b, v[k], "  ", depth+1)
		}
		b.WriteString("\n}")
		return
	case []any:
		if depth > 1 || len(v) == 0 || !isObject(v[0]) {
			break
		}
		b.WriteString("[")
		for i, element := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(b, "\n  %s", indent)
			render(b, element, indent+"  ", depth+1)
		}
		fmt.Fprintf(b, "\n%s]", indent)
		return
	}
	b.WriteString(compact(v))
}

func isObject(v any) bool {
	_, ok := v.(map[string]any)
	return ok
}

// compact writes JSON on one line, with < and > as they are.
func compact(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Sprintf("%v", v) // only JSON comes here
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// decode reads a body: JSON, text or nothing.
func decode(b []byte) any {
	if len(bytes.TrimSpace(b)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil || d.More() {
		return Text(strings.TrimRight(string(b), "\n"))
	}
	return v
}

// ParseTranscript reads what Format wrote.
func ParseTranscript(b []byte) (Transcript, error) {
	var t Transcript
	for block := range strings.SplitSeq(strings.TrimSuffix(string(b), "\n"), "\n\n") {
		text, rest, _ := strings.Cut(block, "\n")
		r := Record{Text: text}
		for strings.HasPrefix(rest, "< ") {
			var line string
			line, rest, _ = strings.Cut(rest[2:], "\n")
			if status, err := strconv.Atoi(line); err == nil {
				r.Status = status
			} else {
				r.Header = append(r.Header, line)
			}
		}
		if strings.HasPrefix(rest, "|") {
			r.Body = Text(strings.ReplaceAll(strings.TrimPrefix(rest, "| "), "\n| ", "\n"))
		} else if rest != "" {
			r.Body = decode([]byte(rest))
			if _, bad := r.Body.(Text); bad {
				return nil, fmt.Errorf("contract: read transcript: %s: not JSON: %s", text, rest)
			}
		}
		t = append(t, r)
	}
	return t, nil
}
