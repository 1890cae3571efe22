// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"errors"
	"net/netip"
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// placeVIP finds where the VIP of a new load balancer is, from what of port,
// network, subnet and address the request gives
// (octavia/api/v2/controllers/load_balancer.py, _validate_vip_request_object).
func (s *Service) placeVIP(r store.Reader, c api.Caller, lb *lbRow) error {
	var err error
	switch {
	case lb.VIPPortID != "":
		err = s.placeByPort(r, c, lb)
	case lb.VIPNetworkID != "":
		err = s.placeByNetwork(r, c, lb)
	case lb.VIPSubnetID != "":
		var subnet *model.Subnet
		if subnet, err = s.visibleSubnet(r, c, lb.VIPSubnetID); err == nil {
			lb.VIPNetworkID = subnet.NetworkID
		}
	default:
		return validation("VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id.")
	}
	if err != nil {
		return err
	}
	if lb.VIPQoSPolicyID != nil {
		if err := s.visibleQoSPolicy(r, c, *lb.VIPQoSPolicyID); err != nil {
			return err
		}
	}
	return s.placeAdditionalVIPs(r, lb)
}

func (s *Service) placeByPort(r store.Reader, c api.Caller, lb *lbRow) error {
	port := s.Ports.Get(r, lb.VIPPortID)
	if port == nil || !c.Admin() && port.ProjectID != c.ProjectID {
		return badSubresource("Port", lb.VIPPortID)
	}
	if port.DeviceID != "" {
		return validation("Port %s is already used by device %s ", port.ID, port.DeviceID)
	}
	lb.VIPNetworkID = port.NetworkID
	if port.QoSPolicyID != nil && lb.VIPQoSPolicyID == nil {
		lb.VIPQoSPolicyID = port.QoSPolicyID
	}
	switch {
	case lb.VIPSubnetID != "":
		if _, err := s.visibleSubnet(r, c, lb.VIPSubnetID); err != nil {
			return err
		}
		return takeAddress(lb, port, "No VIP address found on the specified VIP port within the specified subnet.", func(f model.FixedIP) bool {
			return f.SubnetID == lb.VIPSubnetID
		})
	case lb.VIPAddress != "":
		return takeAddress(lb, port, "Specified VIP address not found on the specified VIP port.", func(f model.FixedIP) bool {
			return model.CanonicalAddress(f.IPAddress) == model.CanonicalAddress(lb.VIPAddress)
		})
	}
	return takeAddress(lb, port, "VIP port's subnet could not be determined. Please specify either a VIP subnet or address.", func(model.FixedIP) bool {
		return len(port.FixedIPs) == 1
	})
}

func takeAddress(lb *lbRow, port *model.Port, otherwise string, is func(model.FixedIP) bool) error {
	i := slices.IndexFunc(port.FixedIPs, is)
	if i < 0 {
		return validation("%s", otherwise)
	}
	lb.VIPSubnetID, lb.VIPAddress = port.FixedIPs[i].SubnetID, port.FixedIPs[i].IPAddress
	return nil
}

func (s *Service) placeByNetwork(r store.Reader, c api.Caller, lb *lbRow) error {
	n := s.Networks.Get(r, lb.VIPNetworkID)
	if n == nil || !s.sees(r, c, n) {
		return badSubresource("Network", lb.VIPNetworkID)
	}
	subnets := slices.Collect(s.Subnets.By(r, s.Index.SubnetByNetwork, n.ID))
	named := func(x *model.Subnet) bool { return x.ID == lb.VIPSubnetID }
	switch {
	case lb.VIPSubnetID != "" && !slices.ContainsFunc(subnets, named):
		return badSubresource("Subnet", lb.VIPSubnetID)
	case lb.VIPSubnetID != "":
		return nil
	case lb.VIPAddress != "":
		i := slices.IndexFunc(subnets, func(x *model.Subnet) bool { return inside(lb.VIPAddress, x.CIDR) })
		if i < 0 {
			return validation("Supplied network does not contain a subnet for VIP address specified.")
		}
		lb.VIPSubnetID = subnets[i].ID
		return nil
	case len(subnets) == 0:
		return validation("Supplied network does not contain a subnet.")
	}
	subnets = slices.DeleteFunc(subnets, func(x *model.Subnet) bool { return !s.hasRoom(r, x) })
	if len(subnets) == 0 {
		return validation("Subnet(s) in the supplied network do not contain enough available IPs.")
	}
	first := max(0, slices.IndexFunc(subnets, func(x *model.Subnet) bool { return x.IPVersion == 4 }))
	lb.VIPSubnetID = subnets[first].ID
	return nil
}

