// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"context"
	"encoding/json"
	"net/netip"
	"net/url"
	"time"
)

// Port is a Neutron port. Pointers are nil where the cloud does not tell: the
// extension is missing, or the policy hides the attribute from these
// credentials.
type Port struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	NetworkID string `json:"network_id"`
	ProjectID string `json:"project_id"`
	// Description is free text.
	Description string `json:"description"`
	// Status is ACTIVE, DOWN, BUILD or ERROR.
	Status       string `json:"status"`
	AdminStateUp bool   `json:"admin_state_up"`
	// DeviceID and DeviceOwner say who uses the port; both empty: nobody.
	DeviceID       string    `json:"device_id"`
	DeviceOwner    string    `json:"device_owner"`
	MACAddress     string    `json:"mac_address"`
	FixedIPs       []FixedIP `json:"fixed_ips"`
	SecurityGroups []string  `json:"security_groups"`
	// PortSecurityEnabled is of extension port-security.
	PortSecurityEnabled *bool `json:"port_security_enabled"`
	// QoSPolicyID is of extension qos.
	QoSPolicyID *string `json:"qos_policy_id"`
	// DNSName is of extension dns-integration.
	DNSName             string        `json:"dns_name"`
	AllowedAddressPairs []AddressPair `json:"allowed_address_pairs"`
	// HostID, VIFType and VIFDetails are of extension binding; by default
	// only administrators see them.
	HostID     *string        `json:"binding:host_id"`
	VIFType    *string        `json:"binding:vif_type"`
	VIFDetails map[string]any `json:"binding:vif_details"`
	// VNICType is "normal" unless somebody asked for another.
	VNICType string `json:"binding:vnic_type"`
	// Revision grows with every change (extension standard-attr-revisions).
	Revision int `json:"revision_number"`
	// CreatedAt is by the cloud's clock, in whole seconds (extension
	// standard-attr-timestamp); zero when the cloud does not tell.
	CreatedAt time.Time `json:"created_at"`
	// Tags are in no particular order (extension standard-attr-tag).
	Tags []string `json:"tags"`
}

// FixedIP is an address of a port. In a request one of the two may be left
// out: Neutron then chooses the address, or finds the subnet.
type FixedIP struct {
	SubnetID  string     `json:"subnet_id,omitempty"`
	IPAddress netip.Addr `json:"ip_address,omitzero"`
}

// AddressPair is a further source address of a port (extension
// allowed-address-pairs). IPAddress is an address or a prefix.
type AddressPair struct {
	IPAddress  string `json:"ip_address"`
	MACAddress string `json:"mac_address,omitempty"`
}

// PortCreate describes a port to be made. Zero values are left to Neutron.
type PortCreate struct {
	NetworkID    string    `json:"network_id"`
	ProjectID    string    `json:"project_id,omitempty"`
	Name         string    `json:"name,omitempty"`
	Description  string    `json:"description,omitempty"`
	AdminStateUp *bool     `json:"admin_state_up,omitempty"`
	DeviceID     string    `json:"device_id,omitempty"`
	DeviceOwner  string    `json:"device_owner,omitempty"`
	MACAddress   string    `json:"mac_address,omitempty"`
	FixedIPs     []FixedIP `json:"fixed_ips,omitempty"`
	// SecurityGroups are ids. nil: the project's default group; empty but not
	// nil: none.
	SecurityGroups      []string      `json:"security_groups,omitzero"`
	PortSecurityEnabled *bool         `json:"port_security_enabled,omitempty"`
	QoSPolicyID         string        `json:"qos_policy_id,omitempty"`
	DNSName             string        `json:"dns_name,omitempty"`
	AllowedAddressPairs []AddressPair `json:"allowed_address_pairs,omitempty"`
	HostID              string        `json:"binding:host_id,omitempty"`
	// Tags are refused by a cloud without the extension
	// tag-ports-during-bulk-creation.
	Tags []string `json:"tags,omitempty"`
}

