// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rig

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"github.com/kuryr-go/kuryr/test/openstack"
)

// Tenant makes networks and what belongs to them in one project.
type Tenant struct {
	// Project is the project's id.
	Project string
	// Client is a Neutron client of a member of the project.
	Client *gophercloud.ServiceClient
}

// NewTenant gives the tenant of a project, as its member. The project's
// deletion takes along what it makes.
func NewTenant(ctx context.Context, p *openstack.Project) (*Tenant, error) {
	client, err := p.Network(ctx)
	if err != nil {
		return nil, fmt.Errorf("rig: %w", err)
	}
	return &Tenant{Project: p.ID, Client: client}, nil
}

// Network is a tenant network with its subnets.
type Network struct {
	ID, Name string
	Subnets  []Subnet
}

// Subnet is one of its subnets.
type Subnet struct {
	ID, Name string
	CIDR     netip.Prefix
}

// Network makes a network with a subnet for each prefix.
func (t *Tenant) Network(ctx context.Context, name string, cidrs ...string) (Network, error) {
	n, err := networks.Create(ctx, t.Client, networks.CreateOpts{Name: name}).Extract()
	if err != nil {
		return Network{}, fmt.Errorf("rig: make network %s: %w", name, err)
	}
	made := Network{ID: n.ID, Name: name}
	for i, cidr := range cidrs {
		s, err := t.Subnet(ctx, n.ID, fmt.Sprintf("%s-%d", name, i), cidr)
		if err != nil {
			return made, err
		}
		made.Subnets = append(made.Subnets, s)
	}
	return made, nil
}

// nameserver is what the tenants' subnets say of DNS. Nobody answers there.
const nameserver = "203.0.113.53"

// Subnet makes a subnet with addresses by DHCP, and stateful ones for IPv6.
func (t *Tenant) Subnet(ctx context.Context, network, name, cidr string) (Subnet, error) {
	p, err := netip.ParsePrefix(cidr)
	if err != nil {
		return Subnet{}, fmt.Errorf("rig: make subnet %s: %w", name, err)
	}
	o := subnets.CreateOpts{NetworkID: network, Name: name, CIDR: cidr, IPVersion: 4, DNSNameservers: []string{nameserver}}
	if p.Addr().Is6() {
		o.IPVersion, o.IPv6AddressMode, o.IPv6RAMode = 6, "dhcpv6-stateful", "dhcpv6-stateful"
		o.DNSNameservers = nil
	}
	s, err := subnets.Create(ctx, t.Client, o).Extract()
	if err != nil {
		return Subnet{}, fmt.Errorf("rig: make subnet %s: %w", name, err)
	}
	return Subnet{ID: s.ID, Name: name, CIDR: p}, nil
}

// Router makes a router between subnets, with the external network as its
// gateway when it has an id.
func (t *Tenant) Router(ctx context.Context, name, external string, subnets ...Subnet) (string, error) {
	o := routers.CreateOpts{Name: name}
	if external != "" {
		o.GatewayInfo = &routers.GatewayInfo{NetworkID: external}
	}
	r, err := routers.Create(ctx, t.Client, o).Extract()
	if err != nil {
		return "", fmt.Errorf("rig: make router %s: %w", name, err)
	}
	for _, s := range subnets {
		if _, err := routers.AddInterface(ctx, t.Client, r.ID, routers.AddInterfaceOpts{SubnetID: s.ID}).Extract(); err != nil {
			return "", fmt.Errorf("rig: connect router %s to %s: %w", name, s.Name, err)
		}
	}
	return r.ID, nil
}

// Group makes a security group that lets nothing in and everything out.
func (t *Tenant) Group(ctx context.Context, name string) (string, error) {
	g, err := groups.Create(ctx, t.Client, groups.CreateOpts{Name: name}).Extract()
	if err != nil {
		return "", fmt.Errorf("rig: make security group %s: %w", name, err)
	}
	return g.ID, nil
}

// Let is what a rule lets in.
type Let struct {
	// Protocol is "tcp", "icmp", "ipv6-icmp" or "" for all.
	Protocol string
	// Port is the TCP port; zero: all.
	Port int
	// From is a security group whose members are let in; empty: everybody.
	From string
	// V6 makes it a rule for IPv6.
	V6 bool
}

// Rule adds a rule to a group and gives its id.
func (t *Tenant) Rule(ctx context.Context, group string, l Let) (string, error) {
	o := rules.CreateOpts{
		Direction: rules.DirIngress, EtherType: rules.EtherType4, SecGroupID: group,
		Protocol: rules.RuleProtocol(l.Protocol), PortRangeMin: l.Port, PortRangeMax: l.Port, RemoteGroupID: l.From,
	}
	if l.V6 {
		o.EtherType = rules.EtherType6
	}
	r, err := rules.Create(ctx, t.Client, o).Extract()
	if err != nil {
		return "", fmt.Errorf("rig: make rule: %w", err)
	}
	return r.ID, nil
}

// DeleteRule removes a rule.
func (t *Tenant) DeleteRule(ctx context.Context, id string) error {
	if err := rules.Delete(ctx, t.Client, id).ExtractErr(); err != nil {
		return fmt.Errorf("rig: delete rule %s: %w", id, err)
	}
	return nil
}

// OpenGroup makes a group that lets in ICMP of both families and all of TCP.
func (t *Tenant) OpenGroup(ctx context.Context, name string) (string, error) {
	g, err := t.Group(ctx, name)
	if err != nil {
		return "", err
	}
	for _, l := range []Let{{Protocol: "icmp"}, {Protocol: "tcp"}, {Protocol: "ipv6-icmp", V6: true}, {Protocol: "tcp", V6: true}} {
		if _, err := t.Rule(ctx, g, l); err != nil {
			return "", err
		}
	}
	return g, nil
}

// Port makes a port as a user would.
func (t *Tenant) Port(ctx context.Context, name string, n Network, groups ...string) (*ports.Port, error) {
	p, err := ports.Create(ctx, t.Client, ports.CreateOpts{Name: name, NetworkID: n.ID, SecurityGroups: &groups}).Extract()
	if err != nil {
		return nil, fmt.Errorf("rig: make port %s: %w", name, err)
	}
	return p, nil
}

// Ports lists what Kuryr made in the project.
func (t *Tenant) Ports(ctx context.Context) ([]ports.Port, error) {
	pages, err := ports.List(t.Client, ports.ListOpts{ProjectID: t.Project, DeviceOwner: "compute:kuryr"}).AllPages(ctx)
	if err != nil {
		return nil, fmt.Errorf("rig: list ports: %w", err)
	}
	list, err := ports.ExtractPorts(pages)
	if err != nil {
		return nil, fmt.Errorf("rig: list ports: %w", err)
	}
	return list, nil
}

// FloatingIP makes a floating IP on the external network for a port.
func (t *Tenant) FloatingIP(ctx context.Context, external, port string) (netip.Addr, error) {
	f, err := floatingips.Create(ctx, t.Client, floatingips.CreateOpts{FloatingNetworkID: external, PortID: port}).Extract()
	if err != nil {
		return netip.Addr{}, fmt.Errorf("rig: make floating ip: %w", err)
	}
	ip, err := netip.ParseAddr(f.FloatingIP)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("rig: make floating ip: %w", err)
	}
	return ip, nil
}
