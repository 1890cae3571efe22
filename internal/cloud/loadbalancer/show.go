// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"iter"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// The resources, and where Octavia's database has other names than its API
// (octavia/api/v2/types, octavia/db/models.py).
var (
	loadBalancers = newKind("loadbalancer", "loadbalancers", []string{"additional_vips"}, map[string]func(*model.LoadBalancer) any{
		"topology": func(*model.LoadBalancer) any { return "SINGLE" },
	})
	listeners = newKind("listener", "listeners", nil, map[string]func(*model.Listener) any{
		"loadbalancer_id":  func(r *model.Listener) any { return r.LoadBalancerID },
		"load_balancer_id": func(r *model.Listener) any { return r.LoadBalancerID },
	})
	pools = newKind("pool", "pools", nil, map[string]func(*model.LBPool) any{
		"loadbalancer_id":  func(r *model.LBPool) any { return r.LoadBalancerID },
		"load_balancer_id": func(r *model.LBPool) any { return r.LoadBalancerID },
	})
	members = newKind("member", "members", []string{"description"}, map[string]func(*model.Member) any{
		"ip_address": func(r *model.Member) any { return r.Address },
		"pool_id":    func(r *model.Member) any { return r.PoolID },
	})
	monitors = newKind("healthmonitor", "healthmonitors", []string{"description"}, map[string]func(*model.HealthMonitor) any{
		"pool_id":        func(r *model.HealthMonitor) any { return r.PoolID },
		"rise_threshold": func(r *model.HealthMonitor) any { return r.MaxRetries },
		"fall_threshold": func(r *model.HealthMonitor) any { return r.MaxRetriesDown },
	})
	policies = newKind[model.L7Policy]("l7policy", "l7policies", nil, nil)
	l7rules  = newKind("rule", "rules", []string{"name", "description"}, map[string]func(*model.L7Rule) any{
		"l7policy_id": func(r *model.L7Rule) any { return r.L7PolicyID },
	})
)

func (s *Service) showLoadBalancer(r store.Reader, row *model.LoadBalancer) map[string]any {
	m := loadBalancers.base(row)
	m["additional_vips"] = additionalVIPs(row)
	m["listeners"] = idsOf(s.Listeners.By(r, s.Index.ListenerByLB, row.ID))
	m["pools"] = idsOf(s.LBPools.By(r, s.Index.PoolByLB, row.ID))
	return m
}

func (s *Service) showListener(r store.Reader, row *model.Listener) map[string]any {
	m := listeners.base(row)
	nullable(m, "allowed_cidrs", row.AllowedCIDRs)
	nullable(m, "tls_versions", row.TLSVersions)
	nullable(m, "alpn_protocols", row.ALPNProtocols)
	m["loadbalancers"] = []any{onlyID(row.LoadBalancerID)}
	m["l7policies"] = idsOf(s.policiesOf(r, row.ID))
	return m
}

func (s *Service) showPool(r store.Reader, row *model.LBPool) map[string]any {
	m := pools.base(row)
	nullable(m, "tls_versions", row.TLSVersions)
	nullable(m, "alpn_protocols", row.ALPNProtocols)
	m["loadbalancers"] = []any{onlyID(row.LoadBalancerID)}
	m["listeners"] = idsOf(s.usersOf(r, row.ID))
	m["members"] = idsOf(s.Members.By(r, s.Index.MemberByPool, row.ID))
	if hm := s.monitorOf(r, row.ID); hm != nil {
		m["healthmonitor_id"] = hm.ID
	}
	return m
}

func (s *Service) showMember(_ store.Reader, row *model.Member) map[string]any {
	return members.base(row)
}

func (s *Service) showMonitor(_ store.Reader, row *model.HealthMonitor) map[string]any {
	m := monitors.base(row)
	m["pools"] = []any{onlyID(row.PoolID)}
	return m
}

func (s *Service) showPolicy(r store.Reader, row *model.L7Policy) map[string]any {
	m := policies.base(row)
	m["rules"] = idsOf(s.L7Rules.By(r, s.Index.L7RuleByPolicy, row.ID))
	return m
}

