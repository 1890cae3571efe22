// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"net/http"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/loadbalancer/wsme"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// prefixes are where the resources are.
var prefixes = []string{"/v2.0/lbaas", "/v2/lbaas", "/v2.0", "/v2"}

// resource is a type of rows that projects have, at a path of its own.
type resource[T any] struct {
	*kind[T]
	// name is what errors call it, action what policies call it.
	name, action string
	table        *store.Table[T]
	byProject    *store.Index[T]
	tell         show[T]
}

// handle has h serve a path of the resources. Parameters behind the path of
// what is no GET are those that are named.
func (s *Service) handle(method, path string, h api.Handler, parameters ...string) {
	checked := func(r *api.Request) (api.Reply, error) {
		if method != http.MethodGet {
			var strange []string
			for name := range r.URL.Query() {
				if !slices.Contains(parameters, name) {
					strange = append(strange, name)
				}
			}
			if strange != nil {
				return api.Reply{}, badRequest("Unknown argument: \"%s\"", strings.Join(strange, ", "))
			}
		}
		return h(r)
	}
	for _, prefix := range prefixes {
		s.mux.Handle(method+" "+prefix+path, checked)
	}
}

// missing serves the methods of a list that want an id.
func (s *Service) missing(path, id string, methods ...string) {
	for _, method := range methods {
		s.handle(method, path, func(*api.Request) (api.Reply, error) {
			return api.Reply{}, badRequest("Missing argument: \"%s\"", id)
		})
	}
}

func (s *Service) serve() {
	s.serveVersions()
	ix := &s.Index
	serveLists(s, resource[lbRow]{loadBalancers, "Load Balancer", "loadbalancer", s.LoadBalancers, ix.LBByProject, s.showLoadBalancer})
	s.serveLoadBalancers()
	serveLists(s, resource[listenerRow]{listeners, "Listener", "listener", s.Listeners, ix.ListenerByProject, s.showListener})
	s.serveListeners()
	serveLists(s, resource[poolRow]{pools, "Pool", "pool", s.LBPools, ix.PoolByProject, s.showPool})
	s.servePools()
	s.serveMembers()
	serveLists(s, resource[monitorRow]{monitors, "Health Monitor", "healthmonitor", s.HealthMonitors, ix.MonitorByProject, s.showMonitor})
	s.serveMonitors()
	serveLists(s, resource[policyRow]{policies, "L7 Policy", "l7policy", s.L7Policies, ix.L7PolicyByProject, s.showPolicy})
	s.servePolicies()
	s.serveRules()
	s.serveQuotas()
	s.serveProviders()
	s.serveCatalogue()
	s.serveAmphorae()
}

// serveLists serves what all resources of projects have in common.
func serveLists[T any, P row[T]](s *Service, res resource[T]) {
	path := "/" + res.many
	s.handle(http.MethodGet, path, func(r *api.Request) (api.Reply, error) {
		q, err := readQuery(r)
		if err != nil {
			return api.Reply{}, err
		}
		project, err := s.scope(r.Caller, res.action, q.given.Get("project_id"))
		if err != nil {
			return api.Reply{}, err
		}
		return s.look(func(v store.Reader) (api.Reply, error) {
			rows := res.table.All(v)
			if project != "" {
				rows = res.table.By(v, res.byProject, project)
			}
			return list(v, r, res.kind, q, rows, func(id string) *T { return res.table.Get(v, id) }, res.tell)
		})
	})
	s.handle(http.MethodGet, path+"/{id}", func(r *api.Request) (api.Reply, error) {
		q, err := readQuery(r)
		if err != nil {
			return api.Reply{}, err
		}
		return s.look(func(v store.Reader) (api.Reply, error) {
			row, err := find(v, res.table, res.name, r.PathValue("id"))
			if err != nil {
				return api.Reply{}, err
			}
			if err := s.demand(r.Caller, res.action+":get_one", P(row).LB().ProjectID); err != nil {
				return api.Reply{}, err
			}
			return ok(res.one, q.choose(res.tell(v, row)))
		})
	})
	s.missing(path, "id", http.MethodPut, http.MethodDelete)
}

// find gives a row, or the error that there is none.
func find[T any](r store.Reader, table *store.Table[T], name, id string) (*T, error) {
	if row := table.Get(r, id); row != nil {
		return row, nil
	}
	return nil, notFound(name, id)
}

func ok(key string, v any) (api.Reply, error) {
	return api.Reply{Body: map[string]any{key: v}}, nil
}

func created(key string, v any) (api.Reply, error) {
	return api.Reply{Status: http.StatusCreated, Body: map[string]any{key: v}}, nil
}

// done is the answer without a body.
func done() (api.Reply, error) { return api.Reply{Status: http.StatusNoContent}, nil }

// read reads a body with one object under a key. argument is what Octavia's
// method calls the body. When the object is missing Octavia stumbles over its
// first attribute, or finds it missing where that is "".
func read(r *api.Request, argument, key string, t wsme.Type, first string) (wsme.Object, error) {
	root, err := wsme.Parse(r.Body, r.Header.Get("Content-Type"), argument, wsme.Type{{Name: key, Kind: t}})
	if err != nil {
		return nil, err
	}
	if body := root.Object(key); body != nil {
		return body, nil
	}
	if first == "" {
		return nil, validation("No %s object supplied.", key)
	}
	return nil, serverError("'%s' object has no attribute '%s'", absence(root, key), first)
}

// absence is what Python calls the value of an attribute that is null or not there.
func absence(body wsme.Object, name string) string {
	if body.Null(name) {
		return "NoneType"
	}
	return "UnsetType"
}
