// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"cmp"
	"net/http"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/loadbalancer/wsme"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func (s *Service) serveLoadBalancers() {
	s.handle(http.MethodPost, "/loadbalancers", s.createLoadBalancer)
	s.handle(http.MethodPut, "/loadbalancers/{id}", s.updateLoadBalancer)
	s.handle(http.MethodDelete, "/loadbalancers/{id}", s.deleteLoadBalancer, "cascade")
	s.handle(http.MethodPut, "/loadbalancers/{id}/failover", s.failover)
	for _, path := range []string{"/status", "/statuses"} {
		s.handle(http.MethodGet, "/loadbalancers/{id}"+path, s.of("get_status", func(r store.Reader, lb *lbRow) (api.Reply, error) {
			return ok("statuses", map[string]any{"loadbalancer": s.statuses(r, lb)})
		}))
	}
	s.handle(http.MethodGet, "/loadbalancers/{id}/stats", s.of("get_stats", func(r store.Reader, lb *lbRow) (api.Reply, error) {
		var sum Statistics
		for l := range s.Listeners.By(r, s.Index.ListenerByLB, lb.ID) {
			one := s.statistics(l.ID)
			sum.BytesIn += one.BytesIn
			sum.BytesOut += one.BytesOut
			sum.ActiveConnections += one.ActiveConnections
			sum.TotalConnections += one.TotalConnections
			sum.RequestErrors += one.RequestErrors
		}
		return ok("stats", sum)
	}))
}

func (s *Service) statistics(listener string) Statistics {
	if s.o.Statistics == nil {
		return Statistics{}
	}
	return s.o.Statistics(listener)
}

// of serves what looks at one load balancer.
func (s *Service) of(verb string, do func(store.Reader, *lbRow) (api.Reply, error)) api.Handler {
	return func(r *api.Request) (api.Reply, error) {
		if _, err := readQuery(r); err != nil {
			return api.Reply{}, err
		}
		return s.look(func(v store.Reader) (api.Reply, error) {
			lb, err := s.loadBalancerOf(v, r.PathValue("id"))
			if err == nil {
				err = s.demand(r.Caller, "loadbalancer:"+verb, lb.ProjectID)
			}
			if err != nil {
				return api.Reply{}, err
			}
			return do(v, lb)
		})
	}
}

func (s *Service) createLoadBalancer(r *api.Request) (api.Reply, error) {
	body, err := read(r, "load_balancer", "loadbalancer", loadBalancerPOST, "project_id")
	if err != nil {
		return api.Reply{}, err
	}
	owner := cmp.Or(body.String("tenant_id"), body.String("project_id"), r.Caller.ProjectID)
	if owner == "" {
		return api.Reply{}, validation("Missing project ID in request where one is required. An administrator should check the keystone settings in the Octavia configuration.")
	}
	if err := s.demand(r.Caller, "loadbalancer:post", owner); err != nil {
		return api.Reply{}, err
	}
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		lb, d, err := s.newLoadBalancer(tx, r, body, owner)
		if err != nil {
			return api.Reply{}, err
		}
		s.LoadBalancers.Put(tx, lb)
		if err := s.createTree(tx, d, lb, body); err != nil {
			return api.Reply{}, err
		}
		s.begin(tx, lb.ID)
		return created("loadbalancer", s.tree(tx, lb))
	})
}

// newLoadBalancer checks a load balancer, and makes its VIP.
func (s *Service) newLoadBalancer(tx *store.Tx, r *api.Request, body wsme.Object, owner string) (*lbRow, driver, error) {
	lb := &lbRow{
		VIPAddress: body.String("vip_address"), VIPPortID: body.String("vip_port_id"), VIPSubnetID: body.String("vip_subnet_id"),
		VIPNetworkID: body.String("vip_network_id"), VIPQoSPolicyID: body.Text("vip_qos_policy_id"),
	}
	for _, v := range body.Objects("additional_vips") {
		lb.AdditionalVIPs = append(lb.AdditionalVIPs, model.AdditionalVIP{SubnetID: v.String("subnet_id"), IPAddress: v.String("ip_address")})
	}
	if err := s.placeVIP(tx, r.Caller, lb); err != nil {
		return nil, nil, err
	}
	provider, err := s.choose(tx, body, lb)
	if err != nil {
		return nil, nil, err
	}
	d, err := s.driver(provider)
	if err != nil {
		return nil, nil, err
	}
	if err := s.withinQuota(tx, owner, "load_balancer", 1); err != nil {
		return nil, nil, err
	}
	if lb.LBMeta, err = s.newMeta(body, owner); err != nil {
		return nil, nil, err
	}
	lb.Provider = provider
	if err := s.suits(tx, d, lb); err != nil {
		return nil, nil, err
	}
	if err := d.createVIP(tx, r.ID, lb); err != nil {
		return nil, nil, err
	}
	d.nextLoadBalancer(lb)
	return lb, d, nil
}

