// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"maps"
	"net/http"
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// defaultQuota is Neutron's own, where the options say nothing.
var defaultQuota = map[string]int{
	"network": 100, "subnet": 100, "subnetpool": -1, "port": 500, "router": 10, "floatingip": 50,
	"rbac_policy": 10, "security_group": 10, "security_group_rule": 100, "trunk": -1,
}

// quotaTables are the tables that quotas count.
var quotaTables = map[string]string{
	"networks": "network", "subnets": "subnet", "subnetpools": "subnetpool", "ports": "port", "routers": "router", "floatingips": "floatingip",
	"rbac_policies": "rbac_policy", "security_groups": "security_group", "security_group_rules": "security_group_rule", "trunks": "trunk",
}

// quotaService is the service's name in the quotas' table.
const quotaService = "network"

// counts is how many of each resource the projects have. The store's lock guards it.
type counts map[string]map[string]int // by resource and project

// follow sees what a commit did.
func (n counts) follow(c store.Change) {
	projects := n[quotaTables[c.Table]]
	if projects == nil {
		return
	}
	if before, ok := c.Before.(model.Resource); ok {
		projects[before.Of().ProjectID]--
	}
	if after, ok := c.After.(model.Resource); ok {
		projects[after.Of().ProjectID]++
	}
}

// countAll counts what the tables hold.
func (s *Service) countAll(r store.Reader) counts {
	n := counts{}
	countTable(n, r, s.Networks)
	countTable(n, r, s.Subnets)
	countTable(n, r, s.SubnetPools)
	countTable(n, r, s.Ports)
	countTable(n, r, s.Routers)
	countTable(n, r, s.FloatingIPs)
	countTable(n, r, s.RBACPolicies)
	countTable(n, r, s.SecurityGroups)
	countTable(n, r, s.SecurityGroupRules)
	countTable(n, r, s.Trunks)
	return n
}

func countTable[T any, P row[T]](n counts, r store.Reader, t *store.Table[T]) {
	projects := map[string]int{}
	for one := range t.All(r) {
		projects[P(one).Of().ProjectID]++
	}
	n[quotaTables[t.Name()]] = projects
}

// limits gives a project's quotas, whether or not they are the default ones.
func (s *Service) limits(r store.Reader, project string) map[string]int {
	all := maps.Clone(s.quota)
	for resource := range all {
		if q := s.Quotas.Get(r, quotaService+" "+project+" "+resource); q != nil {
			all[resource] = q.Limit
		}
	}
	return all
}

// withinQuota refuses more of a resource than a project may have.
func (s *Service) withinQuota(tx *store.Tx, project, resource string, more int) error {
	limit, known := s.quota[resource]
	if q := s.Quotas.Get(tx, quotaService+" "+project+" "+resource); q != nil {
		limit, known = q.Limit, true
	}
	if known && limit >= 0 && s.counts[resource][project]+more > limit {
		return rest.Conflict("OverQuota", "Quota exceeded for resources: ['%s'].", resource)
	}
	return nil
}

func (s *Service) serveQuotas() {
	handle := func(pattern string, h func(c *rest.Call, r store.Reader, project string) (any, error)) {
		s.mux.Handle(pattern, func(r *api.Request) (reply api.Reply, err error) {
			s.View(func(reader store.Reader) { reply.Body, err = h(s.engine.NewCall(r), reader, r.PathValue("project")) })
			return reply, err
		})
	}
	handle("GET /v2.0/quotas", s.listQuotas)
	handle("GET /v2.0/quotas/{project}", s.showQuota)
	handle("GET /v2.0/quotas/{project}/default", s.showDefaultQuota)
	handle("GET /v2.0/quotas/{project}/details", s.showQuotaDetails)
	s.mux.Handle("PUT /v2.0/quotas/{project}", s.updateQuota)
	s.mux.Handle("DELETE /v2.0/quotas/{project}", s.deleteQuota)
	s.mux.Handle("POST /v2.0/quotas", func(*api.Request) (api.Reply, error) {
		return api.Reply{}, notImplemented("POST requests are not supported on this resource.")
	})
}

// demand refuses who a rule does not let.
func demand(c *rest.Call, rule, project string) error {
	if c.Allows(rule, rest.Target{ProjectID: project}) {
		return nil
	}
	return api.Errorf(http.StatusForbidden, "PolicyNotAuthorized", "rule:%s is disallowed by policy", rule)
}