// PortUpdate is a change of a port; what is nil stays as it is. A list
// replaces the whole of the old one; an empty one leaves none.
type PortUpdate struct {
	Name         *string `json:"name,omitempty"`
	Description  *string `json:"description,omitempty"`
	AdminStateUp *bool   `json:"admin_state_up,omitempty"`
	DeviceID     *string `json:"device_id,omitempty"`
	DeviceOwner  *string `json:"device_owner,omitempty"`
	HostID       *string `json:"binding:host_id,omitempty"`
	// FixedIPs: an address that is in the old list and the new one stays the
	// port's own.
	FixedIPs            *[]FixedIP     `json:"fixed_ips,omitempty"`
	SecurityGroups      *[]string      `json:"security_groups,omitempty"`
	AllowedAddressPairs *[]AddressPair `json:"allowed_address_pairs,omitempty"`
	// PortSecurityEnabled can become false only on a port that has no security
	// groups and no address pairs, or loses them by the same update.
	PortSecurityEnabled *bool             `json:"port_security_enabled,omitempty"`
	QoSPolicyID         *Nullable[string] `json:"qos_policy_id,omitempty"`
	DNSName             *string           `json:"dns_name,omitempty"`
	// IfRevision makes the change conditional: when the port's revision is
	// another, the error is a Conflict (extension revision-if-match).
	IfRevision *int `json:"-"`
}

// Nullable is an attribute that can be taken away: nil sets it to null.
type Nullable[T any] struct{ Value *T }

// MarshalJSON implements json.Marshaler.
func (n Nullable[T]) MarshalJSON() ([]byte, error) { return json.Marshal(n.Value) }

// PortFilter selects ports on the server's side. Fields are combined by and,
// the values of a list by or; what is empty does not filter. Lists may be of
// any length: where they make an address too long, several requests are made.
type PortFilter struct {
	IDs       []string
	Name      string
	NetworkID string
	ProjectID string
	// DeviceID is one more of DeviceIDs.
	DeviceID    string
	DeviceIDs   []string
	DeviceOwner string
	MACAddress  string
	Status      string
	// Host is binding:host_id.
	Host string
	// SubnetID and Address match one of the fixed IPs.
	SubnetID string
	Address  netip.Addr
	// Limit ends the list early; zero: all.
	Limit int
}

func (f PortFilter) query() url.Values {
	q := url.Values{}
	for _, id := range f.IDs {
		q.Add("id", id)
	}
	nonEmpty(q, "name", f.Name)
	nonEmpty(q, "network_id", f.NetworkID)
	nonEmpty(q, "project_id", f.ProjectID)
	nonEmpty(q, "device_id", f.DeviceID)
	for _, id := range f.DeviceIDs {
		q.Add("device_id", id)
	}
	nonEmpty(q, "device_owner", f.DeviceOwner)
	nonEmpty(q, "mac_address", f.MACAddress)
	nonEmpty(q, "status", f.Status)
	nonEmpty(q, "binding:host_id", f.Host)
	if f.SubnetID != "" {
		q.Add("fixed_ips", "subnet_id="+f.SubnetID)
	}
	if f.Address.IsValid() {
		q.Add("fixed_ips", "ip_address="+f.Address.String())
	}
	return q
}

// Ports lists the ports that match.
func (c *Client) Ports(ctx context.Context, f PortFilter) ([]Port, error) {
	return list[Port](ctx, c, portKind, f.query(), f.Limit)
}

// Port fetches one port. A port that is gone is NotFound.
func (c *Client) Port(ctx context.Context, id string) (Port, error) {
	return show[Port](ctx, c, portKind, id)
}

// UpdatePort changes a port and gives it as it is afterwards.
func (c *Client) UpdatePort(ctx context.Context, id string, u PortUpdate) (Port, error) {
	// A nil list would be sent as null, which not every attribute may be.
	u.FixedIPs, u.SecurityGroups = listed(u.FixedIPs), listed(u.SecurityGroups)
	u.AllowedAddressPairs = listed(u.AllowedAddressPairs)
	return update[Port](ctx, c, portKind, id, u, u.IfRevision)
}

// listed makes a nil list an empty one.
func listed[T any](list *[]T) *[]T {
	if list != nil && *list == nil {
		return &[]T{}
	}
	return list
}

// DeletePort deletes a port. A port that is gone is NotFound.
func (c *Client) DeletePort(ctx context.Context, id string) error {
	return c.remove(ctx, "delete port", portKind.path+"/"+url.PathEscape(id))
}
