// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func (s *Service) serveFloatingIPPools() {
	for _, path := range []string{"/v2.0/floatingip_pools", "/v2.0/floatingip-pools"} {
		s.mux.Handle("GET "+path, s.listFloatingIPPools)
	}
}

// listFloatingIPPools gives the subnets that floating IPs come from.
func (s *Service) listFloatingIPPools(r *api.Request) (api.Reply, error) {
	c := s.engine.NewCall(r)
	items := []map[string]any{}
	s.View(func(r store.Reader) {
		for n := range s.Networks.All(r) {
			if !n.External || !s.sees(c, r, n) {
				continue
			}
			for sub := range s.Subnets.By(r, s.Index.SubnetByNetwork, n.ID) {
				if sub.IPVersion == 4 {
					items = append(items, map[string]any{
						"subnet_id": sub.ID, "subnet_name": sub.Name, "network_id": n.ID, "cidr": sub.CIDR,
						"project_id": c.Caller.ProjectID, "tenant_id": c.Caller.ProjectID,
					})
				}
			}
		}
	})
	body, err := rest.Choose(r, "floatingip_pools", s.attributes["floatingip_pools"], items)
	return api.Reply{Body: body}, err
}
