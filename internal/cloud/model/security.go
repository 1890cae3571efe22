// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package model

// SecurityGroup is a Neutron security group.
type SecurityGroup struct {
	Meta
	Name        string `json:"name"`
	Description string `json:"description"`
	Stateful    bool   `json:"stateful"`
	// IsDefault marks the group that a project has from its first use.
	IsDefault bool `json:"is_default" api:"-"`
}

// SecurityGroupRule lets one kind of packet through.
type SecurityGroupRule struct {
	Meta
	SecurityGroupID      string  `json:"security_group_id"`
	Description          *string `json:"description"`
	Direction            string  `json:"direction"`
	EtherType            string  `json:"ethertype"`
	Protocol             *string `json:"protocol"`
	PortRangeMin         *int    `json:"port_range_min"`
	PortRangeMax         *int    `json:"port_range_max"`
	RemoteGroupID        *string `json:"remote_group_id"`
	RemoteIPPrefix       *string `json:"remote_ip_prefix"`
	RemoteAddressGroupID *string `json:"remote_address_group_id"`
	NormalizedCIDR       *string `json:"normalized_cidr"`
}

// AddressGroup is a list of prefixes that rules may name.
type AddressGroup struct {
	Meta
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Addresses   []string `json:"addresses"`
	Shared      bool     `json:"shared"`
}

// QoSPolicy is a Neutron QoS policy.
type QoSPolicy struct {
	Meta
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Shared      bool      `json:"shared"`
	IsDefault   bool      `json:"is_default"`
	Rules       []QoSRule `json:"rules"`
}

// QoSRule is a rule of a QoS policy. Type is bandwidth_limit, dscp_marking,
// minimum_bandwidth, packet_rate_limit or minimum_packet_rate.
type QoSRule struct {
	ID           string `json:"id"`
	Type         string `json:"type"`
	MaxKbps      int    `json:"max_kbps,omitempty"`
	MaxBurstKbps int    `json:"max_burst_kbps,omitempty"`
	MinKbps      int    `json:"min_kbps,omitempty"`
	MaxKpps      int    `json:"max_kpps,omitempty"`
	MaxBurstKpps int    `json:"max_burst_kpps,omitempty"`
	MinKpps      int    `json:"min_kpps,omitempty"`
	Direction    string `json:"direction,omitempty"`
	DSCPMark     int    `json:"dscp_mark,omitempty"`
}
