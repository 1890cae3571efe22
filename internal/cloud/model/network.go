// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package model

// Network is a Neutron network with its one segment.
type Network struct {
	Meta
	Name                  string   `json:"name"`
	Description           string   `json:"description"`
	AdminStateUp          bool     `json:"admin_state_up"`
	Status                string   `json:"status"`
	External              bool     `json:"router:external"`
	IsDefault             bool     `json:"is_default"`
	MTU                   int      `json:"mtu"`
	PortSecurityEnabled   bool     `json:"port_security_enabled"`
	NetworkType           string   `json:"provider:network_type"`
	PhysicalNetwork       *string  `json:"provider:physical_network"`
	SegmentationID        *int     `json:"provider:segmentation_id"`
	DNSDomain             string   `json:"dns_domain"`
	QoSPolicyID           *string  `json:"qos_policy_id"`
	VLANTransparent       *bool    `json:"vlan_transparent"`
	AvailabilityZoneHints []string `json:"availability_zone_hints"`
}

// Pool is a range of addresses, both ends in it.
type Pool struct {
	Start string `json:"start"`
	End   string `json:"end"`
}

// Route is a route by next hop, of a subnet's hosts or a router's.
type Route struct {
	Destination string `json:"destination"`
	NextHop     string `json:"nexthop"`
}

// Subnet is a Neutron subnet.
type Subnet struct {
	Meta
	Name            string   `json:"name"`
	Description     string   `json:"description"`
	NetworkID       string   `json:"network_id"`
	IPVersion       int      `json:"ip_version"`
	CIDR            string   `json:"cidr"`
	GatewayIP       *string  `json:"gateway_ip"`
	AllocationPools []Pool   `json:"allocation_pools"`
	EnableDHCP      bool     `json:"enable_dhcp"`
	DNSNameservers  []string `json:"dns_nameservers"`
	HostRoutes      []Route  `json:"host_routes"`
	IPv6AddressMode *string  `json:"ipv6_address_mode"`
	IPv6RAMode      *string  `json:"ipv6_ra_mode"`
	SubnetPoolID    *string  `json:"subnetpool_id"`
	SegmentID       *string  `json:"segment_id"`
	ServiceTypes    []string `json:"service_types"`
	DNSPublish      bool     `json:"dns_publish_fixed_ip"`
}

// SubnetPool is a Neutron subnet pool.
type SubnetPool struct {
	Meta
	Name             string   `json:"name"`
	Description      string   `json:"description"`
	Prefixes         []string `json:"prefixes"`
	MinPrefixLen     int      `json:"min_prefixlen"`
	MaxPrefixLen     int      `json:"max_prefixlen"`
	DefaultPrefixLen int      `json:"default_prefixlen"`
	DefaultQuota     *int     `json:"default_quota"`
	AddressScopeID   *string  `json:"address_scope_id"`
	IPVersion        int      `json:"ip_version"`
	Shared           bool     `json:"shared"`
	IsDefault        bool     `json:"is_default"`
}

// AddressScope is a Neutron address scope.
type AddressScope struct {
	Meta
	Name      string `json:"name"`
	IPVersion int    `json:"ip_version"`
	Shared    bool   `json:"shared"`
}

// FixedIP is an address of a port.
type FixedIP struct {
	SubnetID  string `json:"subnet_id"`
	IPAddress string `json:"ip_address"`
}

// AddressPair is an address that a port may use beside its own.
type AddressPair struct {
	IPAddress  string `json:"ip_address"`
	MACAddress string `json:"mac_address"`
}

// DHCPOption is an extra DHCP option of a port.
type DHCPOption struct {
	Name      string  `json:"opt_name"`
	Value     *string `json:"opt_value"`
	IPVersion int     `json:"ip_version"`
}

// Port is a Neutron port.
type Port struct {
	Meta
	Name                string         `json:"name"`
	Description         string         `json:"description"`
	NetworkID           string         `json:"network_id"`
	MACAddress          string         `json:"mac_address"`
	AdminStateUp        bool           `json:"admin_state_up"`
	Status              string         `json:"status"`
	DeviceID            string         `json:"device_id"`
	DeviceOwner         string         `json:"device_owner"`
	FixedIPs            []FixedIP      `json:"fixed_ips"`
	AllowedAddressPairs []AddressPair  `json:"allowed_address_pairs"`
	ExtraDHCPOpts       []DHCPOption   `json:"extra_dhcp_opts"`
	PortSecurityEnabled bool           `json:"port_security_enabled"`
	SecurityGroups      []string       `json:"security_groups"`
	QoSPolicyID         *string        `json:"qos_policy_id"`
	QoSNetworkPolicyID  *string        `json:"qos_network_policy_id"`
	DNSName             string         `json:"dns_name"`
	DNSDomain           string         `json:"dns_domain"`
	HostID              string         `json:"binding:host_id"`
	VNICType            string         `json:"binding:vnic_type"`
	VIFType             string         `json:"binding:vif_type"`
	VIFDetails          map[string]any `json:"binding:vif_details"`
	Profile             map[string]any `json:"binding:profile"`
	PropagateUplink     bool           `json:"propagate_uplink_status"`
	// Claimed is true while OVN says that the port is up on its chassis.
	Claimed bool `json:"claimed" api:"-"`
	// Inactive are the bindings beside that of the binding columns.
	Inactive []PortBinding `json:"inactive,omitempty" api:"-"`
}

// PortBinding is how a port is bound on a host that it may move to.
type PortBinding struct {
	Host       string         `json:"host"`
	VNICType   string         `json:"vnic_type"`
	VIFType    string         `json:"vif_type"`
	VIFDetails map[string]any `json:"vif_details"`
	Profile    map[string]any `json:"profile"`
}

// Trunk is a Neutron trunk: a parent port and its subports.
type Trunk struct {
	Meta
	Name         string    `json:"name"`
	Description  string    `json:"description"`
	PortID       string    `json:"port_id"`
	AdminStateUp bool      `json:"admin_state_up"`
	Status       string    `json:"status"`
	SubPorts     []SubPort `json:"sub_ports" api:"-"`
}

// SubPort is a port behind a trunk's parent, told apart by its VLAN tag.
type SubPort struct {
	PortID           string `json:"port_id"`
	SegmentationType string `json:"segmentation_type"`
	SegmentationID   int    `json:"segmentation_id"`
}

// RBACPolicy lets another project use a resource (action access_as_shared,
// access_as_external). TargetTenant is a project or "*".
type RBACPolicy struct {
	Meta
	ObjectType   string `json:"object_type"`
	ObjectID     string `json:"object_id"`
	Action       string `json:"action"`
	TargetTenant string `json:"target_tenant"`
}

// Quota is a project's limit of one kind of resource; -1 is none.
type Quota struct {
	ProjectID string `json:"project_id"`
	// Service is "network" or "load-balancer".
	Service  string `json:"service"`
	Resource string `json:"resource"`
	Limit    int    `json:"limit"`
}
