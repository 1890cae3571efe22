// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"iter"
	"net/netip"
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// interfaces gives the ports that a router has inside.
func (s *Service) interfaces(r store.Reader, router string) iter.Seq[*model.Port] {
	return func(yield func(*model.Port) bool) {
		for p := range s.Ports.By(r, s.Index.PortByDevice, router) {
			if p.DeviceOwner == ownerRouterInterface && !yield(p) {
				return
			}
		}
	}
}

// interfaceOf is what an interface's action answers.
func interfaceOf(row *model.Router, p *model.Port, subnet string, subnets []string) any {
	return map[string]any{
		"id": row.ID, "tenant_id": p.ProjectID, "port_id": p.ID, "network_id": p.NetworkID, "subnet_id": subnet, "subnet_ids": subnets,
	}
}

// interfaceBody reads which port and which subnet an action is about.
func interfaceBody(body map[string]any) (port, subnet string, byPort bool, err error) {
	_, byPort = body["port_id"]
	if _, bySubnet := body["subnet_id"]; !byPort && !bySubnet {
		return "", "", false, badRouter("Either subnet_id or port_id must be specified")
	}
	for _, key := range []string{"port_id", "subnet_id"} {
		value, given := body[key]
		if !given {
			continue
		}
		if _, err := checkUUID(value); err != nil {
			return "", "", false, badRouter("%s", err)
		}
	}
	v := rest.Values(body)
	return v.String("port_id"), v.String("subnet_id"), byPort, nil
}

func (s *Service) addInterface(c *rest.Call, tx *store.Tx, body map[string]any, row *model.Router) (any, error) {
	port, subnet, byPort, err := interfaceBody(body)
	if err != nil {
		return nil, err
	}
	if byPort && subnet != "" {
		return nil, badRouter("Cannot specify both subnet-id and port-id")
	}
	var p *model.Port
	var subnets []*model.Subnet
	if byPort {
		p, subnets, err = s.attachPort(c, tx, row, port)
	} else {
		p, subnets, err = s.attachSubnet(c, tx, row, subnet)
	}
	if err != nil {
		return nil, err
	}
	s.bumpRouter(tx, row.ID)
	var ids []string
	for _, sub := range subnets {
		ids = append(ids, sub.ID)
	}
	return interfaceOf(row, p, ids[len(ids)-1], ids), nil
}

func (s *Service) bumpRouter(tx *store.Tx, id string) {
	bump(s, tx, s.Routers, id, func(r *model.Router) *model.Meta { return &r.Meta })
}

func (s *Service) subnetsOf(r store.Reader, p *model.Port) (subnets []*model.Subnet) {
	for _, f := range p.FixedIPs {
		if sub := s.Subnets.Get(r, f.SubnetID); sub != nil {
			subnets = append(subnets, sub)
		}
	}
	return subnets
}

// attachPort makes a port that is there the router's.
func (s *Service) attachPort(c *rest.Call, tx *store.Tx, row *model.Router, id string) (*model.Port, []*model.Subnet, error) {
	old := s.Ports.Get(tx, id)
	if old == nil || !s.seesPort(c, tx, old) {
		return nil, nil, portNotFound(id)
	}
	if old.DeviceID != "" {
		return nil, nil, portInUse(old)
	}
	if len(old.FixedIPs) == 0 {
		return nil, nil, badRouter("Router port must have at least one fixed IP")
	}
	subnets := s.subnetsOf(tx, old)
	for _, sub := range subnets {
		if err := checkAddressMode(sub); err != nil {
			return nil, nil, err
		}
	}
	if err := s.checkAttachment(c, tx, row, old, subnets); err != nil {
		return nil, nil, err
	}
	p := *old
	p.DeviceID, p.DeviceOwner = row.ID, ownerRouterInterface
	return &p, subnets, s.storeInterface(tx, c, old, &p)
}

// storeInterface stores a router's port. Without OVN nobody else says that it works.
func (s *Service) storeInterface(tx *store.Tx, c *rest.Call, old, p *model.Port) error {
	if s.o.Backend == nil {
		p.Status = statusActive
	}
	s.engine.Touch(&p.Meta)
	if err := s.portChanges(tx, c, old, p); err != nil {
		return err
	}
	s.Ports.Put(tx, p)
	return nil
}

func portInUse(p *model.Port) error {
	return rest.Conflict("PortInUse", "Unable to complete operation on port %s for network %s. Port already has an attached device %s.", p.ID, p.NetworkID, p.DeviceID)
}

// checkAddressMode refuses a subnet whose router is another.
func checkAddressMode(sub *model.Subnet) error {
	if sub.IPVersion == 6 && sub.IPv6RAMode == nil && sub.IPv6AddressMode != nil {
		return badRouter("IPv6 subnet %s configured to receive RAs from an external router cannot be added to Neutron Router.", sub.ID)
	}
	return nil
}

