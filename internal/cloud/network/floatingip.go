// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func badFloatingIP(format string, args ...any) *api.Error {
	return badResource("floatingip", format, args...)
}

func floatingIPNotFound(id string) error {
	return rest.NotFound("FloatingIPNotFound", "Floating IP %s could not be found", id)
}

func (s *Service) serveFloatingIPs() {
	rest.Add(s.engine, &rest.Resource[model.FloatingIP]{
		Name: "floatingip", Plural: "floatingips", Kind: "FloatingIP",
		Attributes: s.attributes["floatingips"], Table: s.FloatingIPs,
		Meta:   func(f *model.FloatingIP) *model.Meta { return &f.Meta },
		Tagged: true, Quota: "floatingip", NoBulk: true, EmptyCounts: true,
		NotFound: func(_ *rest.Call, id string) error { return floatingIPNotFound(id) },
		Indexes: []rest.By[model.FloatingIP]{
			{Filter: "port_id", Index: s.Index.FloatingIPByPort},
			{Filter: "router_id", Index: s.Index.FloatingIPByRouter},
			{Filter: "floating_ip_address", Index: s.Index.FloatingIPByAddress},
			{Filter: "floating_network_id", Index: s.Index.FloatingIPByNetwork},
			{Filter: "project_id", Index: s.Index.FloatingIPByProject},
		},
		View:   s.viewFloatingIP,
		Create: s.createFloatingIP,
		Update: s.updateFloatingIP,
		Delete: s.deleteFloatingIP,
	})
	s.servePortForwardings()
	s.serveFloatingIPPools()
}

// unsettled is what the answer to a change shows, as OVN has not got it yet: the
// status before, and a revision without the steps of the new status.
type unsettled struct {
	status string
	steps  int64
}

// awaits has OVN get a changed floating IP, whose router was the one given.
func awaits(c *rest.Call, f *model.FloatingIP, status string, router *string) {
	before := unsettled{status: status}
	if router != nil || f.RouterID != nil {
		before.steps = 1
		f.RevisionNumber++
	}
	c.Memo = before
}

func (s *Service) viewFloatingIP(c *rest.Call, r store.Reader, f *model.FloatingIP, shown map[string]any) {
	// The answer to a change is written before OVN has it.
	if before, changed := c.Memo.(unsettled); changed {
		shown["status"], shown["revision_number"] = before.status, f.RevisionNumber-before.steps
	}
	shown["port_details"] = nil
	if f.PortID != nil {
		if p := s.Ports.Get(r, *f.PortID); p != nil {
			shown["port_details"] = map[string]any{
				"name": p.Name, "network_id": p.NetworkID, "mac_address": p.MACAddress, "admin_state_up": p.AdminStateUp,
				"status": p.Status, "device_id": p.DeviceID, "device_owner": p.DeviceOwner,
			}
		}
	}
	forwardings := []map[string]any{}
	for pf := range s.PortForwardings.By(r, s.Index.ForwardingByFloating, f.ID) {
		m := map[string]any{"id": pf.ID, "protocol": pf.Protocol, "internal_ip_address": pf.InternalIPAddress, "internal_port_id": pf.InternalPortID}
		showPorts(m, pf)
		forwardings = append(forwardings, m)
	}
	shown["port_forwardings"] = forwardings
}

func (s *Service) createFloatingIP(c *rest.Call, tx *store.Tx, v rest.Values, f *model.FloatingIP) error {
	f.RouterID, f.PortID, f.FixedIPAddress = nil, nil, nil
	f.DNSName, f.DNSDomain = "", "" // Neutron keeps them where it has a DNS driver
	if err := s.externalNetwork(c, tx, f.FloatingNetworkID); err != nil {
		return err
	}
	own, err := s.floatingPort(tx, v, f)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(own.FixedIPs, func(a model.FixedIP) bool { return isIPv4(a.IPAddress) })
	if at < 0 {
		return badRequest("ExternalIpAddressExhausted", "Unable to find any IP address on external network %s.", f.FloatingNetworkID)
	}
	f.OwnPortID, f.FloatingIPAddress = own.ID, own.FixedIPs[at].IPAddress
	a, err := s.associationOf(c, tx, v, f)
	if err != nil {
		return err
	}
	a.store(f)
	awaits(c, f, statusDown, nil)
	return s.checkFloatingQoS(c, tx, f)
}