func (s *Service) updateLoadBalancer(r *api.Request) (api.Reply, error) {
	body, err := read(r, "load_balancer", "loadbalancer", loadBalancerPUT, "vip_qos_policy_id")
	if err != nil {
		return api.Reply{}, err
	}
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		lb, d, err := s.toChange(tx, r, "put")
		if err != nil {
			return api.Reply{}, err
		}
		if id := body.Text("vip_qos_policy_id"); id != nil && (lb.VIPQoSPolicyID == nil || *lb.VIPQoSPolicyID != *id) {
			if err := s.visibleQoSPolicy(tx, r.Caller, *id); err != nil {
				return api.Reply{}, err
			}
		}
		if lb.ProvisioningStatus != active {
			return api.Reply{}, wrongState(lb)
		}
		changed := edit(s, tx, s.LoadBalancers, lb.ID, func(lb *lbRow) {
			err = setMeta(&lb.LBMeta, body)
			lb.ProvisioningStatus = pendingUpdate
			if body.Has("vip_qos_policy_id") {
				lb.VIPQoSPolicyID = body.Text("vip_qos_policy_id")
			}
			if body.Has("admin_state_up") {
				d.nextLoadBalancer(lb)
			}
		})
		if err != nil {
			return api.Reply{}, err
		}
		s.begin(tx, lb.ID)
		return ok("loadbalancer", s.showLoadBalancer(tx, changed))
	})
}

// toChange finds the load balancer of a path and its provider for who may change it.
func (s *Service) toChange(tx *store.Tx, r *api.Request, verb string) (*lbRow, driver, error) {
	lb, err := s.loadBalancerOf(tx, r.PathValue("id"))
	if err != nil {
		return nil, nil, err
	}
	if err := s.demand(r.Caller, "loadbalancer:"+verb, lb.ProjectID); err != nil {
		return nil, nil, err
	}
	d, err := s.driver(lb.Provider)
	return lb, d, err
}

func wrongState(lb *lbRow) error {
	return conflict("Invalid state %s of loadbalancer resource %s", lb.ProvisioningStatus, lb.ID)
}

func (s *Service) deleteLoadBalancer(r *api.Request) (api.Reply, error) {
	cascade := truth(r.URL.Query().Get("cascade"))
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		lb, _, err := s.toChange(tx, r, "delete")
		if err != nil {
			return api.Reply{}, err
		}
		children := s.Listeners.First(tx, s.Index.ListenerByLB, lb.ID) != nil || s.LBPools.First(tx, s.Index.PoolByLB, lb.ID) != nil
		if children && !cascade {
			return api.Reply{}, validation("Cannot delete Load Balancer %s - it has children", lb.ID)
		}
		if lb.ProvisioningStatus != active && lb.ProvisioningStatus != failed {
			return api.Reply{}, wrongState(lb)
		}
		pend(s, tx, s.LoadBalancers, lb.ID, pendingDelete)
		s.begin(tx, lb.ID)
		return done()
	})
}

func (s *Service) failover(r *api.Request) (api.Reply, error) {
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		lb, d, err := s.toChange(tx, r, "put_failover")
		if err != nil {
			return api.Reply{}, err
		}
		if lb.ProvisioningStatus != active && lb.ProvisioningStatus != failed {
			return api.Reply{}, wrongState(lb)
		}
		if err := d.failover(); err != nil {
			return api.Reply{}, err
		}
		pend(s, tx, s.LoadBalancers, lb.ID, pendingUpdate)
		s.begin(tx, lb.ID)
		return api.Reply{Status: http.StatusAccepted}, nil
	})
}