// vipRoom is how many free addresses Octavia wants to see in a VIP's subnet:
// one for it, and one for an amphora.
const vipRoom = 2

// hasRoom tells whether a subnet has enough free addresses. It counts those in
// use only where they could matter.
func (s *Service) hasRoom(r store.Reader, subnet *model.Subnet) bool {
	size, everything := 0, s.Ports.Len(r)+vipRoom
	for _, pool := range subnet.AllocationPools {
		first, err := netip.ParseAddr(pool.Start)
		last, err2 := netip.ParseAddr(pool.End)
		if err != nil || err2 != nil {
			continue
		}
		for a := first; a.Compare(last) <= 0 && size <= everything; a = a.Next() {
			size++
		}
	}
	return size > everything || size-s.Ports.Count(r, s.Index.PortBySubnet, subnet.ID) >= vipRoom
}

// placeAdditionalVIPs has all VIPs in subnets of their own, on one network.
func (s *Service) placeAdditionalVIPs(r store.Reader, lb *lbRow) error {
	subnets := []string{lb.VIPSubnetID}
	for _, v := range lb.AdditionalVIPs {
		if slices.Contains(subnets, v.SubnetID) {
			return validation("Duplicate VIP subnet(s) specified. Only one IP can be bound per subnet.")
		}
		subnets = append(subnets, v.SubnetID)
	}
	for _, id := range subnets {
		subnet := s.Subnets.Get(r, id)
		if subnet == nil {
			return serverError("subnet not found (subnet id: %s).", id)
		}
		if subnet.NetworkID != lb.VIPNetworkID {
			return validation("All VIP subnets must belong to the same network.")
		}
	}
	return nil
}

// sees tells whether the caller sees a network.
func (s *Service) sees(r store.Reader, c api.Caller, n *model.Network) bool {
	return c.Admin() || n.ProjectID == c.ProjectID || n.External || s.shared(r, c, n.ID)
}

func (s *Service) shared(r store.Reader, c api.Caller, id string) bool {
	for p := range s.RBACPolicies.By(r, s.Index.RBACByObject, id) {
		if p.TargetTenant == "*" || p.TargetTenant == c.ProjectID {
			return true
		}
	}
	return false
}

func (s *Service) visibleSubnet(r store.Reader, c api.Caller, id string) (*model.Subnet, error) {
	if subnet := s.Subnets.Get(r, id); subnet != nil {
		if n := s.Networks.Get(r, subnet.NetworkID); n != nil && s.sees(r, c, n) {
			return subnet, nil
		}
	}
	return nil, badSubresource("Subnet", id)
}

func (s *Service) visibleQoSPolicy(r store.Reader, c api.Caller, id string) error {
	p := s.QoSPolicies.Get(r, id)
	if p == nil || !c.Admin() && p.ProjectID != c.ProjectID && !s.shared(r, c, id) {
		return badSubresource("qos_policy", id)
	}
	return nil
}

// allocate makes a port: secured as its network says, in the default security
// group of its project, as every port that does not say otherwise.
func (s *Service) allocate(tx *store.Tx, p model.Port) (*model.Port, *api.Error) {
	n := s.Networks.Get(tx, p.NetworkID)
	p.PortSecurityEnabled = n == nil || n.PortSecurityEnabled
	if g := s.SecurityGroups.First(tx, s.Index.DefaultGroupByProject, p.ProjectID); g != nil && p.PortSecurityEnabled {
		p.SecurityGroups = []string{g.ID}
	}
	port, err := s.o.Ports.AllocatePort(tx, p)
	if e := (*api.Error)(nil); errors.As(err, &e) {
		return nil, e
	}
	if err != nil {
		return nil, &api.Error{Status: 500, Message: "Request Failed: internal server error while processing your request.", Cause: err}
	}
	return port, nil
}
