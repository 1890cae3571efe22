// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
)

const (
	baseRules = "load-balancer:"
	actions   = "os_load-balancer_api:"
)

// rules are Octavia's base rules (octavia/policies/base.py), with the roles that
// they hold for everywhere, and those that they hold for in their own project.
var rules = map[string]struct{ everywhere, own []string }{
	"read":              {[]string{"load-balancer_global_observer", "load-balancer_admin", "admin"}, []string{"load-balancer_observer", "load-balancer_member"}},
	"read-global":       {[]string{"load-balancer_global_observer", "load-balancer_admin", "admin"}, nil},
	"write":             {[]string{"load-balancer_admin", "admin"}, []string{"load-balancer_member"}},
	"admin":             {[]string{"load-balancer_admin", "admin"}, nil},
	"read-quota":        {[]string{"load-balancer_global_observer", "load-balancer_quota_admin", "load-balancer_admin", "admin"}, []string{"load-balancer_observer", "load-balancer_member"}},
	"read-quota-global": {[]string{"load-balancer_global_observer", "load-balancer_quota_admin", "load-balancer_admin", "admin"}, nil},
	"write-quota":       {[]string{"load-balancer_quota_admin", "load-balancer_admin", "admin"}, nil},
}

// readers are the actions that only look; whose demand is not "write" else.
var readers = map[string]string{
	"get_one": "read", "get_all": "read", "get_stats": "read", "get_status": "read", "get_defaults": "read",
	"get_all-global": "read-global", "put_failover": "admin", "put_config": "admin",
}

// administered are the resources that only an administrator may change or, when
// it is true, see.
var administered = map[string]bool{
	"amphora": true, "flavor": false, "flavor-profile": true, "availability-zone": false, "availability-zone-profile": true,
	"provider-flavor": true, "provider-availability-zone": true, "provider": false,
}

// ruleOf gives the base rule of an action, "loadbalancer:post".
func ruleOf(action string) string {
	resource, verb, _ := strings.Cut(action, ":")
	rule := readers[verb]
	if rule == "" {
		rule = "write"
	}
	if hidden, ok := administered[resource]; ok && (hidden || rule != "read") {
		return "admin"
	}
	if resource == "quota" {
		return strings.Replace(strings.Replace(rule, "read", "read-quota", 1), "write", "write-quota", 1)
	}
	return rule
}

// checkPolicy refuses rules in Octavia's name that it does not have.
func checkPolicy(policy map[string][]string) error {
	for name := range policy {
		if rule, ok := strings.CutPrefix(name, baseRules); ok {
			if _, known := rules[rule]; !known {
				return fmt.Errorf("loadbalancer: policy: there is no rule %q", name)
			}
		}
	}
	return nil
}

// may tells whether the caller may do an action ("loadbalancer:post") to what is a project's.
func (s *Service) may(c api.Caller, action, project string) bool {
	name := ruleOf(action)
	rule := rules[name]
	own := project != "" && project == c.ProjectID && slices.ContainsFunc(rule.own, c.Has)
	return own || slices.ContainsFunc(rule.everywhere, c.Has) ||
		slices.ContainsFunc(s.o.Policy[baseRules+name], c.Has) || slices.ContainsFunc(s.o.Policy[actions+action], c.Has)
}

func (s *Service) demand(c api.Caller, action, project string) error {
	if !s.may(c, action, project) {
		return forbidden()
	}
	return nil
}

// scope gives the project that a list is of; "": of all of them.
func (s *Service) scope(c api.Caller, resource, project string) (string, error) {
	if s.may(c, resource+":get_all-global", project) {
		return project, nil
	}
	if project == "" {
		project = c.ProjectID
	}
	if project == "" {
		return "", forbidden()
	}
	return project, s.demand(c, resource+":get_all", project)
}
