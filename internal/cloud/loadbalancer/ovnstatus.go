// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// Which operating statuses the provider ovn ends with: some are decided by a
// change and stay, whatever comes, until another change or a health check.

func (d *ovnDriver) nextLoadBalancer(lb *model.LoadBalancer) { lb.Next = upDown(lb.AdminStateUp) }

func (d *ovnDriver) nextListener(l *model.Listener) { l.Next = upDown(l.AdminStateUp) }

// nextPool: a new pool is as its use, whatever its administrator wants.
func (d *ovnDriver) nextPool(p *model.LBPool, created, used bool) {
	if created {
		p.Next = upDown(used)
		return
	}
	p.Next = upDown(p.AdminStateUp)
}

func (d *ovnDriver) nextMember(tx *store.Tx, p *model.LBPool, m *model.Member) {
	switch {
	case !m.AdminStateUp:
		m.Next = offline
	case d.s.monitorOf(tx, p.ID) == nil:
		m.Next = noMonitor
	case m.OperatingStatus == failed:
	case d.provideMonitorPort(tx, p, m) && d.hasPort(tx, p, m):
		m.Next = online
	default:
		m.Next = failed
	}
}

// hasPort tells whether Neutron knows who has a member's address: a health
// check goes to a port.
func (d *ovnDriver) hasPort(tx *store.Tx, p *model.LBPool, m *model.Member) bool {
	address := d.s.subnetOf(tx, p, m) + " " + model.CanonicalAddress(m.Address)
	return d.s.Ports.First(tx, d.s.Index.PortByAddress, address) != nil
}

// members: a pool is ONLINE while it has any.
func (d *ovnDriver) members(p *model.LBPool, left int) { p.Next = upDown(left > 0) }

// nextMonitor: a new monitor takes its members for healthy until it has asked
// them; where one has no port, or there is none to ask from, it cannot ask, and
// is in ERROR.
func (d *ovnDriver) nextMonitor(tx *store.Tx, p *model.LBPool, hm *model.HealthMonitor, created bool) {
	hm.Next = upDown(hm.AdminStateUp)
	if !created {
		return
	}
	p.Next = online
	for _, m := range slices.Collect(d.s.Members.By(tx, d.s.Index.MemberByPool, p.ID)) {
		if !d.provideMonitorPort(tx, p, m) || !d.hasPort(tx, p, m) {
			hm.Next = failed
		}
		edit(d.s, tx, d.s.Members, m.ID, func(m *model.Member) { m.Next = online })
	}
}

// settle has nothing to look at when a change is done: it is what the change decided.
func (d *ovnDriver) settle(*store.Tx, *model.LoadBalancer) {}

// reported brings what was reported of members up to their pools, listeners and
// load balancer (helper.py, _get_current_operating_statuses).
func (d *ovnDriver) reported(tx *store.Tx, lb *model.LoadBalancer) {
	s, states := d.s, map[string]string{}
	for _, p := range slices.Collect(s.LBPools.By(tx, s.Index.PoolByLB, lb.ID)) {
		all, bad := 0, 0
		for _, m := range slices.Collect(s.Members.By(tx, s.Index.MemberByPool, p.ID)) {
			all++
			if m.OperatingStatus == failed {
				bad++
			}
		}
		states[p.ID] = worst(p.AdminStateUp, all > 0 && bad == all, bad > 0)
		operate(s, tx, s.LBPools, p.ID, states[p.ID])
	}
	anyFailed, anyDegraded := false, false
	for _, l := range slices.Collect(s.Listeners.By(tx, s.Index.ListenerByLB, lb.ID)) {
		state := online
		if l.DefaultPoolID != nil {
			state = states[*l.DefaultPoolID]
		}
		state = worst(l.AdminStateUp, state == failed, state == degraded)
		anyFailed, anyDegraded = anyFailed || state == failed, anyDegraded || state == degraded
		operate(s, tx, s.Listeners, l.ID, state)
	}
	operate(s, tx, s.LoadBalancers, lb.ID, worst(lb.AdminStateUp, anyFailed, anyDegraded))
}

// worst is the status of what has parts.
func worst(up, bad, some bool) string {
	switch {
	case !up:
		return offline
	case bad:
		return failed
	case some:
		return degraded
	}
	return online
}
