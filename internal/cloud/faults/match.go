// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package faults

import (
	"path"
	"slices"
	"strings"
)

// Match chooses calls. What is left out matches every call.
type Match struct {
	// Service is identity, network or load-balancer.
	Service string `json:"service,omitempty"`
	// Method is the HTTP method.
	Method string `json:"method,omitempty"`
	// Path is the call's path. A segment * or {name} stands for any one segment:
	// /v2.0/ports/{id}. A last segment ** stands for any number of them.
	Path string `json:"path,omitempty"`
	// Bulk chooses calls for several objects at once, or with false the others.
	Bulk *bool `json:"bulk,omitempty"`
	// Project is the name or id of the caller's project.
	Project string `json:"project,omitempty"`
	// User is the name or id of the caller.
	User string `json:"user,omitempty"`
	// Contains is a text in the request's body, such as a port's name.
	Contains string `json:"contains,omitempty"`
}

func (m *Match) check(bad report) {
	if m.Service != "" && !slices.Contains(services, m.Service) {
		bad("match.service", "%q is not allowed; want %s", m.Service, strings.Join(services, ", "))
	}
	if m.Path != "" && !strings.HasPrefix(m.Path, "/") {
		bad("match.path", "%q does not begin with /", m.Path)
	}
}

var services = []string{"identity", "network", "load-balancer"}

// matches tells whether a call is chosen.
func (m *Match) matches(c *call) bool {
	is := func(want string, have ...string) bool { return want == "" || slices.Contains(have, want) }
	return is(m.Service, c.Service) && is(m.Method, c.Method) && (m.Path == "" || matchPath(m.Path, c.path)) &&
		(m.Bulk == nil || *m.Bulk == c.bulk) && is(m.Project, c.ProjectID, c.Project) && is(m.User, c.UserID, c.User) &&
		(m.Contains == "" || strings.Contains(string(c.body), m.Contains))
}

// matchPath compares a path with a pattern, segment by segment.
func matchPath(pattern, of string) bool {
	want, have := strings.Split(path.Clean(pattern), "/"), strings.Split(path.Clean(of), "/")
	if last := len(want) - 1; want[last] == "**" {
		if len(have) < last {
			return false
		}
		want, have = want[:last], have[:last]
	}
	return slices.EqualFunc(want, have, func(w, h string) bool {
		return w == h || w == "*" || strings.HasPrefix(w, "{") && strings.HasSuffix(w, "}")
	})
}
