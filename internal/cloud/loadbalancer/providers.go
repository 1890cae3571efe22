// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"maps"
	"net/http"
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
)

// providerNames are what the providers are called.
var providerNames = map[string]string{
	providerOVN:     "OVN provider",
	providerAmphora: "The Octavia Amphora driver.",
}

func (s *Service) serveProviders() {
	s.handle(http.MethodGet, "/providers", func(r *api.Request) (api.Reply, error) {
		enabled := map[string]string{}
		for _, name := range s.o.Providers {
			enabled[name] = providerNames[name]
		}
		return s.described(r, "provider:get_all", "providers", func(*query) (map[string]string, error) { return enabled, nil })
	})
	s.capabilities("flavor_capabilities", "provider-flavor:get_all", driver.flavorMetadata)
	s.capabilities("availability_zone_capabilities", "provider-availability-zone:get_all", driver.zoneMetadata)
}

// capabilities serves what a provider's flavors or availability zones can say.
func (s *Service) capabilities(key, action string, of func(driver) (map[string]string, error)) {
	s.handle(http.MethodGet, "/providers/{id}/"+key, func(r *api.Request) (api.Reply, error) {
		return s.described(r, action, key, func(q *query) (map[string]string, error) {
			d, err := s.driver(r.PathValue("id"))
			if err != nil {
				return nil, err
			}
			all, err := of(d)
			if err != nil {
				return nil, err
			}
			all = maps.Clone(all)
			maps.DeleteFunc(all, func(name, description string) bool {
				return q.given.Get("name") != "" && q.given.Get("name") != name ||
					q.given.Get("description") != "" && q.given.Get("description") != description
			})
			return all, nil
		})
	})
}

// described answers with names and their descriptions.
func (s *Service) described(r *api.Request, action, key string, of func(*query) (map[string]string, error)) (api.Reply, error) {
	q, err := readQuery(r)
	if err != nil {
		return api.Reply{}, err
	}
	if err := s.demand(r.Caller, action, r.Caller.ProjectID); err != nil {
		return api.Reply{}, err
	}
	all, err := of(q)
	if err != nil {
		return api.Reply{}, err
	}
	shown := []any{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		shown = append(shown, q.choose(map[string]any{"name": name, "description": all[name]}))
	}
	return ok(key, shown)
}