func (s *Service) checkAttachment(c *rest.Call, r store.Reader, row *model.Router, p *model.Port, subnets []*model.Subnet) error {
	if hasIPv6(p) {
		for other := range s.Ports.By(r, s.Index.PortByDevice, row.ID) {
			if other.NetworkID == p.NetworkID && hasIPv6(other) {
				return badRouter("Cannot have multiple router ports with the same network id if both contain IPv6 subnets. "+
					"Existing port %s has IPv6 subnet(s) and network id %s", other.ID, other.NetworkID)
			}
		}
	}
	if err := s.checkOverlap(r, row, subnets); err != nil {
		return err
	}
	old := 0
	for _, sub := range subnets {
		if sub.IPVersion == 4 {
			old++
		}
	}
	if old > 1 {
		return badRouter("Cannot have multiple IPv4 subnets on router port")
	}
	return checkInPools(c, p, subnets)
}

// checkInPools refuses an address beyond the pools of somebody else's subnet.
func checkInPools(c *rest.Call, p *model.Port, subnets []*model.Subnet) error {
	if c.Caller.Admin() {
		return nil
	}
	for i, sub := range subnets {
		address, _ := parseIP(p.FixedIPs[i].IPAddress)
		if sub.ProjectID != c.Caller.ProjectID && !inPools(sub, address) {
			return badRouter("Cannot add interface to router because specified port %s has an IP address out of the allocation pool of subnet %s, "+
				"which is not owned by the project making the request", p.ID, sub.ID)
		}
	}
	return nil
}

func inPools(sub *model.Subnet, address netip.Addr) bool {
	return slices.ContainsFunc(sub.AllocationPools, func(p model.Pool) bool {
		from, _ := parseIP(p.Start)
		to, _ := parseIP(p.End)
		return from.Compare(address) <= 0 && address.Compare(to) <= 0
	})
}

func hasIPv6(p *model.Port) bool {
	return slices.ContainsFunc(p.FixedIPs, func(f model.FixedIP) bool { return !isIPv4(f.IPAddress) })
}

func isIPv4(address string) bool {
	a, ok := parseIP(address)
	return ok && a.Is4()
}

// attachSubnet gives a router a port with a subnet's gateway address.
func (s *Service) attachSubnet(c *rest.Call, tx *store.Tx, row *model.Router, id string) (*model.Port, []*model.Subnet, error) {
	sub := s.Subnets.Get(tx, id)
	if sub == nil || !s.seesSubnet(c, tx, sub) {
		return nil, nil, subnetNotFound(id)
	}
	if sub.GatewayIP == nil {
		return nil, nil, badRouter("Subnet for router interface must have a gateway IP")
	}
	if err := s.checkSubnetOwner(c, tx, sub); err != nil {
		return nil, nil, err
	}
	if err := checkAddressMode(sub); err != nil {
		return nil, nil, err
	}
	subnets := []*model.Subnet{sub}
	if err := s.checkOverlap(tx, row, subnets); err != nil {
		return nil, nil, err
	}
	if sub.IPVersion == 6 {
		// One port of a network has all of its IPv6 prefixes.
		for _, p := range slices.Collect(s.interfaces(tx, row.ID)) {
			if p.NetworkID == sub.NetworkID && hasIPv6(p) {
				p, err := s.moveRouterPort(tx, p, append(wishesOf(p.FixedIPs), wish{sub.ID, *sub.GatewayIP}))
				return p, subnets, err
			}
		}
	}
	p, err := s.AllocatePort(tx, model.Port{
		Meta: model.Meta{ProjectID: row.ProjectID}, NetworkID: sub.NetworkID, AdminStateUp: true, DeviceID: row.ID, DeviceOwner: ownerRouterInterface,
		FixedIPs: []model.FixedIP{{SubnetID: sub.ID, IPAddress: *sub.GatewayIP}},
	})
	if err == nil && s.o.Backend == nil {
		p = s.withStatus(tx, p, statusActive)
	}
	return p, subnets, err
}

func wishesOf(addresses []model.FixedIP) (wishes []wish) {
	for _, f := range addresses {
		wishes = append(wishes, wish(f))
	}
	return wishes
}

// checkSubnetOwner lets a project attach its own subnets, and those that an
// RBAC policy gives to it by its name.
func (s *Service) checkSubnetOwner(c *rest.Call, r store.Reader, sub *model.Subnet) error {
	if c.Caller.Admin() || sub.ProjectID == c.Caller.ProjectID {
		return nil
	}
	for p := range s.RBACPolicies.By(r, s.Index.RBACByObject, sub.NetworkID) {
		if p.Action == accessAsShared && p.TargetTenant == c.Caller.ProjectID {
			return nil
		}
	}
	return badRouter("Cannot add interface to router because subnet %s is not owned by project making the request", sub.ID)
}

func (s *Service) removeInterface(c *rest.Call, tx *store.Tx, body map[string]any, row *model.Router) (any, error) {
	port, subnet, byPort, err := interfaceBody(body)
	if err != nil {
		return nil, err
	}
	if byPort {
		return s.detachPort(tx, row, port, subnet)
	}
	return s.detachSubnet(c, tx, row, subnet)
}

