// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"math/big"
	"net/http"
	"slices"
	"strconv"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/ipam"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// serveAvailability serves how many addresses of each network are used.
func (s *Service) serveAvailability() {
	const path = "/v2.0/network-ip-availabilities"
	s.mux.Handle("GET "+path, func(r *api.Request) (reply api.Reply, err error) {
		list := []map[string]any{}
		s.View(func(reader store.Reader) {
			if !s.engine.NewCall(r).Allows("get_network_ip_availability", rest.Target{}) {
				return
			}
			versions := r.URL.Query()["ip_version"]
			for n := range s.Networks.All(reader) {
				if view := s.viewAvailability(reader, n, versions); view != nil {
					list = append(list, view)
				}
			}
		})
		reply.Body, err = rest.Choose(r, "network_ip_availabilities", s.attributes["network_ip_availabilities"], list)
		return reply, err
	})
	s.mux.Handle("GET "+path+"/{id}", func(r *api.Request) (reply api.Reply, err error) {
		s.View(func(reader store.Reader) {
			n := s.Networks.Get(reader, r.PathValue("id"))
			switch {
			case n == nil:
				err = networkNotFound(r.PathValue("id"))
			case !s.engine.NewCall(r).Allows("get_network_ip_availability", rest.Target{}):
				err = api.Errorf(http.StatusNotFound, "HTTPNotFound", "The resource could not be found.")
			default:
				reply.Body = map[string]any{"network_ip_availability": rest.Fields(s.viewAvailability(reader, n, nil), r.URL.Query()["fields"])}
			}
		})
		return reply, err
	})
}

// viewAvailability counts a network's addresses: of the subnets of some
// versions, of which it must have one, or with none of all.
func (s *Service) viewAvailability(r store.Reader, n *model.Network, versions []string) map[string]any {
	subnets, used, total := []map[string]any{}, 0, new(big.Int)
	for sub := range s.Subnets.By(r, s.Index.SubnetByNetwork, n.ID) {
		if len(versions) > 0 && !slices.Contains(versions, strconv.Itoa(sub.IPVersion)) {
			continue
		}
		here := 0
		for p := range s.Ports.By(r, s.Index.PortBySubnet, sub.ID) {
			for _, f := range p.FixedIPs {
				if f.SubnetID == sub.ID {
					here++
				}
			}
		}
		size := new(big.Int)
		for _, pool := range poolsOf(sub) {
			size.Add(size, pool.Size())
		}
		if len(sub.AllocationPools) == 0 {
			size = ipam.RangeOf(cidrOf(sub)).Size()
		}
		subnets = append(subnets, map[string]any{"subnet_id": sub.ID, "subnet_name": sub.Name, "ip_version": sub.IPVersion, "cidr": sub.CIDR, "used_ips": here, "total_ips": size})
		used += here
		total.Add(total, size)
	}
	if len(versions) > 0 && len(subnets) == 0 {
		return nil
	}
	return map[string]any{
		"network_id": n.ID, "network_name": n.Name, "project_id": n.ProjectID, "tenant_id": n.ProjectID,
		"subnet_ip_availability": subnets, "used_ips": used, "total_ips": total,
	}
}