func (s *Service) listQuotas(c *rest.Call, r store.Reader, _ string) (any, error) {
	if err := demand(c, "get_quota", c.Caller.ProjectID); err != nil {
		return nil, err
	}
	list := []map[string]any{}
	seen := map[string]bool{}
	for q := range s.Quotas.All(r) {
		if q.Service != quotaService || seen[q.ProjectID] {
			continue
		}
		seen[q.ProjectID] = true
		one := map[string]any{"project_id": q.ProjectID, "tenant_id": q.ProjectID}
		for resource, limit := range s.limits(r, q.ProjectID) {
			one[resource] = limit
		}
		list = append(list, one)
	}
	return map[string]any{"quotas": list}, nil
}

func (s *Service) showQuota(c *rest.Call, r store.Reader, project string) (any, error) {
	if project == "tenant" || project == "project" {
		return map[string]any{project: map[string]string{project + "_id": c.Caller.ProjectID}}, nil
	}
	if project != c.Caller.ProjectID {
		if err := demand(c, "get_quota", c.Caller.ProjectID); err != nil {
			return nil, err
		}
	}
	return map[string]any{"quota": s.limits(r, project)}, nil
}

func (s *Service) showDefaultQuota(c *rest.Call, _ store.Reader, project string) (any, error) {
	if project != c.Caller.ProjectID {
		if err := demand(c, "get_quota", c.Caller.ProjectID); err != nil {
			return nil, err
		}
	}
	return map[string]any{"quota": s.quota}, nil
}

func (s *Service) showQuotaDetails(c *rest.Call, r store.Reader, project string) (any, error) {
	if project != c.Caller.ProjectID && !c.Caller.Admin() {
		return nil, api.Errorf(http.StatusForbidden, "AdminRequired", "User does not have admin privileges: Only admin is authorized to access quotas for another project.")
	}
	details := map[string]any{}
	for resource, limit := range s.limits(r, project) {
		details[resource] = map[string]int{"limit": limit, "used": s.counts[resource][project], "reserved": 0}
	}
	return map[string]any{"quota": details}, nil
}

// quotaChange reads what an update request wants.
func (s *Service) quotaChange(c *rest.Call) (limits map[string]int, check bool, err error) {
	if err := demand(c, "update_quota", c.Caller.ProjectID); err != nil {
		return nil, false, err
	}
	given, err := rest.Object(c, "quota")
	if err != nil {
		return nil, false, err
	}
	if v, ok := given["check_limit"].(bool); ok {
		check = v
	}
	delete(given, "check_limit")
	delete(given, "force")
	delete(given, "tenant_id")
	delete(given, "project_id")
	var unknown []string
	for resource := range given {
		if _, ok := s.quota[resource]; !ok {
			unknown = append(unknown, resource)
		}
	}
	if unknown != nil {
		slices.Sort(unknown)
		return nil, false, rest.BadRequest("Unrecognized attribute(s) '%s'", unknown[0])
	}
	limits = map[string]int{}
	for resource, value := range given {
		limit, err := rest.Int(value)
		switch {
		case err != nil:
			return nil, false, err
		case limit < -1:
			return nil, false, rest.BadRequest("Invalid input for %s. Reason: '%d' is too small - must be at least '-1'.", resource, limit)
		case limit > 1<<31-1:
			return nil, false, rest.BadRequest("Invalid input for %s. Reason: '%d' is too large - must be no larger than '2147483647'.", resource, limit)
		}
		limits[resource] = limit
	}
	return limits, check, nil
}

func (s *Service) updateQuota(r *api.Request) (api.Reply, error) {
	c, project := s.engine.NewCall(r), r.PathValue("project")
	limits, check, err := s.quotaChange(c)
	if err != nil {
		return api.Reply{}, err
	}
	var now map[string]int
	err = s.engine.Change(c, func(tx *store.Tx) error {
		for resource, limit := range limits {
			if used := s.counts[resource][project]; check && used > limit {
				return rest.BadRequest("Quota limit %d for %s must be greater than or equal to already used %d", limit, resource, used)
			}
			s.Quotas.Put(tx, &model.Quota{ProjectID: project, Service: quotaService, Resource: resource, Limit: limit})
		}
		now = s.limits(tx, project)
		return nil
	})
	return api.Reply{Body: map[string]any{"quota": now}}, err
}

func (s *Service) deleteQuota(r *api.Request) (api.Reply, error) {
	c, project := s.engine.NewCall(r), r.PathValue("project")
	if err := demand(c, "delete_quota", c.Caller.ProjectID); err != nil {
		return api.Reply{}, err
	}
	err := s.engine.Change(c, func(tx *store.Tx) error {
		found := false
		for resource := range s.quota {
			found = s.Quotas.Delete(tx, quotaService+" "+project+" "+resource) || found
		}
		if !found {
			return rest.NotFound("TenantQuotaNotFound", "Quota for tenant %s could not be found.", project)
		}
		return nil
	})
	return api.Reply{Status: http.StatusNoContent}, err
}
