// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"maps"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// gateway is what a request says of a router's gateway.
type gateway struct {
	NetworkID   string  `json:"network_id"`
	EnableSNAT  *bool   `json:"enable_snat"`
	FixedIPs    []wish  `json:"external_fixed_ips"`
	QoSPolicyID *string `json:"qos_policy_id"`
	// setsQoS tells that the request speaks of the policy, be it of none.
	setsQoS bool
}

// gatewayInfo reads external_gateway_info; nil: the request wants no gateway.
func gatewayInfo(v rest.Values) (*gateway, error) {
	given, _ := v["external_gateway_info"].(map[string]any)
	if len(given) == 0 {
		return nil, nil
	}
	info := &gateway{}
	if err := v.Decode("external_gateway_info", info); err != nil {
		return nil, err
	}
	_, info.setsQoS = given["qos_policy_id"]
	return info, nil
}

// checkGatewayInfo checks external_gateway_info, in the order of Neutron.
func checkGatewayInfo(v any) (any, error) {
	given, isObject := v.(map[string]any)
	if empty := v == nil || v == "" || v == false || isObject && len(given) == 0; empty {
		return map[string]any{}, nil
	}
	if list, ok := v.([]any); ok && len(list) == 0 || rest.Str(v) == "0" {
		return map[string]any{}, nil
	}
	if !isObject {
		return nil, rest.Reasonf("'%s' is not a dictionary", rest.Str(v))
	}
	keys := slices.Sorted(maps.Keys(given))
	if _, ok := given["network_id"]; !ok {
		return nil, rest.Reasonf("Validation of dictionary's keys failed. Expected keys: {'network_id'} Provided keys: {'%s'}", strings.Join(keys, "', '"))
	}
	unknown := slices.DeleteFunc(keys, func(k string) bool {
		return slices.Contains([]string{"network_id", "enable_snat", "external_fixed_ips", "qos_policy_id"}, k)
	})
	if len(unknown) > 0 {
		return nil, rest.Reasonf("Unexpected keys supplied: %s", strings.Join(unknown, ", "))
	}
	checked := maps.Clone(given)
	for _, x := range []struct {
		key   string
		check rest.Check
	}{{"network_id", checkUUID}, {"enable_snat", rest.Boolean}, {"external_fixed_ips", checkFixedIPs}, {"qos_policy_id", orNone(checkUUID)}} {
		value, ok := given[x.key]
		if !ok {
			continue
		}
		var err error
		if checked[x.key], err = x.check(value); err != nil {
			return nil, err
		}
	}
	return checked, nil
}

func checkUUID(v any) (any, error) {
	if text, ok := v.(string); ok && uuidForm.MatchString(text) {
		return text, nil
	}
	return nil, rest.Reasonf("'%s' is not a valid UUID", rest.Str(v))
}

// setGateway gives a router the gateway that a request wants, or none.
func (s *Service) setGateway(c *rest.Call, tx *store.Tx, info *gateway, row *model.Router) error {
	had := row.Gateway
	network, err := s.gatewayNetwork(c, tx, info)
	if err != nil {
		return err
	}
	if err := s.checkRoutesBehind(tx, row, network); err != nil {
		return err
	}
	var qos *string
	if had != nil {
		qos = had.QoSPolicyID
	}
	switch {
	case had != nil && network != nil && had.NetworkID == network.ID:
		next := *had
		if otherAddresses(had.FixedIPs, info.FixedIPs) {
			p, err := s.moveRouterPort(tx, s.Ports.Get(tx, had.PortID), info.FixedIPs)
			if err != nil {
				return err
			}
			next.FixedIPs = p.FixedIPs
		}
		row.Gateway = &next
	default:
		if err := s.replaceGateway(tx, info, network, row); err != nil {
			return err
		}
	}
	if row.Gateway == nil {
		return nil
	}
	row.Gateway.EnableSNAT = info.EnableSNAT == nil || *info.EnableSNAT
	return s.setGatewayQoS(c, tx, info, qos, row.Gateway)
}

func (s *Service) setGatewayQoS(c *rest.Call, r store.Reader, info *gateway, had *string, g *model.Gateway) error {
	g.QoSPolicyID = had
	if !info.setsQoS {
		return nil
	}
	g.QoSPolicyID = info.QoSPolicyID
	if g.QoSPolicyID == nil {
		return nil
	}
	_, err := s.qosPolicy(r, c, *g.QoSPolicyID)
	return err
}

// gatewayNetwork gives the external network of a request, or nil.
func (s *Service) gatewayNetwork(c *rest.Call, r store.Reader, info *gateway) (*model.Network, error) {
	if info.NetworkID == "" {
		return nil, nil
	}
	n, err := s.network(c, r, info.NetworkID)
	if err != nil {
		return nil, err
	}
	if !n.External {
		return nil, badRouter("Network %s is not an external network", n.ID)
	}
	for sub := range s.Subnets.By(r, s.Index.SubnetByNetwork, n.ID) {
		for _, w := range info.FixedIPs {
			if sub.GatewayIP != nil && w.IPAddress == *sub.GatewayIP {
				return nil, badRouter("External IP %s is the same as the gateway IP", w.IPAddress)
			}
		}
	}
	return n, nil
}