func (s *Service) checkFloatingQoS(c *rest.Call, r store.Reader, f *model.FloatingIP) error {
	if f.QoSPolicyID == nil {
		return nil
	}
	_, err := s.qosPolicy(r, c, *f.QoSPolicyID)
	return err
}

func (s *Service) externalNetwork(c *rest.Call, r store.Reader, id string) error {
	n, err := s.network(c, r, id)
	if err != nil {
		return err
	}
	if !n.External {
		return badFloatingIP("Network %s is not a valid external network", id)
	}
	for sub := range s.Subnets.By(r, s.Index.SubnetByNetwork, id) {
		if sub.IPVersion == 4 {
			return nil
		}
	}
	return badFloatingIP("Network %s does not contain any IPv4 subnet", id)
}

// floatingPort makes the port that holds the address. No project owns it.
func (s *Service) floatingPort(tx *store.Tx, v rest.Values, f *model.FloatingIP) (*model.Port, error) {
	p := model.Port{
		NetworkID: f.FloatingNetworkID, AdminStateUp: true, DeviceID: f.ID, DeviceOwner: ownerFloatingIP,
	}
	w := wish{SubnetID: v.String("subnet_id"), IPAddress: v.String("floating_ip_address")}
	if w != (wish{}) {
		p.FixedIPs = []model.FixedIP{model.FixedIP(w)}
	}
	own, err := s.AllocatePort(tx, p)
	if err != nil {
		return nil, err
	}
	return s.withStatus(tx, own, statusNotApplicable), nil
}

// withStatus gives a port that the same change has made another status.
func (s *Service) withStatus(tx *store.Tx, made *model.Port, status string) *model.Port {
	p := *made
	p.Status = status
	p.RevisionNumber++
	s.Ports.Put(tx, &p)
	return &p
}

func (s *Service) updateFloatingIP(c *rest.Call, tx *store.Tx, v rest.Values, old, f *model.FloatingIP) error {
	f.RouterID, f.PortID, f.FixedIPAddress = old.RouterID, old.PortID, old.FixedIPAddress
	a, err := s.associationOf(c, tx, v, old)
	if err != nil {
		return err
	}
	if v.String("port_id") != "" && s.PortForwardings.First(tx, s.Index.ForwardingByFloating, f.ID) != nil {
		return floatingIPForwards(f.ID)
	}
	a.store(f)
	awaits(c, f, old.Status, old.RouterID)
	if !v.Has("qos_policy_id") {
		f.QoSPolicyID = nil // so does Neutron
	}
	return s.checkFloatingQoS(c, tx, f)
}

func floatingIPForwards(id string) error {
	return rest.Conflict("FipInUseByPortForwarding", "Floating IP %s in use by Port Forwarding resources.", id)
}

func (s *Service) deleteFloatingIP(_ *rest.Call, tx *store.Tx, f *model.FloatingIP) error {
	if s.PortForwardings.First(tx, s.Index.ForwardingByFloating, f.ID) != nil {
		return floatingIPForwards(f.ID)
	}
	s.ReleasePort(tx, f.OwnPortID)
	return nil
}

// association is where a floating IP leads to: nowhere when it is zero.
type association struct {
	port, address, router string
}

// store puts the association into a floating IP. OVN translates at once, whether the port is up or not.
func (a association) store(f *model.FloatingIP) {
	text := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	f.PortID, f.FixedIPAddress, f.RouterID = text(a.port), text(a.address), text(a.router)
	f.Status = statusDown
	if a.router != "" {
		f.Status = statusActive
	}
}

// associationOf gives where a floating IP shall lead to, when it was f so far.
func (s *Service) associationOf(c *rest.Call, r store.Reader, v rest.Values, f *model.FloatingIP) (a association, err error) {
	port, fixed := v.String("port_id"), v.String("fixed_ip_address")
	if fixed != "" && port == "" {
		return a, badFloatingIP("fixed_ip_address cannot be specified without a port_id")
	}
	had := ""
	if f.PortID != nil {
		had = *f.PortID
	}
	switch {
	case port != "":
		if a, err = s.associate(c, r, f, port, fixed); err != nil || port == had {
			return a, err
		}
		if err := s.checkAssociated(r, f, a); err != nil {
			return a, err
		}
	case len(v) > 0 && !v.Has("port_id") && had != "":
		if a, err = s.associate(c, r, f, had, ""); err != nil {
			return a, err
		}
	}
	if had == "" && f.RouterID != nil {
		a.router = *f.RouterID // it forwards ports
	}
	return a, nil
}

