// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"github.com/kuryr-go/kuryr/internal/cloud/api"
)

// serveAmphorae serves the amphorae: there are none.
func (s *Service) serveAmphorae() {
	for _, prefix := range []string{"/v2.0/octavia/amphorae", "/v2/octavia/amphorae"} {
		s.mux.Handle("GET "+prefix, func(r *api.Request) (api.Reply, error) {
			if _, err := readQuery(r); err != nil {
				return api.Reply{}, err
			}
			if err := s.demand(r.Caller, "amphora:get_all", r.Caller.ProjectID); err != nil {
				return api.Reply{}, err
			}
			return api.Reply{Body: map[string]any{"amphorae": []any{}, "amphorae_links": []any{}}}, nil
		})
		for _, pattern := range []string{"GET " + prefix + "/{id}", "PUT " + prefix + "/{id}/failover", "PUT " + prefix + "/{id}/config"} {
			s.mux.Handle(pattern, func(r *api.Request) (api.Reply, error) {
				return api.Reply{}, notFound("Amphora", r.PathValue("id"))
			})
		}
		s.mux.Handle("DELETE "+prefix+"/{id}", s.noAmphora("delete", "Amphora"))
		s.mux.Handle("GET "+prefix+"/{id}/stats", s.noAmphora("get_stats", "Amphora stats for"))
	}
}

// noAmphora answers that there is no such thing, to who may know.
func (s *Service) noAmphora(verb, what string) api.Handler {
	return func(r *api.Request) (api.Reply, error) {
		if err := s.demand(r.Caller, "amphora:"+verb, r.Caller.ProjectID); err != nil {
			return api.Reply{}, err
		}
		return api.Reply{}, notFound(what, r.PathValue("id"))
	}
}
