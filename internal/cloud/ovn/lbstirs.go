// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func stirByListener(_ view, c store.Change, dirty func(string)) {
	each(c, func(l *model.Listener) { dirty(l.LoadBalancerID) })
}

func stirByPool(_ view, c store.Change, dirty func(string)) {
	each(c, func(p *model.LBPool) { dirty(p.LoadBalancerID) })
}

func stirByMember(v view, c store.Change, dirty func(string)) {
	each(c, func(m *model.Member) { stirPool(v, m.PoolID, dirty) })
}

func stirByMonitor(v view, c store.Change, dirty func(string)) {
	each(c, func(hm *model.HealthMonitor) { stirPool(v, hm.PoolID, dirty) })
}

// stirPool stirs a pool's load balancer. A pool that is gone has told of itself.
func stirPool(v view, id string, dirty func(string)) {
	if p := v.LBPools.Get(v, id); p != nil {
		dirty(p.LoadBalancerID)
	}
}

func stirByFloatingIP(v view, c store.Change, dirty func(string)) {
	each(c, func(f *model.FloatingIP) {
		if f.PortID != nil {
			for lb := range v.LoadBalancers.By(v, v.Index.LBByVIPPort, *f.PortID) {
				dirty(lb.ID)
			}
		}
	})
}

// stirBySubnet: a subnet that comes or goes takes members to a network or away.
func stirBySubnet(v view, c store.Change, dirty func(string)) {
	if c.Before == nil || c.After == nil {
		stirSubnet(v, c.ID, dirty)
	}
}

// stirByNetwork: which addresses are outside depends on what a network is.
func stirByNetwork(v view, c store.Change, dirty func(string)) {
	before, after := changed[model.Network](c)
	if before == nil || after == nil || (before.PhysicalNetwork == nil) != (after.PhysicalNetwork == nil) {
		stirNetwork(v, c.ID, dirty)
	}
}

// stirByPort: a port may be a router's interface, a member, or where members'
// health is asked from. Most are none of these, and a change of most columns is nothing.
func stirByPort(v view, c store.Change, dirty func(string)) {
	before, after := changed[model.Port](c)
	if before != nil && after != nil && sameToBalancers(before, after) {
		return
	}
	each(c, func(p *model.Port) {
		switch {
		case p.DeviceOwner == model.OwnerRouterInterface:
			stirNetwork(v, p.NetworkID, dirty)
			for other := range interfaces(v, p.DeviceID) {
				stirNetwork(v, other.NetworkID, dirty)
			}
		case p.DeviceOwner == model.OwnerDistributed:
			for _, f := range p.FixedIPs {
				stirSubnet(v, f.SubnetID, dirty)
			}
		}
		for _, f := range p.FixedIPs {
			for m := range v.Members.By(v, v.Index.MemberByAddress, f.IPAddress) {
				stirPool(v, m.PoolID, dirty)
			}
		}
	})
}

func sameToBalancers(a, b *model.Port) bool {
	return a.AdminStateUp == b.AdminStateUp && a.DeviceOwner == b.DeviceOwner && a.DeviceID == b.DeviceID && slices.Equal(a.FixedIPs, b.FixedIPs)
}

// stirNetwork stirs what has VIPs or members on a network.
func stirNetwork(v view, id string, dirty func(string)) {
	for lb := range v.LoadBalancers.By(v, v.Index.LBByNetwork, id) {
		dirty(lb.ID)
	}
	for s := range v.Subnets.By(v, v.Index.SubnetByNetwork, id) {
		stirSubnet(v, s.ID, dirty)
	}
}

// stirSubnet stirs what has members on a subnet. Those that name none are on their VIP's.
func stirSubnet(v view, id string, dirty func(string)) {
	for m := range v.Members.By(v, v.Index.MemberBySubnet, id) {
		stirPool(v, m.PoolID, dirty)
	}
	for lb := range v.LoadBalancers.By(v, v.Index.LBBySubnet, id) {
		dirty(lb.ID)
	}
}
