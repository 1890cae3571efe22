// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"context"
	"net/netip"
	"net/url"
)

// Network is a Neutron network.
type Network struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	ProjectID    string `json:"project_id"`
	Status       string `json:"status"`
	AdminStateUp bool   `json:"admin_state_up"`
	// Shared: every project may use it.
	Shared bool `json:"shared"`
	// External is of extension external-net.
	External bool `json:"router:external"`
	// MTU in bytes; zero when the cloud does not say (extension net-mtu).
	MTU int `json:"mtu"`
	// DNSDomain ends in a dot or is empty (extension dns-integration).
	DNSDomain string `json:"dns_domain"`
	// PortSecurityEnabled is the default of the network's ports.
	PortSecurityEnabled *bool `json:"port_security_enabled"`
	// NetworkType, PhysicalNetwork and SegmentationID are of extension
	// provider, and empty where the policy hides them.
	NetworkType     string `json:"provider:network_type"`
	PhysicalNetwork string `json:"provider:physical_network"`
	SegmentationID  int    `json:"provider:segmentation_id"`
}

// Subnet is a Neutron subnet.
type Subnet struct {
	ID        string       `json:"id"`
	Name      string       `json:"name"`
	NetworkID string       `json:"network_id"`
	ProjectID string       `json:"project_id"`
	IPVersion int          `json:"ip_version"`
	CIDR      netip.Prefix `json:"cidr"`
	// GatewayIP is the zero Addr when there is none.
	GatewayIP      netip.Addr   `json:"gateway_ip"`
	DNSNameservers []netip.Addr `json:"dns_nameservers"`
	HostRoutes     []HostRoute  `json:"host_routes"`
	EnableDHCP     bool         `json:"enable_dhcp"`
	// IPv6AddressMode is slaac, dhcpv6-stateful, dhcpv6-stateless or empty.
	IPv6AddressMode string `json:"ipv6_address_mode"`
}

// HostRoute is a route that a subnet gives to its hosts.
type HostRoute struct {
	Destination netip.Prefix `json:"destination"`
	NextHop     netip.Addr   `json:"nexthop"`
}

// SecurityGroup is a Neutron security group, without its rules.
type SecurityGroup struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	ProjectID string `json:"project_id"`
	// Shared is of extension security-groups-shared-filtering.
	Shared bool `json:"shared"`
}

// QoSPolicy is a Neutron QoS policy, without its rules.
type QoSPolicy struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	ProjectID string `json:"project_id"`
	Shared    bool   `json:"shared"`
}

// Agent is what Neutron knows of a networking agent on a host; with ML2/OVN,
// of the host's ovn-controller. By default only administrators see them.
type Agent struct {
	ID    string `json:"id"`
	Type  string `json:"agent_type"`
	Host  string `json:"host"`
	Alive bool   `json:"alive"`
}

// Filter selects networks, subnets, security groups or QoS policies on the
// server's side. Fields are combined by and, the values of a list by or; what
// is empty does not filter.
type Filter struct {
	IDs       []string
	Name      string
	ProjectID string
	// NetworkID is for subnets alone.
	NetworkID string
	// Limit ends the list early; zero: all.
	Limit int
}

func (f Filter) query() url.Values {
	q := url.Values{}
	for _, id := range f.IDs {
		q.Add("id", id)
	}
	nonEmpty(q, "name", f.Name)
	nonEmpty(q, "project_id", f.ProjectID)
	nonEmpty(q, "network_id", f.NetworkID)
	return q
}

// Networks lists the networks that match.
func (c *Client) Networks(ctx context.Context, f Filter) ([]Network, error) {
	return list[Network](ctx, c, networkKind, f.query(), f.Limit)
}

// Subnets lists the subnets that match.
func (c *Client) Subnets(ctx context.Context, f Filter) ([]Subnet, error) {
	return list[Subnet](ctx, c, subnetKind, f.query(), f.Limit)
}

// SecurityGroups lists the security groups that match.
func (c *Client) SecurityGroups(ctx context.Context, f Filter) ([]SecurityGroup, error) {
	return list[SecurityGroup](ctx, c, groupKind, f.query(), f.Limit)
}

// QoSPolicies lists the QoS policies that match.
func (c *Client) QoSPolicies(ctx context.Context, f Filter) ([]QoSPolicy, error) {
	return list[QoSPolicy](ctx, c, qosKind, f.query(), f.Limit)
}

// Agents lists the agents on a host, or all when host is empty. It is empty
// too where the policy hides them.
func (c *Client) Agents(ctx context.Context, host string) ([]Agent, error) {
	q := url.Values{}
	nonEmpty(q, "host", host)
	return list[Agent](ctx, c, agentKind, q, 0)
}
