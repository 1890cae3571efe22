// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"encoding/json"
	"html"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMessage is the longest text taken over from an answer, in bytes.
const maxMessage = 1000

// problem is what the body of an error says.
type problem struct {
	// Type is the exception's name or title; empty when the body is no
	// OpenStack error.
	Type string
	// Message is one line of valid UTF-8, at most maxMessage bytes long.
	Message string
}

// parseProblem reads the body of an error. The forms known are Neutron's
//
//	{"NeutronError": {"type": "OverQuota", "message": "...", "detail": ""}}
//
// Keystone's and keystonemiddleware's
//
//	{"error": {"code": 401, "title": "Unauthorized", "message": "..."}}
//
// other services' {"itemNotFound": {"message": ...}}, and a bare
// {"message": ...}. Of anything else, a proxy's HTML page for example, the
// text is taken.
func parseProblem(body []byte) problem {
	var envelope map[string]json.RawMessage
	if json.Unmarshal(body, &envelope) == nil {
		if p, ok := fromEnvelope(envelope); ok {
			return problem{Type: oneLine(p.Type, 100), Message: oneLine(p.Message, maxMessage)}
		}
	}
	return problem{Message: pageText(string(body))}
}

// fromEnvelope takes the error out of its envelope. The envelopes of the
// services in question come first, lest another key beside them win.
func fromEnvelope(envelope map[string]json.RawMessage) (problem, bool) {
	keys := make([]string, 0, len(envelope))
	for key := range envelope {
		if key != "NeutronError" && key != "error" {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range append([]string{"NeutronError", "error"}, keys...) {
		if p, ok := fromInner(key, envelope[key]); ok {
			return p, true
		}
	}
	var message string
	if json.Unmarshal(envelope["message"], &message) == nil {
		return problem{Message: pageText(message)}, true
	}
	return problem{}, false
}

func fromInner(key string, raw json.RawMessage) (problem, bool) {
	var inner struct {
		Type    string `json:"type"`
		Title   string `json:"title"`
		Message string `json:"message"`
		Detail  string `json:"detail"`
	}
	if json.Unmarshal(raw, &inner) == nil && inner.Message != "" {
		p := problem{Type: inner.Type, Message: inner.Message}
		if p.Type == "" {
			p.Type = inner.Title
		}
		if p.Type == "" {
			p.Type = key
		}
		if inner.Detail != "" && !strings.HasPrefix(inner.Detail, "Traceback") {
			p.Message += " (" + inner.Detail + ")"
		}
		return p, true
	}
	var text string
	if key != "message" && key != "code" && key != "title" && json.Unmarshal(raw, &text) == nil && text != "" {
		return problem{Type: key, Message: text}, true
	}
	return problem{}, false
}

var (
	titlePattern = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)
	hiddenParts  = regexp.MustCompile(`(?is)<(style|script|head)\b.*?</(style|script|head)>`)
	tagPattern   = regexp.MustCompile(`(?s)<[^>]*>`)
)

// pageText is what a human would see first of an HTML page or a plain text.
func pageText(s string) string {
	const maxPageText = 200
	if len(s) > maxErrorBody {
		s = s[:maxErrorBody]
	}
	if m := titlePattern.FindStringSubmatch(s); m != nil && strings.TrimSpace(m[1]) != "" {
		return oneLine(html.UnescapeString(m[1]), maxPageText)
	}
	s = hiddenParts.ReplaceAllString(s, " ")
	s = tagPattern.ReplaceAllString(s, " ")
	return oneLine(html.UnescapeString(s), maxPageText)
}

// oneLine makes s printable in one line of at most limit bytes.
func oneLine(s string, limit int) string {
	// Cut first: the rest is linear, and s may be long.
	if len(s) > 4*limit {
		s = s[:4*limit]
	}
	s = strings.ToValidUTF8(s, "?")
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= limit {
		return s
	}
	const ellipsis = "…"
	cut := limit - len(ellipsis)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + ellipsis
}

var (
	// neutronRule finds the rules in Neutron's "(rule:create_port and
	// rule:create_port:binding:host_id) is disallowed by policy".
	neutronRule = regexp.MustCompile(`rule:([a-z0-9_:]+)`)
	// keystoneRule finds the rule in Keystone's "You are not authorized to
	// perform the requested action: identity:list_projects."
	keystoneRule = regexp.MustCompile(`requested action: ([a-z0-9_:]+)`)
)

// restricted are the ends of the rules that Neutron's default policy does not
// grant to every member of a project, the strictest first; see
// neutron/conf/policies/port.py in Neutron's source.
var restricted = []string{
	":binding:host_id", ":binding:profile", ":mac_address", ":fixed_ips:ip_address",
	":port_security_enabled", ":allowed_address_pairs", ":fixed_ips:subnet_id", ":fixed_ips", ":device_owner",
}

// missingRule guesses which of the policy rules in a refusal is not granted.
// Neutron names the whole expression and not the part that failed, so this is
// the rule that the default policy guards most; "" when none is named.
func missingRule(message string) string {
	if m := keystoneRule.FindStringSubmatch(message); m != nil {
		return strings.TrimRight(m[1], ":")
	}
	var rules []string
	for _, m := range neutronRule.FindAllStringSubmatch(message, -1) {
		rules = append(rules, m[1])
	}
	if len(rules) == 0 {
		return ""
	}
	for _, end := range restricted {
		for _, rule := range rules {
			if strings.HasSuffix(rule, end) {
				return rule
			}
		}
	}
	return rules[len(rules)-1]
}
