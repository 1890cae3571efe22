// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"net/http"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

const statusActive, statusDown = "ACTIVE", "DOWN"

func (s *Service) networkResource() *rest.Resource[model.Network] {
	return &rest.Resource[model.Network]{
		Core: true, Name: "network", Plural: "networks", Kind: "Network", Attributes: s.attributes["networks"], Table: s.Networks,
		Meta: (*model.Network).Of, Tagged: true, Quota: "network", StrictMarker: true,
		Sees: func(c *rest.Call, r store.Reader, n *model.Network) bool { return s.opens(r, n.ID, c.Caller.ProjectID) },
		Target: func(c *rest.Call, r store.Reader, n *model.Network) rest.Target {
			return rest.Target{ProjectID: n.ProjectID, Shared: s.sharedWith(r, n.ID, accessAsShared, c.Caller.ProjectID), External: n.External}
		},
		View: s.viewNetwork,
		Filters: map[string]func(*rest.Call, store.Reader, *model.Network, []string) bool{
			"shared": sharedFilter(s, func(n *model.Network) string { return n.ID }),
		},
		Indexes: []rest.By[model.Network]{{Filter: "project_id", Index: s.Index.NetworkByProject}},
		Create:  s.createNetwork, Update: s.updateNetwork, Delete: s.deleteNetwork,
	}
}

// opens tells whether RBAC policies let a project see a network. A policy for
// everybody does, whatever its action is.
func (s *Service) opens(r store.Reader, network, project string) bool {
	for p := range s.RBACPolicies.By(r, s.Index.RBACByObject, network) {
		if p.TargetTenant == everybody || p.TargetTenant == project {
			return true
		}
	}
	return false
}

// sees tells whether the caller sees a network.
func (s *Service) sees(c *rest.Call, r store.Reader, n *model.Network) bool {
	return c == nil || c.Sees() || n.ProjectID == c.Caller.ProjectID || s.opens(r, n.ID, c.Caller.ProjectID)
}

// network gives the network of an id that the caller sees. c is nil where nobody asks.
func (s *Service) network(c *rest.Call, r store.Reader, id string) (*model.Network, error) {
	if n := s.Networks.Get(r, id); n != nil && s.sees(c, r, n) {
		return n, nil
	}
	return nil, networkNotFound(id)
}

func (s *Service) viewNetwork(c *rest.Call, r store.Reader, n *model.Network, shown map[string]any) {
	shown["shared"] = s.sharedWith(r, n.ID, accessAsShared, c.Caller.ProjectID)
	subnets := []string{}
	scopes := map[int]any{}
	for sub := range s.Subnets.By(r, s.Index.SubnetByNetwork, n.ID) {
		subnets = append(subnets, sub.ID)
		if pool := s.poolOf(r, sub); pool != nil && pool.AddressScopeID != nil {
			scopes[pool.IPVersion] = *pool.AddressScopeID
		}
	}
	shown["subnets"], shown["ipv4_address_scope"], shown["ipv6_address_scope"] = subnets, scopes[4], scopes[6]
	shown["availability_zones"] = append([]string{}, n.AvailabilityZoneHints...)
	// Neutron says it of what may be a default, and to who makes a network.
	if !n.External && c.Method != http.MethodPost {
		shown["is_default"] = rest.Absent
	}
}

func (s *Service) createNetwork(c *rest.Call, tx *store.Tx, v rest.Values, n *model.Network) error {
	if _, err := s.defaultGroup(tx, c, n.ProjectID); err != nil {
		return err
	}
	asked, err := claimOf(v)
	if err != nil {
		return err
	}
	n.PhysicalNetwork, n.SegmentationID = nil, nil
	if err := s.reserve(tx, asked, n); err != nil {
		return err
	}
	if err := s.fitMTU(n); err != nil {
		return err
	}
	if err := s.networkPolicy(c, tx, nil, n); err != nil {
		return err
	}
	if err := s.checkZones(n.AvailabilityZoneHints); err != nil {
		return err
	}
	if err := s.checkDefault(tx, n); err != nil {
		return err
	}
	n.Status, n.RevisionNumber = statusActive, 1
	s.openNetwork(tx, n, accessAsShared, v.Bool("shared"))
	s.openNetwork(tx, n, accessAsExternal, n.External)
	return s.networkChanges(tx, c, nil, n)
}

