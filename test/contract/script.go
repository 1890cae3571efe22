// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package contract

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Script is a scenario: requests that run on a cloud one after the other.
type Script struct {
	// Name is the file's, without its ending.
	Name string
	// Needs is what the scenario needs of a cloud: NeedsOVN, NeedsCLI or nothing.
	Needs string
	// Alone is for a scenario beside which nothing else may run.
	Alone bool
	Steps []Step
	// source is the whole text: what it names is not masked.
	source string
}

// What a scenario may need.
const (
	// NeedsOVN is for states that come from OVN and its hypervisors.
	NeedsOVN = "ovn"
	// NeedsCLI is for the openstack command, which runs where the cloud is reached.
	NeedsCLI = "cli"
)

// Step is a line of a script: a comment, a request or a command.
type Step struct {
	// Text is the line, joined with those that carry it on; with `each`, the values are in it.
	Text string
	// As is who asks.
	As string
	// Method is empty for a comment and a command.
	Method, Path string
	// Header is what is sent beside the usual ("If-Match: revision_number=1").
	Header []string
	// Body is YAML, or text to be sent as it is when Raw is set; both before variables are put in.
	Body string
	Raw  bool
	// Until holds conditions ("status=ACTIVE") that the answer is asked for until it meets them.
	Until []string
	// Var is the variable that gets the answer; may be empty.
	Var string
	// Command is a command line.
	Command string
}

// ReadScripts reads the scenarios of a folder in the order of their names.
func ReadScripts(dir string) ([]*Script, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, fmt.Errorf("contract: list scenarios: %w", err)
	}
	var all []*Script
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, fmt.Errorf("contract: read scenario: %w", err)
		}
		s, err := ParseScript(strings.TrimSuffix(filepath.Base(f), ".txt"), string(b))
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// ParseScript reads a scenario.
func ParseScript(name, source string) (*Script, error) {
	p := &parser{script: &Script{Name: name, source: source}, as: "member"}
	if err := p.block(strings.Split(source, "\n"), 1); err != nil {
		return nil, err
	}
	if len(p.header) > 0 {
		return nil, fmt.Errorf("contract: %s: `with` has no request after it", name)
	}
	return p.script, nil
}

type parser struct {
	script *Script
	as     string
	header []string
}

// indentOf counts the spaces that a line begins with.
func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// block reads lines that are all of one indentation, beside those that carry
// one on (four spaces more) and the blocks of `each` (two more).
func (p *parser) block(lines []string, first int) error {
	for i := 0; i < len(lines); i++ {
		at, line := first+i, lines[i]
		text := strings.TrimSpace(line)
		if text == "" {
			continue
		}
		indent := indentOf(line)
		if v, ok := strings.CutPrefix(text, "each "); ok {
			end := i + 1
			for end < len(lines) && (strings.TrimSpace(lines[end]) == "" || indentOf(lines[end]) > indent) {
				end++
			}
			if err := p.each(v, lines[i+1:end], at); err != nil {
				return err
			}
			i = end - 1
			continue
		}
		for i+1 < len(lines) && strings.TrimSpace(lines[i+1]) != "" && indentOf(lines[i+1]) >= indent+4 {
			i++
			text += " " + strings.TrimSpace(lines[i])
		}
		if err := p.line(text); err != nil {
			return fmt.Errorf("contract: %s:%d: %w", p.script.Name, at, err)
		}
	}
	return nil
}

// each reads a block once for each value of a variable.
func (p *parser) each(text string, lines []string, at int) error {
	name, list, ok := strings.Cut(text, ": ")
	if !ok {
		return fmt.Errorf("contract: %s:%d: `each` wants `NAME: VALUE...`", p.script.Name, at)
	}
	values, err := words(list)
	if err != nil {
		return fmt.Errorf("contract: %s:%d: %w", p.script.Name, at, err)
	}
	for _, value := range values {
		var block []string
		for _, line := range lines {
			block = append(block, replaceVariable(line, name, value))
		}
		if err := p.block(block, at+1); err != nil {
			return err
		}
	}
	return nil
}

var requestLine = regexp.MustCompile(`^(GET|POST|PUT|DELETE|PATCH|HEAD) (\S+)(?: (raw )?(.*))?$`)

func (p *parser) line(text string) error {
	key, rest, _ := strings.Cut(text, " ")
	switch key {
	case "#":
		p.script.Steps = append(p.script.Steps, Step{Text: text})
		return nil
	case "needs":
		p.script.Needs = rest
		return nil
	case "alone":
		p.script.Alone = true
		return nil
	case "as":
		p.as = rest
		return nil
	case "with":
		p.header = append(p.header, rest)
		return nil
	}
	s := Step{Text: text, As: p.as, Header: p.header}
	p.header = nil
	body := text
	if at := strings.LastIndex(body, " -> "); at >= 0 {
		body, s.Var = body[:at], body[at+4:]
	}
	if key == "$" {
		s.Command = strings.TrimPrefix(body, "$ ")
		p.script.Steps = append(p.script.Steps, s)
		return nil
	}
	if key == "until" {
		parts := strings.Fields(body)[1:]
		for len(parts) > 0 && parts[0] != "GET" {
			s.Until, parts = append(s.Until, parts[0]), parts[1:]
		}
		body = strings.Join(parts, " ")
	}
	m := requestLine.FindStringSubmatch(body)
	if m == nil {
		return fmt.Errorf("no such statement: %s", text)
	}
	s.Method, s.Path, s.Raw, s.Body = m[1], m[2], m[3] != "", m[4]
	p.script.Steps = append(p.script.Steps, s)
	return nil
}

// words splits at spaces, but not within single quotes.
func words(text string) ([]string, error) {
	var all []string
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		if text[0] != '\'' {
			word, rest, _ := strings.Cut(text, " ")
			all, text = append(all, word), rest
			continue
		}
		word, rest, ok := strings.Cut(text[1:], "'")
		if !ok {
			return nil, fmt.Errorf("a quote has no end: %s", text)
		}
		all, text = append(all, word), rest
	}
	return all, nil
}

// variable is $name.field.0 or ${name.field}.
var variable = regexp.MustCompile(`\$(?:\{([a-z][a-z0-9_.:-]*)\}|([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*))`)

// replaceVariable puts a value in the place of a variable.
func replaceVariable(text, name, value string) string {
	return variable.ReplaceAllStringFunc(text, func(ref string) string {
		if strings.Trim(ref, "${}") == name {
			return value
		}
		return ref
	})
}
