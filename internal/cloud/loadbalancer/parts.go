// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"cmp"
	"iter"
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// How the rows of a load balancer belong together.

// monitorOf gives a pool's health monitor, or nil.
func (s *Service) monitorOf(r store.Reader, pool string) *model.HealthMonitor {
	return s.HealthMonitors.First(r, s.Index.MonitorByPool, pool)
}

// policiesOf gives a listener's L7 policies by their positions.
func (s *Service) policiesOf(r store.Reader, listener string) iter.Seq[*model.L7Policy] {
	all := slices.Collect(s.L7Policies.By(r, s.Index.L7PolicyByListener, listener))
	slices.SortStableFunc(all, func(a, b *model.L7Policy) int { return cmp.Compare(a.Position, b.Position) })
	return slices.Values(all)
}

// effective tells whether an L7 policy sends requests anywhere: it is enabled and has rules.
func (s *Service) effective(r store.Reader, p *model.L7Policy) bool {
	return p.AdminStateUp && s.L7Rules.First(r, s.Index.L7RuleByPolicy, p.ID) != nil
}

// usersOf gives the listeners that send to a pool.
func (s *Service) usersOf(r store.Reader, pool string) iter.Seq[*model.Listener] {
	all := slices.Collect(s.Listeners.By(r, s.Index.ListenerByPool, pool))
	for p := range s.L7Policies.By(r, s.Index.L7PolicyByPool, pool) {
		l := s.Listeners.Get(r, p.ListenerID)
		if l != nil && s.effective(r, p) && !slices.Contains(all, l) {
			all = append(all, l)
		}
	}
	return slices.Values(all)
}

// poolsUsedBy gives the pools that a listener sends to.
func (s *Service) poolsUsedBy(r store.Reader, l *model.Listener) (all []*model.LBPool) {
	add := func(id *string) {
		if id == nil {
			return
		}
		if p := s.LBPools.Get(r, *id); p != nil && !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	add(l.DefaultPoolID)
	for p := range s.policiesOf(r, l.ID) {
		if s.effective(r, p) {
			add(p.RedirectPoolID)
		}
	}
	return all
}

// loadBalancerOf gives the load balancer that a listener or pool is of.
func (s *Service) loadBalancerOf(r store.Reader, id string) (*model.LoadBalancer, error) {
	if lb := s.LoadBalancers.Get(r, id); lb != nil {
		return lb, nil
	}
	return nil, notFound("Load Balancer", id)
}