// fitMTU completes and checks a network's MTU; zero is the largest.
func (s *Service) fitMTU(n *model.Network) error {
	most := s.mostMTU(n.NetworkType)
	if n.MTU > most {
		return rest.InvalidInput("Requested MTU is too big, maximum is %d", most)
	}
	if n.MTU == 0 {
		n.MTU = most
	}
	return nil
}

// networkPolicy checks a network's QoS policy, which a new one may have from its project.
func (s *Service) networkPolicy(c *rest.Call, tx *store.Tx, old, n *model.Network) error {
	if n.QoSPolicyID == nil {
		if old == nil {
			n.QoSPolicyID = s.defaultQoSPolicy(tx, n.ProjectID)
		}
		return nil
	}
	if old != nil && old.QoSPolicyID != nil && *old.QoSPolicyID == *n.QoSPolicyID {
		return nil
	}
	_, err := s.qosPolicy(tx, c, *n.QoSPolicyID)
	return err
}

// checkDefault has at most one external network be the default.
func (s *Service) checkDefault(r store.Reader, n *model.Network) error {
	if !n.IsDefault {
		return nil
	}
	for other := range s.Networks.All(r) {
		if other.External && other.IsDefault && other.ID != n.ID {
			return rest.Conflict("DefaultExternalNetworkExists", "A default external network already exists: %s.", other.ID)
		}
	}
	return nil
}

// openNetwork makes or removes the RBAC policy that opens a network to everybody.
func (s *Service) openNetwork(tx *store.Tx, n *model.Network, action string, open bool) {
	for _, p := range slices.Collect(s.RBACPolicies.By(tx, s.Index.RBACByObject, n.ID)) {
		if p.Action == action && p.TargetTenant == everybody {
			if !open {
				s.RBACPolicies.Delete(tx, p.ID)
			}
			return
		}
	}
	if open {
		s.share(tx, n.ProjectID, "network", n.ID, action)
	}
}

// share makes the RBAC policy that opens an object to everybody.
func (s *Service) share(tx *store.Tx, project, kind, id, action string) {
	p := &model.RBACPolicy{Meta: s.engine.NewMeta(project), ObjectType: kind, ObjectID: id, Action: action, TargetTenant: everybody}
	s.RBACPolicies.Put(tx, p)
}

func (s *Service) updateNetwork(c *rest.Call, tx *store.Tx, v rest.Values, old, n *model.Network) error {
	if err := s.moveSegment(tx, v, old, n); err != nil {
		return err
	}
	if v.Has("shared") && !v.Bool("shared") && s.sharedWith(tx, n.ID, accessAsShared, everybody) {
		if err := s.mayUnshare(tx, n); err != nil {
			return err
		}
	}
	if v.Has("shared") {
		s.openNetwork(tx, n, accessAsShared, v.Bool("shared"))
	}
	if err := s.networkPolicy(c, tx, old, n); err != nil {
		return err
	}
	s.moveOut(tx, old, n)
	if v.Has("mtu") {
		if err := s.fitMTU(n); err != nil {
			return err
		}
	}
	if err := s.checkDefault(tx, n); err != nil {
		return err
	}
	if err := s.networkChanges(tx, c, old, n); err != nil {
		return err
	}
	s.followNetworkPolicy(tx, old, n)
	return nil
}

