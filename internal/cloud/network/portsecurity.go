// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func pairsNeedSecurity() error {
	return rest.Conflict("AddressPairAndPortSecurityRequired", "Port Security must be enabled in order to have allowed address pairs on a port.")
}

func groupsNeedSecurity() error {
	return badRequest("PortSecurityAndIPRequiredForSecurityGroups", "Port security must be enabled and port must have an IP address in order to use security groups.")
}

// trusted tells whether a port of an owner is the network's own.
func trusted(owner string) bool { return strings.HasPrefix(owner, "network:") }

// secure gives a new port its port security, security groups and address pairs.
func (s *Service) secure(c *rest.Call, tx *store.Tx, v rest.Values, n *model.Network, p *model.Port) error {
	group, err := s.defaultGroup(tx, c, p.ProjectID)
	if err != nil {
		return err
	}
	switch {
	case trusted(p.DeviceOwner):
		p.PortSecurityEnabled = false
	case !v.Has("port_security_enabled"):
		p.PortSecurityEnabled = n.PortSecurityEnabled
	}
	p.AllowedAddressPairs = pairsOf(v, p)
	if len(p.AllowedAddressPairs) > 0 && !p.PortSecurityEnabled {
		return pairsNeedSecurity()
	}
	if trusted(p.DeviceOwner) {
		p.SecurityGroups = nil
	}
	switch {
	case p.PortSecurityEnabled:
		if !v.Has("security_groups") && group != nil {
			p.SecurityGroups = []string{group.ID}
		}
	case len(p.SecurityGroups) > 0:
		return groupsNeedSecurity()
	}
	slices.Sort(p.SecurityGroups)
	return s.portGroups(tx, c, p)
}

// pairsOf gives the address pairs of a request, in Neutron's order.
func pairsOf(v rest.Values, p *model.Port) []model.AddressPair {
	pairs := []model.AddressPair{}
	list, _ := v["allowed_address_pairs"].([]any)
	for _, item := range list {
		pair, _ := item.(map[string]any)
		mac, given := pair["mac_address"].(string)
		if !given {
			mac = p.MACAddress
		}
		address, _ := pair["ip_address"].(string)
		pairs = append(pairs, model.AddressPair{IPAddress: address, MACAddress: mac})
	}
	slices.SortFunc(pairs, func(a, b model.AddressPair) int {
		if d := strings.Compare(strings.ToLower(a.MACAddress), strings.ToLower(b.MACAddress)); d != 0 {
			return d
		}
		return strings.Compare(strings.ToLower(a.IPAddress), strings.ToLower(b.IPAddress))
	})
	return pairs
}

// resecure checks and completes what an update says of the same.
func (s *Service) resecure(c *rest.Call, tx *store.Tx, v rest.Values, old, p *model.Port) error {
	if v.Has("allowed_address_pairs") {
		p.AllowedAddressPairs = pairsOf(v, p)
	}
	if v.Has("security_groups") && v["security_groups"] == nil {
		p.SecurityGroups = nil
	}
	if !p.PortSecurityEnabled {
		switch {
		case len(p.AllowedAddressPairs) > 0:
			return pairsNeedSecurity()
		case v.Has("security_groups") && len(p.SecurityGroups) > 0:
			return groupsNeedSecurity()
		case len(p.SecurityGroups) > 0:
			return rest.Conflict("PortSecurityPortHasSecurityGroup", "Port has security group associated. Cannot disable port security or IP address until security group is removed.")
		}
	}
	if !v.Has("security_groups") || slices.Equal(old.SecurityGroups, p.SecurityGroups) {
		return nil
	}
	slices.Sort(p.SecurityGroups)
	// Neutron looks for the owner in the request alone.
	checked := *p
	checked.DeviceOwner = v.String("device_owner")
	return s.portGroups(tx, c, &checked)
}