// otherAddresses tells whether wishes ask for something else than what is there.
func otherAddresses(had []model.FixedIP, wishes []wish) bool {
	if len(wishes) == 0 {
		return false
	}
	subnets, addresses := map[string]bool{}, map[string]bool{}
	for _, f := range had {
		subnets[f.SubnetID], addresses[f.IPAddress] = true, true
	}
	wantSubnets, wantAddresses := map[string]bool{}, map[string]bool{}
	for _, w := range wishes {
		if w.SubnetID != "" {
			wantSubnets[w.SubnetID] = true
		}
		if w.IPAddress != "" {
			wantAddresses[w.IPAddress] = true
		}
	}
	return !maps.Equal(subnets, wantSubnets) || !maps.Equal(addresses, wantAddresses)
}

// replaceGateway takes the gateway away that there is, and makes one to a network.
func (s *Service) replaceGateway(tx *store.Tx, info *gateway, network *model.Network, row *model.Router) error {
	if row.Gateway != nil {
		if err := s.gatewayMayGo(tx, row); err != nil {
			return err
		}
		s.ReleasePort(tx, row.Gateway.PortID)
		row.Gateway = nil
		row.RevisionNumber += 2
	}
	if network == nil {
		return nil
	}
	subnets := slices.Collect(s.Subnets.By(tx, s.Index.SubnetByNetwork, network.ID))
	if err := s.checkOverlap(tx, row, subnets); err != nil {
		return err
	}
	p := model.Port{NetworkID: network.ID, DeviceID: row.ID, DeviceOwner: ownerRouterGateway, AdminStateUp: true}
	for _, w := range info.FixedIPs {
		p.FixedIPs = append(p.FixedIPs, model.FixedIP(w))
	}
	made, err := s.AllocatePort(tx, p)
	if err != nil {
		return err
	}
	if s.o.Backend == nil {
		s.withStatus(tx, made, statusActive)
	}
	row.Gateway = &model.Gateway{NetworkID: network.ID, FixedIPs: made.FixedIPs, PortID: made.ID}
	row.RevisionNumber++
	return nil
}

// gatewayMayGo refuses to take a gateway away that floating IPs need.
func (s *Service) gatewayMayGo(r store.Reader, row *model.Router) error {
	if s.FloatingIPs.First(r, s.Index.FloatingIPByRouter, row.ID) == nil {
		return nil
	}
	return rest.Conflict("RouterExternalGatewayInUseByFloatingIp",
		"Gateway cannot be updated for router %s, since a gateway to external network %s is required by one or more floating IPs.",
		row.ID, row.Gateway.NetworkID)
}

// checkOverlap refuses subnets that a router has, or whose prefixes overlap with those it has.
func (s *Service) checkOverlap(r store.Reader, row *model.Router, subnets []*model.Subnet) error {
	have := map[string]*model.Subnet{}
	for p := range s.Ports.By(r, s.Index.PortByDevice, row.ID) {
		if p.DeviceOwner != ownerRouterInterface && p.DeviceOwner != ownerRouterGateway {
			continue
		}
		for _, f := range p.FixedIPs {
			if slices.ContainsFunc(subnets, func(sub *model.Subnet) bool { return sub.ID == f.SubnetID }) {
				return badRouter("Router already has a port on subnet %s", f.SubnetID)
			}
			have[f.SubnetID] = s.Subnets.Get(r, f.SubnetID)
		}
		if p.DeviceOwner == ownerRouterGateway {
			for sub := range s.Subnets.By(r, s.Index.SubnetByNetwork, p.NetworkID) {
				have[sub.ID] = sub
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(have)) {
		for _, sub := range subnets {
			if there := have[id]; there != nil && cidrOf(there).Overlaps(cidrOf(sub)) {
				return badRouter("Cidr %s of subnet %s overlaps with cidr %s of subnet %s", sub.CIDR, sub.ID, there.CIDR, there.ID)
			}
		}
	}
	return nil
}

// gatewayPortChanges has a router show the addresses that its gateway's port has.
func (s *Service) gatewayPortChanges(tx *store.Tx, p *model.Port) {
	old := s.Routers.Get(tx, p.DeviceID)
	if old == nil || old.Gateway == nil || old.Gateway.PortID != p.ID || slices.Equal(old.Gateway.FixedIPs, p.FixedIPs) {
		return
	}
	row, g := *old, *old.Gateway
	g.FixedIPs = p.FixedIPs
	row.Gateway = &g
	s.engine.Touch(&row.Meta)
	s.Routers.Put(tx, &row)
}
