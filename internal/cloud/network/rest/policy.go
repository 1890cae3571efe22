// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
)

// Target is what a rule looks at.
type Target struct {
	// ProjectID owns the thing, NetworkProject the network that it is on (may be
	// empty), ParentProject the thing that it is a part of.
	ProjectID, NetworkProject, ParentProject string
	// Shared and External are those of a network.
	Shared, External bool
	// DeviceOwner is a port's.
	DeviceOwner string
	// Wildcard is true of what is for every project.
	Wildcard bool
}

// Policy holds the rules by their names. A rule is a list of terms of which
// one must hold.
type Policy struct {
	rules map[string][]term
	// order is the rules' in the table.
	order map[string]int
	// roles may what a rule's terms do not let them.
	roles map[string][]string
}

type term func(p *Policy, c api.Caller, t Target) bool

// terms are the words of a policy table.
var terms = map[string]term{
	"any":   func(*Policy, api.Caller, Target) bool { return true },
	"admin": func(_ *Policy, c api.Caller, _ Target) bool { return c.Admin() },
	"owner": func(_ *Policy, c api.Caller, t Target) bool { return c.ProjectID != "" && c.ProjectID == t.ProjectID },
	"network-owner": func(_ *Policy, c api.Caller, t Target) bool {
		return c.ProjectID != "" && c.ProjectID == t.NetworkProject
	},
	"parent-owner": func(_ *Policy, c api.Caller, t Target) bool {
		return c.ProjectID != "" && c.ProjectID == t.ParentProject
	},
	"role-advsvc": func(_ *Policy, c api.Caller, _ Target) bool { return c.Has("advsvc") },
	"no-wildcard": func(_ *Policy, _ api.Caller, t Target) bool { return !t.Wildcard },
	"advsvc":      func(p *Policy, c api.Caller, _ Target) bool { return p.Serves(c) },
	"shared":      func(_ *Policy, _ api.Caller, t Target) bool { return t.Shared },
	"external":    func(_ *Policy, _ api.Caller, t Target) bool { return t.External },
	"no-network-device": func(_ *Policy, _ api.Caller, t Target) bool {
		return !strings.HasPrefix(t.DeviceOwner, "network:")
	},
}

// advancedService is the rule for roles that see every project's things.
const advancedService = "context_is_advsvc"

// ParsePolicy reads a table with a rule and its terms on each line. roles gives
// further roles to whom a rule holds.
func ParsePolicy(table string, roles map[string][]string) (*Policy, error) {
	p := &Policy{rules: map[string][]term{advancedService: nil}, order: map[string]int{}, roles: roles}
	for line := range strings.Lines(table) {
		words := strings.Fields(strings.SplitN(line, "#", 2)[0])
		if len(words) == 0 {
			continue
		}
		var all []term
		for _, word := range words[1:] {
			t := terms[word]
			if t == nil {
				return nil, fmt.Errorf("rest: policy %s: no term %q", words[0], word)
			}
			all = append(all, t)
		}
		p.rules[words[0]] = all
		p.order[words[0]] = len(p.order)
	}
	for rule := range roles {
		if !p.Known(rule) {
			return nil, fmt.Errorf("rest: policy: there is no rule %q", rule)
		}
	}
	return p, nil
}

// Known tells whether there is a rule.
func (p *Policy) Known(rule string) bool { _, ok := p.rules[rule]; return ok }

// Serves tells whether the caller sees the things of every project.
func (p *Policy) Serves(c api.Caller) bool {
	return c.Has("advsvc") || slices.ContainsFunc(p.roles[advancedService], c.Has)
}

// Allows tells whether a rule lets the caller. A rule that is not known lets
// the admin and the owner.
func (p *Policy) Allows(rule string, c api.Caller, t Target) bool {
	if slices.ContainsFunc(p.roles[rule], c.Has) {
		return true
	}
	all, known := p.rules[rule]
	if !known {
		all = []term{terms["admin"], terms["owner"]}
	}
	return slices.ContainsFunc(all, func(holds term) bool { return holds(p, c, t) })
}

// demand checks an action's rule and those of the attributes that are given.
// The error names the whole of what was asked, as Neutron's does.
func (p *Policy) demand(action string, attrs *Attributes, v Values, create bool, c api.Caller, t Target) error {
	text, allowed := "rule:"+action, p.Allows(action, c, t)
	for _, attr := range attrs.list {
		value, given := v[attr.Name]
		if !attr.Policy || !given || create && !attr.Required && !attr.Unset && reflect.DeepEqual(value, attr.Default) {
			continue
		}
		rule := action + ":" + attr.Name
		one, ok := "rule:"+rule, p.Allows(rule, c, t)
		if sub := p.parts(rule, value); sub != nil {
			ok = ok && !slices.ContainsFunc(sub, func(r string) bool { return !p.Allows(r, c, t) })
			one = "(" + one + " and (rule:" + strings.Join(sub, " and rule:") + "))"
		}
		text, allowed = "("+text+" and "+one+")", allowed && ok
	}
	if allowed {
		return nil
	}
	return api.Errorf(403, "PolicyNotAuthorized", "%s is disallowed by policy", text)
}

// parts gives the rules about the keys of a structured value: the known ones in
// the order of the table, and of a list's items all.
func (p *Policy) parts(rule string, value any) (rules []string) {
	add := func(m map[string]any, unknown bool) {
		for _, key := range sortedKeys(m) {
			if r := rule + ":" + key; (unknown || p.Known(r)) && !slices.Contains(rules, r) {
				rules = append(rules, r)
			}
		}
	}
	switch x := value.(type) {
	case map[string]any:
		add(x, false)
	case []any:
		for _, item := range x {
			if m, ok := item.(map[string]any); ok {
				add(m, true)
			}
		}
	}
	slices.SortStableFunc(rules, func(a, b string) int { return p.order[a] - p.order[b] })
	return rules
}
