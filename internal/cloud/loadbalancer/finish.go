// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// finish ends the change that a load balancer is PENDING for: what is to be
// deleted is deleted, what is to be made or changed is ACTIVE.
func (s *Service) finish(tx *store.Tx, id string) {
	lb := s.LoadBalancers.Get(tx, id)
	if lb == nil || !pending(&lb.LBMeta) {
		return
	}
	gone := lb.ProvisioningStatus == pendingDelete
	for _, l := range slices.Collect(s.Listeners.By(tx, s.Index.ListenerByLB, id)) {
		s.finishListener(tx, l, gone)
	}
	for _, p := range slices.Collect(s.LBPools.By(tx, s.Index.PoolByLB, id)) {
		s.finishPool(tx, p, gone)
	}
	if gone {
		s.removeLoadBalancer(tx, lb)
		return
	}
	end(s, tx, s.LoadBalancers, lb)
	if d := s.drivers[lb.Provider]; d != nil {
		d.settle(tx, s.LoadBalancers.Get(tx, id))
	}
}

func (s *Service) removeLoadBalancer(tx *store.Tx, lb *lbRow) {
	s.LoadBalancers.Delete(tx, lb.ID)
	if !lb.OwnsVIPPort {
		return
	}
	s.o.Ports.ReleasePort(tx, lb.VIPPortID)
	for _, v := range lb.AdditionalVIPs {
		if v.PortID != "" && v.PortID != lb.VIPPortID {
			s.o.Ports.ReleasePort(tx, v.PortID)
		}
	}
}

func (s *Service) finishListener(tx *store.Tx, l *listenerRow, gone bool) {
	gone = gone || l.ProvisioningStatus == pendingDelete
	removed := false
	for _, p := range slices.Collect(s.policiesOf(tx, l.ID)) {
		removed = s.finishPolicy(tx, p, gone) || removed
	}
	if gone {
		s.Listeners.Delete(tx, l.ID)
		return
	}
	if removed {
		s.renumber(tx, l.ID)
	}
	end(s, tx, s.Listeners, l)
}

func (s *Service) finishPolicy(tx *store.Tx, p *policyRow, gone bool) (removed bool) {
	gone = gone || p.ProvisioningStatus == pendingDelete
	for _, r := range slices.Collect(s.L7Rules.By(tx, s.Index.L7RuleByPolicy, p.ID)) {
		if gone || r.ProvisioningStatus == pendingDelete {
			s.L7Rules.Delete(tx, r.ID)
			continue
		}
		end(s, tx, s.L7Rules, r)
	}
	if gone {
		return s.L7Policies.Delete(tx, p.ID)
	}
	end(s, tx, s.L7Policies, p)
	return false
}

func (s *Service) finishPool(tx *store.Tx, p *poolRow, gone bool) {
	gone = gone || p.ProvisioningStatus == pendingDelete
	var subnets []string
	for _, m := range slices.Collect(s.Members.By(tx, s.Index.MemberByPool, p.ID)) {
		subnets = append(subnets, s.subnetOf(tx, p, m))
		if gone || m.ProvisioningStatus == pendingDelete {
			s.Members.Delete(tx, m.ID)
			continue
		}
		end(s, tx, s.Members, m)
	}
	for _, hm := range slices.Collect(s.HealthMonitors.By(tx, s.Index.MonitorByPool, p.ID)) {
		switch {
		case gone || hm.ProvisioningStatus == pendingDelete:
			s.HealthMonitors.Delete(tx, hm.ID)
		case hm.Next == failed:
			// A monitor that cannot do its work was not made well.
			edit(s, tx, s.HealthMonitors, hm.ID, func(hm *monitorRow) {
				hm.ProvisioningStatus, hm.OperatingStatus, hm.Next = failed, failed, ""
			})
		default:
			end(s, tx, s.HealthMonitors, hm)
		}
	}
	s.releaseMonitorPorts(tx, subnets)
	if !gone {
		end(s, tx, s.LBPools, p)
		return
	}
	s.LBPools.Delete(tx, p.ID)
	for _, l := range slices.Collect(s.Listeners.By(tx, s.Index.ListenerByPool, p.ID)) {
		edit(s, tx, s.Listeners, l.ID, func(l *listenerRow) { l.DefaultPoolID = nil })
	}
}

// end makes a row ACTIVE, with the operating status that was decided on.
func end[T any, P row[T]](s *Service, tx *store.Tx, table *store.Table[T], r P) {
	m := r.LB()
	if !pending(m) && m.Next == "" {
		return
	}
	edit[T, P](s, tx, table, m.ID, func(r *T) {
		m := P(r).LB()
		if pending(m) {
			m.ProvisioningStatus = active
		}
		if m.Next != "" {
			m.OperatingStatus, m.Next = m.Next, ""
		}
	})
}

// renumber closes the gaps in the positions of a listener's L7 policies.
func (s *Service) renumber(tx *store.Tx, listener string) {
	n := 0
	for p := range s.policiesOf(tx, listener) {
		if n++; p.Position != n {
			at := n
			edit(s, tx, s.L7Policies, p.ID, func(p *policyRow) { p.Position = at })
		}
	}
}

// MemberStatus says that a health check found a member well, or not.
func (s *Service) MemberStatus(memberID string, well bool) {
	_, err := s.Update(func(tx *store.Tx) error {
		m := s.Members.Get(tx, memberID)
		if m == nil || !m.AdminStateUp || s.monitorOf(tx, m.PoolID) == nil {
			return nil
		}
		status := failed
		if well {
			status = online
		}
		if m.OperatingStatus == status && m.Next == "" {
			return nil
		}
		operate(s, tx, s.Members, memberID, status)
		p := s.LBPools.Get(tx, m.PoolID)
		if lb := s.LoadBalancers.Get(tx, p.LoadBalancerID); s.drivers[lb.Provider] != nil {
			s.drivers[lb.Provider].reported(tx, lb)
		}
		return nil
	})
	if err != nil {
		s.o.Logger.Error("a member's status is not kept", "member", memberID, "error", err)
	}
}
