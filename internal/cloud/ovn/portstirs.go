// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// portsOfPort: the port itself, and those whose addresses it may use too, or
// could before.
func portsOfPort(v view, c store.Change, dirty func(string)) {
	dirty(c.ID)
	before, after := changed[model.Port](c)
	if before != nil && after != nil && slices.Equal(before.AllowedAddressPairs, after.AllowedAddressPairs) &&
		before.PortSecurityEnabled == after.PortSecurityEnabled && before.DeviceOwner == after.DeviceOwner {
		return
	}
	each(c, func(p *model.Port) {
		for _, pair := range p.AllowedAddressPairs {
			for s := range v.Subnets.By(v, v.Index.SubnetByNetwork, p.NetworkID) {
				for other := range v.Ports.By(v, v.Index.PortByAddress, s.ID+" "+pair.IPAddress) {
					dirty(other.ID)
				}
			}
		}
	})
}

// portsOfSubnet: those with addresses of a subnet whose DHCP comes or goes, and
// those whose own options are made of the subnet's.
func portsOfSubnet(v view, c store.Change, dirty func(string)) {
	before, after := changed[model.Subnet](c)
	comes := before == nil || after == nil || before.EnableDHCP != after.EnableDHCP || before.NetworkID != after.NetworkID ||
		deref(before.IPv6AddressMode) != deref(after.IPv6AddressMode)
	for p := range v.Ports.By(v, v.Index.PortBySubnet, c.ID) {
		if comes || len(p.ExtraDHCPOpts) > 0 {
			dirty(p.ID)
		}
	}
}

// portsOfNetwork: those whose limits are the network's, and those whose own
// DHCP options tell its MTU.
func portsOfNetwork(v view, c store.Change, dirty func(string)) {
	before, after := changed[model.Network](c)
	comes := before == nil || after == nil
	limits := !comes && deref(before.QoSPolicyID) != deref(after.QoSPolicyID)
	mtu := !comes && before.MTU != after.MTU
	if !comes && !limits && !mtu {
		return
	}
	for p := range v.Ports.By(v, v.Index.PortByNetwork, c.ID) {
		if comes || limits && p.QoSPolicyID == nil || mtu && len(p.ExtraDHCPOpts) > 0 {
			dirty(p.ID)
		}
	}
}

// portsOfRouter: a router that comes or goes makes its ports what they are.
func portsOfRouter(v view, c store.Change, dirty func(string)) {
	if before, after := changed[model.Router](c); before == nil || after == nil {
		for p := range v.Ports.By(v, v.Index.PortByDevice, c.ID) {
			dirty(p.ID)
		}
	}
}

// portsOfTrunk: those that have come into the trunk, left it or got another VLAN.
func portsOfTrunk(_ view, c store.Change, dirty func(string)) {
	before, after := changed[model.Trunk](c)
	if before == nil {
		before = &model.Trunk{}
	}
	if after == nil {
		after = &model.Trunk{}
	}
	was := make(map[model.SubPort]bool, len(before.SubPorts))
	for _, s := range before.SubPorts {
		was[s] = true
	}
	for _, s := range after.SubPorts {
		if !was[s] || before.PortID != after.PortID {
			dirty(s.PortID)
		}
		delete(was, s)
	}
	for s := range was {
		dirty(s.PortID)
	}
}

func portsOfFloating(_ view, c store.Change, dirty func(string)) {
	each(c, func(f *model.FloatingIP) { dirty(deref(f.PortID)) })
}

// portsOfPolicy: those with the policy, and those of networks with it.
func portsOfPolicy(v view, c store.Change, dirty func(string)) {
	for p := range v.Ports.By(v, v.Index.PortByQoSPolicy, c.ID) {
		dirty(p.ID)
	}
	for n := range v.Networks.By(v, v.Index.NetworkByQoSPolicy, c.ID) {
		for p := range v.Ports.By(v, v.Index.PortByNetwork, n.ID) {
			if p.QoSPolicyID == nil {
				dirty(p.ID)
			}
		}
	}
}
