// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package faults

import (
	"fmt"
	"net/http"
	"path"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
)

// failure gives the error that a rule answers with.
func (r *Rule) failure(c *call) *api.Error {
	if r.Answer == Quota {
		return overQuota(c)
	}
	text := http.StatusText(r.Status)
	e := &api.Error{Status: r.Status, Type: r.Type, Message: r.Message}
	if e.Type == "" {
		e.Type = "HTTP" + strings.ReplaceAll(text, " ", "")
	}
	if e.Message == "" {
		e.Message = fmt.Sprintf("%s (an injected fault: %s).", text, r.Name)
	}
	if r.RetryAfter > 0 {
		e.Header = http.Header{"Retry-After": {r.RetryAfter.header()}}
	}
	return e
}

// overQuota is what the service says when a project may not have one more of
// what the call's path ends in.
// neutron_lib.exceptions.OverQuota, octavia.common.exceptions.QuotaException.
func overQuota(c *call) *api.Error {
	resource := strings.ReplaceAll(path.Base(c.path), "-", "_")
	if stem, ok := strings.CutSuffix(resource, "ies"); ok {
		resource = stem + "y"
	}
	resource = strings.TrimSuffix(resource, "s")
	if c.Service == "network" {
		return api.Errorf(http.StatusConflict, "OverQuota", "Quota exceeded for resources: ['%s'].", resource)
	}
	if name, ok := octaviaNames[resource]; ok {
		resource = name
	}
	return api.Errorf(http.StatusForbidden, "", "Quota has been met for resources: %s", resource)
}

// octaviaNames are Octavia's words for what its paths end in.
var octaviaNames = map[string]string{
	"loadbalancer": "Load Balancer", "listener": "Listener", "pool": "Pool", "member": "Member",
	"healthmonitor": "Health Monitor", "l7policy": "L7 Policy", "rule": "L7 Rule",
}
