// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// monitorPortPrefix begins the name of a port from which the members on a
// subnet are asked for their health; the subnet's id follows. The provider has
// made such ports since 2023.1. Before it asked from the metadata port, which
// there need not be.
const monitorPortPrefix = "ovn-lb-hm-"

// subnetOf gives the subnet that a member is on: where it names none, the VIP's.
func (s *Service) subnetOf(r store.Reader, p *model.LBPool, m *model.Member) string {
	if m.SubnetID != nil {
		return *m.SubnetID
	}
	if lb := s.LoadBalancers.Get(r, p.LoadBalancerID); lb != nil {
		return lb.VIPSubnetID
	}
	return ""
}

// provideMonitorPort sees to a port from which a member can be asked, and tells
// whether there is one. Any port that is on every hypervisor will do.
func (d *ovnDriver) provideMonitorPort(tx *store.Tx, p *model.LBPool, m *model.Member) bool {
	subnet := d.s.Subnets.Get(tx, d.s.subnetOf(tx, p, m))
	if subnet == nil {
		return false
	}
	if d.s.Ports.First(tx, d.s.Index.DistributedBySubnet, subnet.ID) != nil {
		return true
	}
	name := monitorPortPrefix + subnet.ID
	_, err := d.s.o.Ports.AllocatePort(tx, model.Port{
		Meta: model.Meta{ProjectID: p.ProjectID}, Name: name, NetworkID: subnet.NetworkID, AdminStateUp: true,
		DeviceID: name, DeviceOwner: model.OwnerDistributed, FixedIPs: []model.FixedIP{{SubnetID: subnet.ID}},
	})
	return err == nil
}

// releaseMonitorPorts removes the ports of some subnets from which nobody is
// asked any longer.
func (s *Service) releaseMonitorPorts(tx *store.Tx, subnets []string) {
	slices.Sort(subnets)
	for _, id := range slices.Compact(subnets) {
		for _, p := range slices.Collect(s.Ports.By(tx, s.Index.PortByName, monitorPortPrefix+id)) {
			// Others may have given a port that name.
			if p.DeviceOwner == model.OwnerDistributed && p.DeviceID == p.Name && !s.asksOn(tx, id) {
				s.o.Ports.ReleasePort(tx, p.ID)
			}
		}
	}
}

// asksOn tells whether any member on a subnet has a health monitor.
func (s *Service) asksOn(r store.Reader, subnet string) bool {
	for m := range s.Members.By(r, s.Index.MemberBySubnet, subnet) {
		if s.monitorOf(r, m.PoolID) != nil {
			return true
		}
	}
	for lb := range s.LoadBalancers.By(r, s.Index.LBBySubnet, subnet) {
		if s.asksOnVIPSubnet(r, lb.ID) {
			return true
		}
	}
	return false
}

// asksOnVIPSubnet tells whether a load balancer has members that name no
// subnet and have a health monitor.
func (s *Service) asksOnVIPSubnet(r store.Reader, lb string) bool {
	for p := range s.LBPools.By(r, s.Index.PoolByLB, lb) {
		if s.monitorOf(r, p.ID) == nil {
			continue
		}
		for m := range s.Members.By(r, s.Index.MemberByPool, p.ID) {
			if m.SubnetID == nil {
				return true
			}
		}
	}
	return false
}