func (s *Service) detachPort(tx *store.Tx, row *model.Router, id, subnet string) (any, error) {
	p := s.Ports.Get(tx, id)
	if p == nil || p.DeviceID != row.ID || p.DeviceOwner != ownerRouterInterface {
		return nil, rest.NotFound("RouterInterfaceNotFound", "Router %s does not have an interface with id %s", row.ID, id)
	}
	subnets := s.subnetsOf(tx, p)
	var ids []string
	for _, sub := range subnets {
		ids = append(ids, sub.ID)
	}
	if subnet != "" && !slices.Contains(ids, subnet) {
		return nil, badRequest("SubnetMismatchForPort", "Subnet on port %s does not match the requested subnet %s.", id, subnet)
	}
	for _, sub := range subnets {
		if err := s.interfaceMayGo(tx, row, sub); err != nil {
			return nil, err
		}
	}
	if err := s.releaseInterface(tx, p); err != nil {
		return nil, err
	}
	s.bumpRouter(tx, row.ID)
	first := ""
	if len(ids) > 0 {
		first = ids[0]
	}
	return interfaceOf(row, p, first, append([]string{}, ids...)), nil
}

// releaseInterface removes a router's port, unless it is part of a trunk as well.
func (s *Service) releaseInterface(tx *store.Tx, p *model.Port) error {
	if err := s.trunkPortMayGo(tx, p); err != nil {
		return err
	}
	s.ReleasePort(tx, p.ID)
	return nil
}

func (s *Service) detachSubnet(c *rest.Call, tx *store.Tx, row *model.Router, id string) (any, error) {
	sub := s.Subnets.Get(tx, id)
	if sub == nil || !s.seesSubnet(c, tx, sub) {
		return nil, subnetNotFound(id)
	}
	for _, p := range slices.Collect(s.interfaces(tx, row.ID)) {
		if p.NetworkID != sub.NetworkID {
			continue
		}
		if err := s.interfaceMayGo(tx, row, sub); err != nil {
			return nil, err
		}
		left := slices.DeleteFunc(wishesOf(p.FixedIPs), func(w wish) bool { return w.SubnetID == id })
		var err error
		switch {
		case len(left) == len(p.FixedIPs):
			continue
		case len(left) > 0:
			_, err = s.moveRouterPort(tx, p, left)
		default:
			err = s.releaseInterface(tx, p)
		}
		if err != nil {
			return nil, err
		}
		s.bumpRouter(tx, row.ID)
		return interfaceOf(row, p, id, []string{id}), nil
	}
	return nil, rest.NotFound("RouterInterfaceNotFoundForSubnet", "Router %s has no interface on subnet %s", row.ID, id)
}

// interfaceMayGo refuses to take a router off a subnet that floating IPs, port
// forwardings or routes need.
func (s *Service) interfaceMayGo(r store.Reader, row *model.Router, sub *model.Subnet) error {
	prefix := cidrOf(sub)
	needs := func(port, address string) bool {
		a, ok := parseIP(address)
		p := s.Ports.Get(r, port)
		return ok && prefix.Contains(a) && p != nil && slices.ContainsFunc(p.FixedIPs, func(f model.FixedIP) bool { return f.SubnetID == sub.ID })
	}
	used := rest.Conflict("RouterInterfaceInUseByFloatingIP",
		"Router interface for subnet %s on router %s cannot be deleted, as it is required by one or more floating IPs.", sub.ID, row.ID)
	for f := range s.FloatingIPs.By(r, s.Index.FloatingIPByRouter, row.ID) {
		for pf := range s.PortForwardings.By(r, s.Index.ForwardingByFloating, f.ID) {
			if needs(pf.InternalPortID, pf.InternalIPAddress) {
				return used
			}
		}
		if f.PortID != nil && f.FixedIPAddress != nil && needs(*f.PortID, *f.FixedIPAddress) {
			return used
		}
	}
	for _, route := range row.Routes {
		if hop, ok := parseIP(route.NextHop); ok && prefix.Contains(hop) {
			return rest.Conflict("RouterInterfaceInUseByRoute",
				"Router interface for subnet %s on router %s cannot be deleted, as it is required by one or more routes.", sub.ID, row.ID)
		}
	}
	return nil
}

// moveRouterPort gives a router's port other addresses, and stores it.
func (s *Service) moveRouterPort(tx *store.Tx, old *model.Port, wishes []wish) (*model.Port, error) {
	p := *old
	a, err := s.assignmentOf(tx, &p, func(*model.Subnet) bool { return true })
	if err != nil {
		return nil, err
	}
	if err := a.reassign(old.FixedIPs, wishes); err != nil {
		return nil, err
	}
	p.FixedIPs = a.addresses()
	s.engine.Touch(&p.Meta)
	s.Ports.Put(tx, &p)
	return &p, nil
}
