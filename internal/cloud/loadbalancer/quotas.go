// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"iter"
	"net/http"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/loadbalancer/wsme"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// service is what quotas are stored under.
const service = "load-balancer"

// quotaRecord is the resource of a row that says no more than that a project
// has a record: Octavia makes one for whoever makes anything.
const quotaRecord = ""

// quotaResources are what has quotas, as Octavia's database calls them, with
// what errors call them.
var quotaResources = []struct{ name, called string }{
	{"load_balancer", "Load Balancer"},
	{"listener", "Listener"},
	{"member", "Member"},
	{"pool", "Pool"},
	{"health_monitor", "Health Monitor"},
	{"l7policy", "L7 Policy"},
	{"l7rule", "L7 Rule"},
}

// otherSpelling has the two names that the API has twice.
var otherSpelling = map[string]string{"load_balancer": "loadbalancer", "health_monitor": "healthmonitor"}

func isResource(name string) bool {
	for _, q := range quotaResources {
		if q.name == name {
			return true
		}
	}
	return false
}

func (s *Service) serveQuotas() {
	s.handle(http.MethodGet, "/quotas", s.listQuotas)
	s.handle(http.MethodGet, "/quotas/{id}", func(r *api.Request) (api.Reply, error) {
		// Octavia takes "default" alone for a project's name.
		if err := s.demand(r.Caller, "quota:get_one", r.PathValue("id")); err != nil {
			return api.Reply{}, err
		}
		return s.look(func(v store.Reader) (api.Reply, error) { return ok("quota", s.quotas(v, r.PathValue("id"))) })
	})
	s.handle(http.MethodGet, "/quotas/{id}/default", func(r *api.Request) (api.Reply, error) {
		if err := s.demand(r.Caller, "quota:get_defaults", r.PathValue("id")); err != nil {
			return api.Reply{}, err
		}
		defaults := map[string]any{}
		for _, q := range quotaResources {
			defaults[q.name] = s.defaultQuota(q.name)
		}
		return ok("quota", defaults)
	})
	s.handle(http.MethodPut, "/quotas/{id}", s.updateQuotas)
	s.handle(http.MethodDelete, "/quotas/{id}", s.resetQuotas)
	s.missing("/quotas", "project_id", http.MethodPut, http.MethodDelete)
}

func (s *Service) defaultQuota(resource string) int {
	if n, ok := s.o.Quota[resource]; ok {
		return n
	}
	return -1
}

func (s *Service) quota(r store.Reader, project, resource string) *model.Quota {
	return s.Quotas.Get(r, service+" "+project+" "+resource)
}

func (s *Service) limit(r store.Reader, project, resource string) int {
	if q := s.quota(r, project, resource); q != nil {
		return q.Limit
	}
	return s.defaultQuota(resource)
}

func (s *Service) quotas(r store.Reader, project string) map[string]any {
	all := map[string]any{}
	for _, q := range quotaResources {
		all[q.name] = s.limit(r, project, q.name)
	}
	return all
}

// withinQuota refuses more of a resource than a project may have.
func (s *Service) withinQuota(tx *store.Tx, project, resource string, more int) error {
	if s.quota(tx, project, quotaRecord) == nil {
		s.Quotas.Put(tx, &model.Quota{ProjectID: project, Service: service, Resource: quotaRecord})
	}
	most := s.limit(tx, project, resource)
	if most < 0 || s.used(tx, project, resource)+more <= most {
		return nil
	}
	for _, q := range quotaResources {
		if q.name == resource {
			resource = q.called
		}
	}
	return api.Errorf(http.StatusForbidden, "", "Quota has been met for resources: %s", resource)
}

func (s *Service) used(r store.Reader, project, resource string) int {
	ix := &s.Index
	switch resource {
	case "load_balancer":
		return s.LoadBalancers.Count(r, ix.LBByProject, project)
	case "listener":
		return s.Listeners.Count(r, ix.ListenerByProject, project)
	case "member":
		return s.Members.Count(r, ix.MemberByProject, project)
	case "pool":
		return s.LBPools.Count(r, ix.PoolByProject, project)
	case "health_monitor":
		return s.HealthMonitors.Count(r, ix.MonitorByProject, project)
	case "l7policy":
		return s.L7Policies.Count(r, ix.L7PolicyByProject, project)
	}
	return s.L7Rules.Count(r, ix.L7RuleByProject, project)
}

