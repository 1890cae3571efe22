// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package lease

import (
	"net/netip"
)

// Demand says which port an attachment needs. Names are Neutron names or
// ids, resolved by the supply. Empty fields mean the node's defaults.
type Demand struct {
	// Port asks for an existing port, by name or id, to be adopted: it is used
	// as it is and given back untouched. It excludes every field below but Project and Network.
	Port string `json:"port,omitempty"`
	// Project limits the resolution of names to one project (name or id) and
	// owns the port made. Empty: the project of the credentials.
	Project string `json:"project,omitempty"`
	// Network is the network's name or id.
	Network string `json:"network,omitempty"`
	// Subnets are names or ids of subnets of Network; one address is taken
	// from each. Empty: Neutron chooses (one per address family).
	Subnets []string `json:"subnets,omitempty"`
	// SecurityGroups are names or ids. nil: the project's default group; empty
	// but not nil: none at all.
	SecurityGroups []string `json:"securityGroups"`
	// FixedIPs are the exact addresses wanted, each in a subnet of Network.
	FixedIPs []netip.Addr `json:"fixedIPs,omitempty"`
	// MAC is the hardware address wanted, in colon notation; empty: Neutron's choice.
	MAC string `json:"mac,omitempty"`
	// Name is the port's name; empty: one that tells node and sandbox.
	Name string `json:"name,omitempty"`
	// DNSName is the port's dns_name (Neutron extension dns-integration).
	DNSName string `json:"dnsName,omitempty"`
	// QoSPolicy is the name or id of a QoS policy.
	QoSPolicy string `json:"qosPolicy,omitempty"`
	// AllowedAddressPairs are further source addresses the port may use.
	AllowedAddressPairs []AddressPair `json:"allowedAddressPairs,omitempty"`
	// PortSecurity switches anti-spoofing and security groups; nil: the network's default.
	PortSecurity *bool `json:"portSecurity,omitempty"`
}

// AddressPair is one allowed address pair (Neutron extension allowed-address-pairs).
type AddressPair struct {
	// IPAddress is an address or a prefix in Neutron's spelling.
	IPAddress string `json:"ipAddress"`
	// MACAddress is in colon notation; empty: the port's own.
	MACAddress string `json:"macAddress,omitempty"`
}

// Lease is a Neutron port handed to this node.
type Lease struct {
	// PortID is the port's UUID.
	PortID string `json:"portID"`
	// PortName is the port's name in Neutron.
	PortName string `json:"portName,omitempty"`
	// Network is the port's network.
	Network Ref `json:"network"`
	// NetworkType is provider:network_type where the credentials may see it, else empty.
	NetworkType string `json:"networkType,omitempty"`
	// ProjectID owns the port.
	ProjectID string `json:"projectID,omitempty"`
	// Host is the port's binding:host_id.
	Host string `json:"host,omitempty"`
	// DeviceID is the attachment's UUID, which the port carries as device_id
	// while it is leased. A port that carries another is nobody's to give back.
	DeviceID string `json:"deviceID,omitempty"`
	// MAC is the port's hardware address, lower case, colon notation.
	MAC string `json:"mac"`
	// MTU is the network's MTU in bytes; zero when Neutron does not say.
	MTU int `json:"mtu,omitempty"`
	// Addresses are the fixed IPs in the port's order.
	Addresses []Address `json:"addresses"`
	// Routes are the subnets' host routes. Default routes come from the gateways.
	Routes []Route `json:"routes,omitempty"`
	// DNS is what the subnets and the network say of name resolution.
	DNS DNS `json:"dns"`
	// SecurityGroups are the port's groups, with their names where they may be seen.
	SecurityGroups []Ref `json:"securityGroups,omitempty"`
	// PortSecurity is the port's port_security_enabled; nil when Neutron does not say.
	PortSecurity *bool `json:"portSecurity,omitempty"`
	// VIFType is binding:vif_type as Neutron bound it ("ovs").
	VIFType string `json:"vifType,omitempty"`
	// Bridge is binding:vif_details' bridge_name; empty when Neutron does not say.
	Bridge string `json:"bridge,omitempty"`
	// Adopted is set for a port that Kuryr did not make: it is never deleted.
	Adopted *Adoption `json:"adopted,omitempty"`
}

// Ref is a cloud object's id and, where known, its name.
type Ref struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// String gives the name, or the id of something nameless.
func (r Ref) String() string {
	if r.Name != "" {
		return r.Name
	}
	return r.ID
}

// Address is one fixed IP with its subnet.
type Address struct {
	// Prefix is the address with its subnet's prefix length (10.0.0.5/24).
	Prefix netip.Prefix `json:"prefix"`
	// Gateway is the subnet's gateway_ip; the zero Addr when it has none.
	Gateway netip.Addr `json:"gateway,omitzero"`
	// Subnet is the subnet it is from.
	Subnet Ref `json:"subnet"`
}

// Route is a host route of a subnet.
type Route struct {
	Dst netip.Prefix `json:"dst"`
	Via netip.Addr   `json:"via"`
}

// DNS is a resolver configuration.
type DNS struct {
	Nameservers []netip.Addr `json:"nameservers,omitempty"`
	Domain      string       `json:"domain,omitempty"`
	Search      []string     `json:"search,omitempty"`
}

// Adoption remembers what an adopted port looked like, so that it can be
// given back as it was.
type Adoption struct {
	// DeviceID, DeviceOwner and Host are the port's values before it was taken.
	DeviceID    string `json:"deviceID"`
	DeviceOwner string `json:"deviceOwner"`
	Host        string `json:"host"`
}

// Has reports whether one of the lease's addresses is a.
func (l *Lease) Has(a netip.Addr) bool {
	for _, x := range l.Addresses {
		if x.Prefix.Addr() == a {
			return true
		}
	}
	return false
}
