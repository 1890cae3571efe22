// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package model

import (
	"net/netip"
	"slices"
	"time"
)

// LBMeta is what every Octavia resource has.
type LBMeta struct {
	ID                 string     `json:"id"`
	ProjectID          string     `json:"project_id"`
	Name               string     `json:"name"`
	Description        string     `json:"description"`
	AdminStateUp       bool       `json:"admin_state_up"`
	ProvisioningStatus string     `json:"provisioning_status"`
	OperatingStatus    string     `json:"operating_status"`
	CreatedAt          time.Time  `json:"created_at"`
	UpdatedAt          *time.Time `json:"updated_at"`
	// Tags are sorted.
	Tags []string `json:"tags"`
	// Next is the operating status that the row has when what it is PENDING for
	// is done; empty: the one it has.
	Next string `json:"next,omitempty" api:"-"`
}

// LB gives the LBMeta of a row that embeds one.
func (m *LBMeta) LB() *LBMeta { return m }

// LoadBalancer is an Octavia load balancer.
type LoadBalancer struct {
	LBMeta
	VIPAddress       string          `json:"vip_address"`
	VIPPortID        string          `json:"vip_port_id"`
	VIPSubnetID      string          `json:"vip_subnet_id"`
	VIPNetworkID     string          `json:"vip_network_id"`
	VIPQoSPolicyID   *string         `json:"vip_qos_policy_id"`
	AdditionalVIPs   []AdditionalVIP `json:"additional_vips"`
	Provider         string          `json:"provider"`
	FlavorID         *string         `json:"flavor_id"`
	AvailabilityZone *string         `json:"availability_zone"`
	// OwnsVIPPort is false for a port that the user brought.
	OwnsVIPPort bool `json:"owns_vip_port" api:"-"`
}

// AdditionalVIP is one more address of a load balancer.
type AdditionalVIP struct {
	// IPAddress is empty where the provider took no notice of it.
	IPAddress string `json:"ip_address"`
	SubnetID  string `json:"subnet_id"`
	PortID    string `json:"port_id" api:"-"`
}

// vipPorts are the ports that hold the addresses.
func (r *LoadBalancer) vipPorts() []string {
	ports := []string{}
	if r.VIPPortID != "" {
		ports = append(ports, r.VIPPortID)
	}
	for _, vip := range r.AdditionalVIPs {
		if vip.PortID != "" && !slices.Contains(ports, vip.PortID) {
			ports = append(ports, vip.PortID)
		}
	}
	return ports
}

// Listener is an Octavia listener.
type Listener struct {
	LBMeta
	LoadBalancerID       string            `json:"loadbalancer_id" api:"-"`
	Protocol             string            `json:"protocol"`
	ProtocolPort         int               `json:"protocol_port"`
	ConnectionLimit      int               `json:"connection_limit"`
	DefaultPoolID        *string           `json:"default_pool_id"`
	DefaultTLSRef        *string           `json:"default_tls_container_ref"`
	SNIRefs              []string          `json:"sni_container_refs"`
	InsertHeaders        map[string]string `json:"insert_headers"`
	TimeoutClientData    *int              `json:"timeout_client_data"`
	TimeoutMemberConnect *int              `json:"timeout_member_connect"`
	TimeoutMemberData    *int              `json:"timeout_member_data"`
	TimeoutTCPInspect    *int              `json:"timeout_tcp_inspect"`
	ClientCATLSRef       *string           `json:"client_ca_tls_container_ref"`
	ClientAuthentication string            `json:"client_authentication"`
	ClientCRLRef         *string           `json:"client_crl_container_ref"`
	AllowedCIDRs         []string          `json:"allowed_cidrs"`
	TLSCiphers           *string           `json:"tls_ciphers"`
	TLSVersions          []string          `json:"tls_versions"`
	ALPNProtocols        []string          `json:"alpn_protocols"`
}

// SessionPersistence keeps a client at its member.
type SessionPersistence struct {
	Type        string  `json:"type"`
	CookieName  *string `json:"cookie_name"`
	Timeout     *int    `json:"persistence_timeout"`
	Granularity *string `json:"persistence_granularity"`
}