// quotaProject is a project's record in the list of all of them.
type quotaProject struct {
	ProjectID string `json:"project_id"`
}

var quotaProjects = &kind[quotaProject]{
	many: "quotas", links: "quotas_links", columns: api.ColumnsOf[quotaProject](layout), id: func(q *quotaProject) string { return q.ProjectID },
}

// records are the projects that have a record.
func (s *Service) records(r store.Reader, project string) iter.Seq[*quotaProject] {
	return func(yield func(*quotaProject) bool) {
		prefix := service + " " + project
		for q := range s.Quotas.AllFrom(r, prefix, false) {
			switch {
			case q.Service != service || project != "" && q.ProjectID != project:
				return
			case q.Resource == quotaRecord && !yield(&quotaProject{q.ProjectID}):
				return
			}
		}
	}
}

func (s *Service) listQuotas(r *api.Request) (api.Reply, error) {
	q, err := readQuery(r)
	if err != nil {
		return api.Reply{}, err
	}
	project, err := s.scope(r.Caller, "quota", q.given.Get("project_id"))
	if err != nil {
		return api.Reply{}, err
	}
	q.fields = nil
	return s.look(func(v store.Reader) (api.Reply, error) {
		get := func(id string) *quotaProject { return &quotaProject{id} }
		return list(v, r, quotaProjects, q, s.records(v, project), get, func(v store.Reader, p *quotaProject) map[string]any {
			all := map[string]any{"project_id": p.ProjectID, "tenant_id": p.ProjectID}
			for _, res := range quotaResources {
				var limit any
				if q := s.quota(v, p.ProjectID, res.name); q != nil {
					limit = q.Limit
				}
				all[res.name] = limit
				if name := otherSpelling[res.name]; name != "" {
					all[name] = limit
				}
			}
			return all
		})
	})
}

func (s *Service) updateQuotas(r *api.Request) (api.Reply, error) {
	root, err := wsme.Parse(r.Body, r.Header.Get("Content-Type"), "quotas", wsme.Type{{Name: "quota", Kind: quotaPUT}})
	if err != nil {
		return api.Reply{}, err
	}
	project := r.PathValue("id")
	if err := s.demand(r.Caller, "quota:put", project); err != nil {
		return api.Reply{}, err
	}
	body := root.Object("quota")
	if body == nil {
		return api.Reply{}, serverError("'quota'")
	}
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		s.Quotas.Put(tx, &model.Quota{ProjectID: project, Service: service, Resource: quotaRecord})
		for name := range body {
			resource := name
			for one, other := range otherSpelling {
				resource = strings.Replace(resource, other, one, 1)
			}
			if resource == name && otherSpelling[name] != "" && body.Has(otherSpelling[name]) {
				continue // the right spelling counts
			}
			q := model.Quota{ProjectID: project, Service: service, Resource: resource, Limit: body.Int(name, -1)}
			if body.Null(name) {
				s.Quotas.Delete(tx, service+" "+project+" "+resource)
				continue
			}
			s.Quotas.Put(tx, &q)
		}
		return api.Reply{Status: http.StatusAccepted, Body: map[string]any{"quota": s.quotas(tx, project)}}, nil
	})
}

func (s *Service) resetQuotas(r *api.Request) (api.Reply, error) {
	project := r.PathValue("id")
	if err := s.demand(r.Caller, "quota:delete", project); err != nil {
		return api.Reply{}, err
	}
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		if s.quota(tx, project, quotaRecord) == nil {
			return api.Reply{}, notFound("Quotas", project)
		}
		for _, q := range quotaResources {
			s.Quotas.Delete(tx, service+" "+project+" "+q.name)
		}
		return api.Reply{Status: http.StatusAccepted}, nil
	})
}
