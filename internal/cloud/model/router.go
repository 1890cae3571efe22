// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package model

// OwnerRouterInterface is the device_owner of a port that is a router's interface.
const OwnerRouterInterface = "network:router_interface"

// OwnerDistributed is the device_owner of a port that is on every hypervisor.
const OwnerDistributed = "network:distributed"

// Gateway is a router's way out.
type Gateway struct {
	NetworkID  string    `json:"network_id"`
	EnableSNAT bool      `json:"enable_snat"`
	FixedIPs   []FixedIP `json:"external_fixed_ips"`
	// QoSPolicyID limits what goes through the gateway.
	QoSPolicyID *string `json:"qos_policy_id,omitempty"`
	// PortID is the port with device_owner network:router_gateway.
	PortID string `json:"port_id" api:"-"`
}

// Router is a Neutron router. Its interfaces are the ports whose device_id it
// is and whose device_owner is OwnerRouterInterface.
type Router struct {
	Meta
	Name                  string   `json:"name"`
	Description           string   `json:"description"`
	AdminStateUp          bool     `json:"admin_state_up"`
	Status                string   `json:"status"`
	Gateway               *Gateway `json:"external_gateway_info"`
	Routes                []Route  `json:"routes"`
	HA                    bool     `json:"ha"`
	Distributed           bool     `json:"distributed"`
	FlavorID              *string  `json:"flavor_id"`
	AvailabilityZoneHints []string `json:"availability_zone_hints"`
}

// FloatingIP is an address of an external network that a router translates.
type FloatingIP struct {
	Meta
	Description       string  `json:"description"`
	FloatingIPAddress string  `json:"floating_ip_address"`
	FloatingNetworkID string  `json:"floating_network_id"`
	RouterID          *string `json:"router_id"`
	PortID            *string `json:"port_id"`
	FixedIPAddress    *string `json:"fixed_ip_address"`
	Status            string  `json:"status"`
	DNSName           string  `json:"dns_name"`
	DNSDomain         string  `json:"dns_domain"`
	QoSPolicyID       *string `json:"qos_policy_id"`
	// OwnPortID is the port that holds the address (device_owner network:floatingip).
	OwnPortID string `json:"own_port_id" api:"-"`
}

// PortForwarding sends one port, or as many as two ranges hold, of a floating IP to a port's.
type PortForwarding struct {
	Meta
	FloatingIPID      string `json:"floatingip_id" api:"-"`
	Description       string `json:"description"`
	Protocol          string `json:"protocol"`
	InternalPortID    string `json:"internal_port_id"`
	InternalIPAddress string `json:"internal_ip_address"`
	InternalPort      int    `json:"internal_port"`
	ExternalPort      int    `json:"external_port"`
	InternalPortRange string `json:"internal_port_range"`
	ExternalPortRange string `json:"external_port_range"`
}