// LBPool is an Octavia pool.
type LBPool struct {
	LBMeta
	LoadBalancerID     string              `json:"loadbalancer_id" api:"-"`
	Protocol           string              `json:"protocol"`
	LBAlgorithm        string              `json:"lb_algorithm"`
	SessionPersistence *SessionPersistence `json:"session_persistence"`
	TLSEnabled         bool                `json:"tls_enabled"`
	TLSRef             *string             `json:"tls_container_ref"`
	CATLSRef           *string             `json:"ca_tls_container_ref"`
	CRLRef             *string             `json:"crl_container_ref"`
	TLSCiphers         *string             `json:"tls_ciphers"`
	TLSVersions        []string            `json:"tls_versions"`
	ALPNProtocols      []string            `json:"alpn_protocols"`
}

// Member is a member of a pool.
type Member struct {
	LBMeta
	PoolID         string  `json:"pool_id" api:"-"`
	Address        string  `json:"address"`
	ProtocolPort   int     `json:"protocol_port"`
	Weight         int     `json:"weight"`
	Backup         bool    `json:"backup"`
	SubnetID       *string `json:"subnet_id"`
	MonitorAddress *string `json:"monitor_address"`
	MonitorPort    *int    `json:"monitor_port"`
}

// CanonicalAddress gives an address in the form in which Neutron has it, for
// Octavia leaves it as its user wrote it.
func CanonicalAddress(s string) string {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.String()
	}
	return s
}

// HealthMonitor is the health monitor of a pool. Times are in seconds.
type HealthMonitor struct {
	LBMeta
	PoolID         string   `json:"pool_id" api:"-"`
	Type           string   `json:"type"`
	Delay          int      `json:"delay"`
	Timeout        int      `json:"timeout"`
	MaxRetries     int      `json:"max_retries"`
	MaxRetriesDown int      `json:"max_retries_down"`
	HTTPMethod     *string  `json:"http_method"`
	URLPath        *string  `json:"url_path"`
	ExpectedCodes  *string  `json:"expected_codes"`
	HTTPVersion    *float64 `json:"http_version"`
	DomainName     *string  `json:"domain_name"`
}

// L7Policy is an L7 policy of a listener.
type L7Policy struct {
	LBMeta
	ListenerID       string  `json:"listener_id"`
	Action           string  `json:"action"`
	Position         int     `json:"position"`
	RedirectPoolID   *string `json:"redirect_pool_id"`
	RedirectURL      *string `json:"redirect_url"`
	RedirectPrefix   *string `json:"redirect_prefix"`
	RedirectHTTPCode *int    `json:"redirect_http_code"`
}

// L7Rule is a rule of an L7 policy.
type L7Rule struct {
	LBMeta
	L7PolicyID  string  `json:"l7policy_id" api:"-"`
	Type        string  `json:"type"`
	CompareType string  `json:"compare_type"`
	Key         *string `json:"key"`
	Value       string  `json:"value"`
	Invert      bool    `json:"invert"`
}

// Flavor is an Octavia flavor.
type Flavor struct {
	ID              string `json:"id"`
	Name            string `json:"name"`
	Description     string `json:"description"`
	Enabled         bool   `json:"enabled"`
	FlavorProfileID string `json:"flavor_profile_id"`
}

// FlavorProfile is an Octavia flavor profile.
type FlavorProfile struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	ProviderName string `json:"provider_name"`
	FlavorData   string `json:"flavor_data"`
}

// AvailabilityZone is an Octavia availability zone. Its name is its id.
type AvailabilityZone struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Enabled     bool   `json:"enabled"`
	ProfileID   string `json:"availability_zone_profile_id"`
}

// AvailabilityZoneProfile is an Octavia availability zone profile.
type AvailabilityZoneProfile struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	ProviderName string `json:"provider_name"`
	ZoneData     string `json:"availability_zone_data"`
}