// dhcpOptions merges a request's DHCP options into a port's.
func (s *Service) dhcpOptions(v rest.Values, p *model.Port, had []model.DHCPOption) error {
	p.ExtraDHCPOpts = append([]model.DHCPOption{}, had...)
	list, _ := v["extra_dhcp_opts"].([]any)
	for _, item := range list {
		given, _ := item.(map[string]any)
		name, _ := given["opt_name"].(string)
		version, ok := given["ip_version"].(int)
		if !ok {
			version = 4
		}
		at := slices.IndexFunc(p.ExtraDHCPOpts, func(o model.DHCPOption) bool { return o.Name == name && o.IPVersion == version })
		value, ok := given["opt_value"].(string)
		valid := ok && (value != "" || slices.Contains(blankDHCPOptions, name))
		switch {
		case at >= 0 && had == nil:
			return rest.Conflict("NeutronDbObjectDuplicateEntry", "Failed to create a duplicate ExtraDhcpOpt: for attribute(s) ['portid', 'optname', 'ipversion'] with value(s) %s-%s-%d", p.ID, name, version)
		case at >= 0 && given["opt_value"] == nil:
			p.ExtraDHCPOpts = slices.Delete(p.ExtraDHCPOpts, at, at+1)
		case at >= 0 && valid:
			p.ExtraDHCPOpts[at].Value = &value
		case at < 0 && valid:
			p.ExtraDHCPOpts = append(p.ExtraDHCPOpts, model.DHCPOption{Name: name, Value: &value, IPVersion: version})
		}
	}
	slices.SortFunc(p.ExtraDHCPOpts, func(a, b model.DHCPOption) int {
		if d := strings.Compare(a.Name, b.Name); d != 0 {
			return d
		}
		return a.IPVersion - b.IPVersion
	})
	return nil
}

// updatePort completes a changed port.
func (s *Service) updatePort(c *rest.Call, tx *store.Tx, v rest.Values, old, p *model.Port) error {
	if (v.Has("device_owner") || v.Has("device_id")) && s.ownsDevice(c, tx, p) != nil {
		return s.ownsDevice(c, tx, p)
	}
	if (p.DeviceOwner == ownerFloatingIP) != (old.DeviceOwner == ownerFloatingIP) {
		if p.DeviceOwner == ownerFloatingIP {
			return ovnPortUpdate("Updating device_owner to %s for port %s is not supported", p.DeviceOwner, p.ID)
		}
		return ovnPortUpdate("Updating device_owner for port %s owned by %s is not supported", p.ID, old.DeviceOwner)
	}
	if err := s.checkMACChange(tx, old, p); err != nil {
		return err
	}
	if err := s.readdress(c, tx, v, old, p); err != nil {
		return err
	}
	if err := s.resecure(c, tx, v, old, p); err != nil {
		return err
	}
	s.describe(v, p)
	if p.QoSPolicyID != nil && !equal(old.QoSPolicyID, p.QoSPolicyID) {
		if _, err := s.qosPolicy(tx, c, *p.QoSPolicyID); err != nil {
			return err
		}
	}
	had := append([]model.DHCPOption{}, old.ExtraDHCPOpts...)
	if err := s.dhcpOptions(v, p, had); err != nil {
		return err
	}
	if err := s.checkProfile(tx, p); err != nil {
		return err
	}
	if s.rebind(tx, old, p) {
		c.Memo = boundNow
	}
	return s.portChanges(tx, c, old, p)
}

func ovnPortUpdate(format string, args ...any) error {
	e := badResource("port", format, args...)
	e.Type = "OVNPortUpdateError"
	return e
}

func (s *Service) checkMACChange(r store.Reader, old, p *model.Port) error {
	if p.MACAddress == old.MACAddress {
		return nil
	}
	if old.VIFType != vifUnbound && old.VIFType != vifFailed {
		return rest.Conflict("PortBound", "Unable to complete operation on port %s, port is already bound, port type: %s, old_mac %s, new_mac %s.", p.ID, old.VIFType, old.MACAddress, p.MACAddress)
	}
	if trusted(p.DeviceOwner) {
		return rest.Conflict("UnsupportedPortDeviceOwner", "Operation mac address update is not supported for device_owner %s on port %s.", p.DeviceOwner, p.ID)
	}
	return s.chooseMAC(r, p)
}

// readdress gives a port the addresses that an update wishes for, and new ones
// where they were made of another MAC.
func (s *Service) readdress(c *rest.Call, tx *store.Tx, v rest.Values, old, p *model.Port) error {
	p.FixedIPs = old.FixedIPs
	if v.Has("fixed_ips") {
		var wishes []wish
		if err := v.Decode("fixed_ips", &wishes); err != nil {
			return err
		}
		a, err := s.assignmentOf(tx, p, func(sub *model.Subnet) bool { return s.seesSubnet(c, tx, sub) })
		if err != nil {
			return err
		}
		if err := a.reassign(old.FixedIPs, wishes); err != nil {
			return err
		}
		p.FixedIPs = a.addresses()
	}
	if p.MACAddress == old.MACAddress {
		return nil
	}
	fixed := slices.Clone(p.FixedIPs)
	for i, f := range fixed {
		sub := s.Subnets.Get(tx, f.SubnetID)
		if sub == nil || !isAuto(sub) || !isEUI64(f.IPAddress) {
			continue
		}
		if address, ok := eui64(cidrOf(sub), p.MACAddress); ok {
			fixed[i].IPAddress = address.String()
		}
	}
	p.FixedIPs = fixed
	return nil
}
