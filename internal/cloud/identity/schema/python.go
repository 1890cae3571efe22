// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// repr is Python's repr of a value. Keys are sorted, as pprint has them; of a
// value that a client sent the order is not known.
func repr(value any) string {
	switch v := value.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case string:
		return reprString(v)
	case json.Number:
		return reprNumber(v.String())
	case float64:
		return reprFloat(v)
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = repr(item)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case object, map[string]any:
		members := sorted(v)
		items := make([]string, len(members))
		for i, m := range members {
			items[i] = repr(m.name) + ": " + repr(m.value)
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	return fmt.Sprint(value)
}

func sorted(value any) object {
	var members object
	switch v := value.(type) {
	case object:
		members = slices.Clone(v)
		slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			members = append(members, member{name, v[name]})
		}
	}
	return members
}

func reprNumber(text string) string {
	if !strings.ContainsAny(text, ".eE") {
		return text
	}
	// Beyond what a float64 holds it is infinite, to Python as well.
	f, _ := strconv.ParseFloat(text, 64)
	return reprFloat(f)
}

func reprFloat(f float64) string {
	if math.IsInf(f, 0) {
		return strings.ToLower(strings.TrimPrefix(strconv.FormatFloat(f, 'f', -1, 64), "+"))
	}
	scientific := strconv.FormatFloat(f, 'e', -1, 64)
	_, exponent, _ := strings.Cut(scientific, "e")
	if e, err := strconv.Atoi(exponent); err == nil && (e < -4 || e >= 16) {
		return scientific
	}
	fixed := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(fixed, ".") {
		fixed += ".0"
	}
	return fixed
}

func reprString(s string) string {
	quote := '\''
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	var b strings.Builder
	b.WriteRune(quote)
	for _, r := range s {
		switch {
		case r == quote || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteRune(quote)
	return b.String()
}

// lineWidth is what jsonschema gives pprint.
const lineWidth = 72

// pformat is Python's pprint.pformat of a value.
func pformat(value any) string {
	var p printer
	p.format(value, 0, 0, 0)
	return p.String()
}

// printer breaks what is too long for its line. indent is where a value
// begins, allowance what must follow it on its last line.
type printer struct{ strings.Builder }

func (p *printer) format(value any, indent, allowance, level int) {
	text := repr(value)
	if utf8.RuneCountInString(text) <= lineWidth-indent-allowance {
		p.WriteString(text)
		return
	}
	switch v := value.(type) {
	case object, map[string]any:
		p.dict(sorted(v), indent, allowance+1, level+1)
	case []any:
		p.list(v, indent, allowance+1, level+1)
	case string:
		p.text(v, indent, allowance, level+1)
	default:
		p.WriteString(text)
	}
}

func (p *printer) dict(members object, indent, allowance, level int) {
	p.WriteByte('{')
	indent++
	for i, m := range members {
		if i > 0 {
			p.newline(",", indent)
		}
		after := 1
		if i == len(members)-1 {
			after = allowance
		}
		key := repr(m.name) + ": "
		p.WriteString(key)
		p.format(m.value, indent+utf8.RuneCountInString(key), after, level)
	}
	p.WriteByte('}')
}

func (p *printer) list(items []any, indent, allowance, level int) {
	p.WriteByte('[')
	indent++
	for i, item := range items {
		if i > 0 {
			p.newline(",", indent)
		}
		after := 1
		if i == len(items)-1 {
			after = allowance
		}
		p.format(item, indent, after, level)
	}
	p.WriteByte(']')
}

func (p *printer) newline(before string, indent int) {
	p.WriteString(before + "\n" + strings.Repeat(" ", indent))
}

// text breaks a string behind spaces into several, in parentheses where it stands alone.
func (p *printer) text(s string, indent, allowance, level int) {
	if level == 1 {
		indent++
		allowance++
	}
	chunks := breakText(s, lineWidth-indent, allowance)
	if len(chunks) == 1 {
		p.WriteString(chunks[0])
		return
	}
	if level == 1 {
		p.WriteByte('(')
	}
	for i, chunk := range chunks {
		if i > 0 {
			p.newline("", indent)
		}
		p.WriteString(chunk)
	}
	if level == 1 {
		p.WriteByte(')')
	}
}

func breakText(s string, width, allowance int) (chunks []string) {
	lines := strings.SplitAfter(s, "\n")
	if n := len(lines); n > 1 && lines[n-1] == "" {
		lines = lines[:n-1]
	}
	for i, line := range lines {
		last := i == len(lines)-1
		room := width
		if last {
			room -= allowance
		}
		if whole := repr(line); utf8.RuneCountInString(whole) <= room {
			chunks = append(chunks, whole)
			continue
		}
		current := ""
		words := breakWords(line)
		for j, word := range words {
			limit := width
			if last && j == len(words)-1 {
				limit -= allowance
			}
			if utf8.RuneCountInString(repr(current+word)) <= limit {
				current += word
				continue
			}
			if current != "" {
				chunks = append(chunks, repr(current))
			}
			current = word
		}
		if current != "" {
			chunks = append(chunks, repr(current))
		}
	}
	return chunks
}

// breakWords gives the words of a line, each with the space behind it.
func breakWords(line string) (words []string) {
	start, space := 0, false
	for i, r := range line {
		if space && !unicode.IsSpace(r) {
			words = append(words, line[start:i])
			start = i
		}
		space = unicode.IsSpace(r)
	}
	return append(words, line[start:])
}