func (s *Service) showRule(_ store.Reader, row *model.L7Rule) map[string]any {
	return l7rules.base(row)
}

func onlyID(id string) map[string]any { return map[string]any{"id": id} }

func idsOf[T any, P row[T]](rows iter.Seq[P]) []any {
	ids := []any{}
	for r := range rows {
		ids = append(ids, onlyID(r.LB().ID))
	}
	return ids
}

func nullable(m map[string]any, name string, list []string) {
	if list == nil {
		m[name] = nil
	}
}

func additionalVIPs(row *model.LoadBalancer) []any {
	vips := []any{}
	for _, v := range row.AdditionalVIPs {
		var address any
		if v.IPAddress != "" {
			address = v.IPAddress
		}
		vips = append(vips, map[string]any{"subnet_id": v.SubnetID, "ip_address": address})
	}
	return vips
}

// tree shows a load balancer with everything in it, as the answer to its creation.
func (s *Service) tree(r store.Reader, lb *model.LoadBalancer) map[string]any {
	m := s.showLoadBalancer(r, lb)
	all, groups := []any{}, []any{}
	for l := range s.Listeners.By(r, s.Index.ListenerByLB, lb.ID) {
		shown := s.showListener(r, l)
		delete(shown, "loadbalancers")
		shown["l7policies"] = s.policyTrees(r, l.ID)
		all = append(all, shown)
	}
	for p := range s.LBPools.By(r, s.Index.PoolByLB, lb.ID) {
		groups = append(groups, s.poolTree(r, p))
	}
	m["listeners"], m["pools"] = all, groups
	return m
}

func (s *Service) policyTrees(r store.Reader, listener string) []any {
	all := []any{}
	for p := range s.policiesOf(r, listener) {
		shown, inside := s.showPolicy(r, p), []any{}
		for rule := range s.L7Rules.By(r, s.Index.L7RuleByPolicy, p.ID) {
			inside = append(inside, s.showRule(r, rule))
		}
		shown["rules"] = inside
		all = append(all, shown)
	}
	return all
}

func (s *Service) poolTree(r store.Reader, p *model.LBPool) map[string]any {
	shown, inside := s.showPool(r, p), []any{}
	delete(shown, "loadbalancers")
	delete(shown, "healthmonitor_id")
	shown["healthmonitor"] = nil // whether there is one or not
	for m := range s.Members.By(r, s.Index.MemberByPool, p.ID) {
		inside = append(inside, s.showMember(r, m))
	}
	shown["members"] = inside
	return shown
}

// statuses shows a load balancer's tree of statuses.
func (s *Service) statuses(r store.Reader, lb *model.LoadBalancer) map[string]any {
	all := []any{}
	for l := range s.Listeners.By(r, s.Index.ListenerByLB, lb.ID) {
		groups := []any{}
		for _, p := range s.poolsUsedBy(r, l) {
			groups = append(groups, s.poolStatuses(r, p))
		}
		shown := statusOf(&l.LBMeta)
		shown["pools"] = groups
		all = append(all, shown)
	}
	m := statusOf(&lb.LBMeta)
	m["listeners"] = all
	return m
}

func (s *Service) poolStatuses(r store.Reader, p *model.LBPool) map[string]any {
	shown, inside := statusOf(&p.LBMeta), []any{}
	if hm := s.monitorOf(r, p.ID); hm != nil {
		m := statusOf(&hm.LBMeta)
		m["type"] = hm.Type
		shown["health_monitor"] = m
	}
	for row := range s.Members.By(r, s.Index.MemberByPool, p.ID) {
		m := statusOf(&row.LBMeta)
		m["address"], m["protocol_port"] = row.Address, row.ProtocolPort
		inside = append(inside, m)
	}
	shown["members"] = inside
	return shown
}

func statusOf(m *model.LBMeta) map[string]any {
	return map[string]any{
		"id": m.ID, "name": m.Name, "operating_status": m.OperatingStatus, "provisioning_status": m.ProvisioningStatus,
	}
}
