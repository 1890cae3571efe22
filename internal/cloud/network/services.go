// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// serviceChecks are the checks of the attributes of what uses ports.
var serviceChecks = rest.Checks{
	"fip-dns-host-name": rest.Plain(checkFloatingName),
	"dict-or-nodata":    rest.Plain(checkGatewayInfo),
	"sg-protocol":       rest.Plain(checkProtocol),
	"port-value":        rest.Plain(checkPortValue),
	"any-id":            rest.Plain(checkAnyID),
	"ethertype":         rest.Plain(checkEtherType),
	"prefix":            rest.Plain(checkPrefix),
	"name-not-default":  rest.Plain(checkGroupName),
	"subports":          rest.Plain(checkSubPorts),
	"port-range":        rest.Plain(checkForwardedRange),
	"forwarded-port":    rest.Plain(checkForwardedPort),
	"protocol":          rest.Plain(checkForwardedProtocol),
}

func (s *Service) serveServices() {
	s.serveRouters()
	s.serveFloatingIPs()
	s.serveSecurityGroups()
	s.serveAddressGroups()
	s.serveTrunks()
	s.serveQoS()
}

// seesPort tells whether the caller sees a port: his own, or one on his network.
func (s *Service) seesPort(c *rest.Call, r store.Reader, p *model.Port) bool {
	if c == nil || c.Sees() || p.ProjectID == c.Caller.ProjectID {
		return true
	}
	n := s.Networks.Get(r, p.NetworkID)
	return n != nil && n.ProjectID == c.Caller.ProjectID
}

// portMayGo refuses to delete, by the port API, a port that a router, a floating IP or a trunk has.
func (s *Service) portMayGo(r store.Reader, p *model.Port) error {
	if err := s.trunkPortMayGo(r, p); err != nil {
		return err
	}
	used := false
	switch p.DeviceOwner {
	case ownerRouterInterface, ownerRouterGateway, "network:ha_router_replicated_interface":
		used = s.Routers.Get(r, p.DeviceID) != nil
	case ownerFloatingIP:
		used = s.FloatingIPs.Get(r, p.DeviceID) != nil
	}
	if !used || len(p.FixedIPs) == 0 {
		return nil
	}
	return servicePortInUse(p.ID, "has device owner "+p.DeviceOwner)
}

func servicePortInUse(id, reason string) error {
	return rest.Conflict("ServicePortInUse", "Port %s cannot be deleted directly via the port API: %s.", id, reason)
}

// portChanges is asked before a port is stored; row is what it will be, old is nil for a new one,
// c where nobody asks.
func (s *Service) portChanges(tx *store.Tx, _ *rest.Call, old, p *model.Port) error {
	if old == nil {
		policy := p.QoSPolicyID
		if policy == nil {
			policy = p.QoSNetworkPolicyID
		}
		return s.portQoS(tx, policy, p)
	}
	isRouters := old.DeviceOwner == ownerRouterInterface || old.DeviceOwner == ownerRouterGateway
	if isRouters && len(old.FixedIPs) > 0 && len(p.FixedIPs) == 0 {
		return servicePortInUse(p.ID, "Router port must have at least one IP.")
	}
	if p.QoSPolicyID != nil && (old.QoSPolicyID == nil || *old.QoSPolicyID != *p.QoSPolicyID) {
		if err := s.portQoS(tx, p.QoSPolicyID, p); err != nil {
			return err
		}
	}
	if !slices.Equal(old.FixedIPs, p.FixedIPs) {
		s.stopForwarding(tx, p, false)
		if p.DeviceOwner == ownerRouterGateway {
			s.gatewayPortChanges(tx, p)
		}
	}
	s.parentUnbound(tx, old, p)
	if old.Status != p.Status {
		s.subPortsFollow(tx, p)
	}
	return nil
}

// portGone takes the port out of what used it, in the commit that deletes it.
func (s *Service) portGone(tx *store.Tx, p *model.Port) error {
	s.disassociate(tx, p.ID)
	s.stopForwarding(tx, p, true)
	return nil
}

// portStatus follows a port's new status or binding, after it is stored (trunks).
func (s *Service) portStatus(tx *store.Tx, p *model.Port) { s.subPortsFollow(tx, p) }

// networkChanges is asked before a network is stored; old is nil for a new one.
func (s *Service) networkChanges(tx *store.Tx, _ *rest.Call, old, n *model.Network) error {
	if old != nil && old.External && !n.External && s.Routers.First(tx, s.Index.RouterByGateway, n.ID) != nil {
		return rest.Conflict("ExternalNetworkInUse",
			"External network %s cannot be updated to be made non-external, since it has existing gateway ports.", n.ID)
	}
	if old != nil && (n.QoSPolicyID == nil || old.QoSPolicyID != nil && *old.QoSPolicyID == *n.QoSPolicyID) {
		return nil
	}
	if err := s.networkQoS(tx, n); err != nil || old == nil || n.QoSPolicyID == nil {
		return err
	}
	for p := range s.Ports.By(tx, s.Index.PortByNetwork, n.ID) {
		if p.QoSPolicyID != nil {
			continue
		}
		if err := s.portQoS(tx, n.QoSPolicyID, p); err != nil {
			return err
		}
	}
	return nil
}

// checkFloatingName checks a floating IP's DNS name, which a domain will follow.
func checkFloatingName(v any) (any, error) {
	name, ok := v.(string)
	switch {
	case !ok:
		return nil, rest.Reasonf("'%s' is not a valid string", rest.Str(v))
	case name == "":
		return name, nil
	case name[len(name)-1] == '.':
		return nil, rest.Reasonf("'%s' is a FQDN. It should be a relative domain name", name)
	}
	if wrong := checkDNSForm(name); wrong != "" {
		return nil, rest.Reason(wrong)
	}
	return name, nil
}