// checkAssociated refuses a second floating IP of the same network for an address.
func (s *Service) checkAssociated(r store.Reader, f *model.FloatingIP, a association) error {
	for other := range s.FloatingIPs.By(r, s.Index.FloatingIPByPort, a.port) {
		if other.ID != f.ID && other.FloatingNetworkID == f.FloatingNetworkID && other.FixedIPAddress != nil && *other.FixedIPAddress == a.address {
			return alreadyAssociated(f, a.port, a.address)
		}
	}
	return nil
}

func alreadyAssociated(f *model.FloatingIP, port, address string) error {
	return rest.Conflict("FloatingIPPortAlreadyAssociated",
		"Cannot associate floating IP %s (%s) with port %s using fixed IP %s, as that fixed IP already has a floating IP on external network %s.",
		f.FloatingIPAddress, f.ID, port, address, f.FloatingNetworkID)
}

// associate finds the address of a port, and the router between it and the floating IP.
func (s *Service) associate(c *rest.Call, r store.Reader, f *model.FloatingIP, port, fixed string) (a association, err error) {
	p := s.Ports.Get(r, port)
	switch {
	case p == nil || !s.seesPort(c, r, p):
		return a, portNotFound(port)
	case p.ProjectID != f.ProjectID && !c.Caller.Admin():
		return a, badFloatingIP("Cannot process floating IP association with Port %s, since that port is owned by a different tenant", port)
	case p.DeviceOwner == ownerDHCP:
		return a, badFloatingIP("Port %%(id)s is unable to be assigned a floating IP")
	}
	at, err := fixedIPOf(p, fixed)
	if err != nil {
		return a, err
	}
	router := s.routerBetween(r, p, at.SubnetID, f.FloatingNetworkID)
	if router == "" {
		return a, rest.NotFound("ExternalGatewayForFloatingIPNotFound",
			"External network %s is not reachable from subnet %s.  Therefore, cannot associate Port %s with a Floating IP.",
			f.FloatingNetworkID, at.SubnetID, port)
	}
	return association{port, at.IPAddress, router}, nil
}

// fixedIPOf gives the address of a port that is asked for, or its only one.
func fixedIPOf(p *model.Port, fixed string) (model.FixedIP, error) {
	if fixed != "" {
		if !isIPv4(fixed) {
			return model.FixedIP{}, badFloatingIP("Cannot process floating IP association with %s, since that is not an IPv4 address", fixed)
		}
		for _, f := range p.FixedIPs {
			if f.IPAddress == fixed {
				return f, nil
			}
		}
		return model.FixedIP{}, badFloatingIP("Port %s does not have fixed ip %s", p.ID, fixed)
	}
	all := ipv4Of(p)
	switch len(all) {
	case 0:
		return model.FixedIP{}, badFloatingIP("Cannot add floating IP to port %s that has no fixed IPv4 addresses", p.ID)
	case 1:
		return all[0], nil
	}
	return model.FixedIP{}, badFloatingIP("Port %s has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when assigning a floating IP", p.ID)
}

func ipv4Of(p *model.Port) (all []model.FixedIP) {
	for _, f := range p.FixedIPs {
		if isIPv4(f.IPAddress) {
			all = append(all, f)
		}
	}
	return all
}

// routerBetween gives the router between a port's subnet and an external
// network: the one with the subnet's gateway address, or else any.
func (s *Service) routerBetween(r store.Reader, p *model.Port, subnet, network string) (router string) {
	sub := s.Subnets.Get(r, subnet)
	for i := range s.Ports.By(r, s.Index.InterfaceByNetwork, p.NetworkID) {
		row := s.Routers.Get(r, i.DeviceID)
		if row == nil || row.Gateway == nil || row.Gateway.NetworkID != network {
			continue
		}
		for _, f := range i.FixedIPs {
			if f.SubnetID != subnet {
				continue
			}
			if sub != nil && sub.GatewayIP != nil && *sub.GatewayIP == f.IPAddress {
				return row.ID
			}
			if router == "" || row.ID < router {
				router = row.ID
			}
		}
	}
	return router
}

// disassociate takes a port that goes out of the floating IPs.
func (s *Service) disassociate(tx *store.Tx, port string) {
	for _, old := range slices.Collect(s.FloatingIPs.By(tx, s.Index.FloatingIPByPort, port)) {
		f := *old
		association{}.store(&f)
		s.engine.Touch(&f.Meta)
		f.RevisionNumber++ // for the status
		s.FloatingIPs.Put(tx, &f)
	}
}
