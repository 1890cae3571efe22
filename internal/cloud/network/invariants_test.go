// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network_test

import (
	"fmt"
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// broken tells which promise the tables do not keep; empty: none.
func (s *site) broken() (why string) {
	s.View(func(r store.Reader) {
		for _, check := range []func(store.Reader) string{
			s.brokenAddresses, s.brokenRouterPorts, s.brokenGateways, s.brokenFloatingIPs, s.brokenForwardings, s.brokenTrunks,
		} {
			if why == "" {
				why = check(r)
			}
		}
	})
	return why
}

// brokenAddresses: an address has one port, and is of a subnet that is there.
func (s *site) brokenAddresses(r store.Reader) string {
	holders := map[model.FixedIP]string{}
	for p := range s.Ports.All(r) {
		for _, f := range p.FixedIPs {
			if holders[f] != "" {
				return fmt.Sprintf("%s is an address of ports %s and %s", f.IPAddress, holders[f], p.ID)
			}
			holders[f] = p.ID
			if s.Subnets.Get(r, f.SubnetID) == nil {
				return "port " + p.ID + " has an address of a subnet that is gone"
			}
		}
	}
	return ""
}

// brokenRouterPorts: what is a router's, a floating IP's or a trunk's has one that is there.
func (s *site) brokenRouterPorts(r store.Reader) string {
	for p := range s.Ports.All(r) {
		there := true
		switch p.DeviceOwner {
		case "network:router_interface":
			there = s.Routers.Get(r, p.DeviceID) != nil && len(p.FixedIPs) > 0
		case "network:router_gateway":
			row := s.Routers.Get(r, p.DeviceID)
			there = row != nil && row.Gateway != nil && row.Gateway.PortID == p.ID
		case "network:floatingip":
			f := s.FloatingIPs.Get(r, p.DeviceID)
			there = f != nil && f.OwnPortID == p.ID
		case "trunk:subport":
			there = s.Trunks.First(r, s.Tables.Index.TrunkBySubPort, p.ID) != nil
		}
		if !there {
			return "port " + p.ID + " of " + p.DeviceOwner + " is nobody's"
		}
	}
	return ""
}

func (s *site) brokenGateways(r store.Reader) string {
	for row := range s.Routers.All(r) {
		if row.Gateway == nil {
			continue
		}
		p := s.Ports.Get(r, row.Gateway.PortID)
		if p == nil || p.NetworkID != row.Gateway.NetworkID || !slices.Equal(p.FixedIPs, row.Gateway.FixedIPs) {
			return fmt.Sprintf("router %s has gateway %+v, and its port is %+v", row.ID, row.Gateway, p)
		}
	}
	return ""
}

// brokenFloatingIPs: one has its own port, leads to an address that is there by
// a router that is there, and is ACTIVE just then.
func (s *site) brokenFloatingIPs(r store.Reader) string {
	for f := range s.FloatingIPs.All(r) {
		own := s.Ports.Get(r, f.OwnPortID)
		if own == nil || own.DeviceID != f.ID || !slices.ContainsFunc(own.FixedIPs, func(a model.FixedIP) bool { return a.IPAddress == f.FloatingIPAddress }) {
			return "floating IP " + f.ID + " has not its own port"
		}
		forwards := s.PortForwardings.First(r, s.Tables.Index.ForwardingByFloating, f.ID) != nil
		if leads := f.PortID != nil; leads && forwards || (leads || forwards) != (f.RouterID != nil) || (f.RouterID != nil) != (f.Status == "ACTIVE") {
			return fmt.Sprintf("floating IP %+v forwards: %v", f, forwards)
		}
		if f.RouterID != nil {
			if row := s.Routers.Get(r, *f.RouterID); row == nil || row.Gateway == nil || row.Gateway.NetworkID != f.FloatingNetworkID {
				return "floating IP " + f.ID + " has a router without the gateway"
			}
		}
		if f.PortID != nil && s.Ports.Get(r, *f.PortID) == nil {
			return "floating IP " + f.ID + " has a port that is gone"
		}
	}
	return ""
}

func (s *site) brokenForwardings(r store.Reader) string {
	for pf := range s.PortForwardings.All(r) {
		p := s.Ports.Get(r, pf.InternalPortID)
		if s.FloatingIPs.Get(r, pf.FloatingIPID) == nil || p == nil {
			return "port forwarding " + pf.ID + " is between things that are gone"
		}
		if !slices.ContainsFunc(p.FixedIPs, func(a model.FixedIP) bool { return a.IPAddress == pf.InternalIPAddress }) {
			return "port forwarding " + pf.ID + " leads to an address that its port has not"
		}
	}
	return ""
}

func (s *site) brokenTrunks(r store.Reader) string {
	for t := range s.Trunks.All(r) {
		if s.Ports.Get(r, t.PortID) == nil {
			return "trunk " + t.ID + " has no parent"
		}
		tags := map[int]bool{}
		for _, sub := range t.SubPorts {
			p := s.Ports.Get(r, sub.PortID)
			if p == nil || p.DeviceOwner != "trunk:subport" && p.DeviceOwner != "network:router_interface" || p.Profile["parent_name"] != t.PortID || p.Profile["tag"] != sub.SegmentationID {
				return fmt.Sprintf("trunk %s has subport %+v", t.ID, p)
			}
			if tags[sub.SegmentationID] {
				return "trunk " + t.ID + " has a tag twice"
			}
			tags[sub.SegmentationID] = true
		}
	}
	return ""
}