// moveOut makes a network external, or takes that away from it.
func (s *Service) moveOut(tx *store.Tx, old, n *model.Network) {
	switch {
	case old.External == n.External:
	case n.External:
		n.IsDefault = n.IsDefault && old.External
		s.openNetwork(tx, n, accessAsExternal, true)
	default:
		for _, p := range slices.Collect(s.RBACPolicies.By(tx, s.Index.RBACByObject, n.ID)) {
			if p.Action == accessAsExternal {
				s.RBACPolicies.Delete(tx, p.ID)
			}
		}
		n.IsDefault = false
	}
}

// moveSegment gives a network of a VLAN another one. That is all that may change.
func (s *Service) moveSegment(tx *store.Tx, v rest.Values, old, n *model.Network) error {
	n.NetworkType, n.PhysicalNetwork, n.SegmentationID = old.NetworkType, old.PhysicalNetwork, old.SegmentationID
	physical := ""
	if old.PhysicalNetwork != nil {
		physical = *old.PhysicalNetwork
	}
	if v.Has("provider:network_type") && v.String("provider:network_type") != old.NetworkType || v.Has("provider:physical_network") && v.String("provider:physical_network") != physical {
		return rest.InvalidInput("Plugin does not support updating the following provider network attributes: provider:network_type, provider:physical_network")
	}
	id, given := v.Int("provider:segmentation_id")
	if !given || id == 0 {
		return nil
	}
	for p := range s.Ports.By(tx, s.Index.PortByNetwork, n.ID) {
		if p.VIFType != vifUnbound && p.VIFType != vifFailed && p.VIFType != vifOVS {
			return rest.InvalidInput("Provider network attribute provider:segmentation_id cannot be updated if any port in the network has not the following binding:vif_type: unbound, binding_failed, ovs")
		}
	}
	if old.NetworkType != typeVLAN {
		return rest.InvalidInput("Only VLAN type networks can be updated.")
	}
	moved := &claim{kind: typeVLAN, physical: old.PhysicalNetwork, id: &id}
	if err := s.segments.check(moved); err != nil {
		return err
	}
	return s.reserve(tx, moved, n)
}

// followNetworkPolicy tells a network's ports its QoS policy.
func (s *Service) followNetworkPolicy(tx *store.Tx, old, n *model.Network) {
	if equal(old.QoSPolicyID, n.QoSPolicyID) {
		return
	}
	for _, p := range slices.Collect(s.Ports.By(tx, s.Index.PortByNetwork, n.ID)) {
		changed := *p
		changed.QoSNetworkPolicyID = n.QoSPolicyID
		s.Ports.Put(tx, &changed)
	}
}

func equal[T comparable](a, b *T) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

func (s *Service) deleteNetwork(_ *rest.Call, tx *store.Tx, n *model.Network) error {
	for _, f := range slices.Collect(s.FloatingIPs.By(tx, s.Index.FloatingIPByNetwork, n.ID)) {
		if f.PortID == nil {
			s.FloatingIPs.Delete(tx, f.ID)
			s.ReleasePort(tx, f.OwnPortID)
		}
	}
	var inUse, auto []string
	for p := range s.Ports.By(tx, s.Index.PortByNetwork, n.ID) {
		if slices.Contains(autoDeleted, p.DeviceOwner) {
			auto = append(auto, p.ID)
		} else {
			inUse = append(inUse, p.ID)
		}
	}
	if inUse != nil {
		return rest.Conflict("NetworkInUse", "Unable to complete operation on network %s. There are one or more ports still in use on the network, id for these ports is: %s.", n.ID, strings.Join(inUse, ","))
	}
	for _, id := range auto {
		s.ReleasePort(tx, id)
	}
	for _, sub := range slices.Collect(s.Subnets.By(tx, s.Index.SubnetByNetwork, n.ID)) {
		s.Subnets.Delete(tx, sub.ID)
	}
	s.unshare(tx, n.ID)
	return nil
}

// unshare removes the RBAC policies about an object that goes.
func (s *Service) unshare(tx *store.Tx, id string) {
	for _, p := range slices.Collect(s.RBACPolicies.By(tx, s.Index.RBACByObject, id)) {
		s.RBACPolicies.Delete(tx, p.ID)
	}
}
