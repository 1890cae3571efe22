// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/loadbalancer/wsme"
)

// The words that Octavia knows (octavia_lib/common/constants.py).
var (
	listenerProtocols = wsme.Enum{"TCP", "HTTPS", "HTTP", "TERMINATED_HTTPS", "UDP", "SCTP", "PROMETHEUS"}
	poolProtocols     = wsme.Enum{"TCP", "HTTP", "HTTPS", "PROXY", "PROXYV2", "UDP", "SCTP"}
	algorithms        = wsme.Enum{"LEAST_CONNECTIONS", "ROUND_ROBIN", "SOURCE_IP", "SOURCE_IP_PORT"}
	persistences      = wsme.Enum{"SOURCE_IP", "HTTP_COOKIE", "APP_COOKIE"}
	monitorTypes      = wsme.Enum{"HTTP", "HTTPS", "PING", "TCP", "TLS-HELLO", "UDP-CONNECT", "SCTP"}
	httpMethods       = wsme.Enum{"GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "CONNECT", "PATCH"}
	policyActions     = wsme.Enum{"REJECT", "REDIRECT_TO_URL", "REDIRECT_TO_POOL", "REDIRECT_PREFIX"}
	ruleTypes         = wsme.Enum{"HOST_NAME", "PATH", "FILE_TYPE", "HEADER", "COOKIE", "SSL_CONN_HAS_CERT", "SSL_VERIFY_RESULT", "SSL_DN_FIELD"}
	compareTypes      = wsme.Enum{"REGEX", "STARTS_WITH", "ENDS_WITH", "CONTAINS", "EQUAL_TO"}
	clientAuth        = wsme.Enum{"NONE", "OPTIONAL", "MANDATORY"}
)

const (
	maxPosition = 1<<31 - 1
	maxTimeout  = 24 * 24 * 60 * 60 * 1000 // milliseconds
)

var (
	text     = wsme.Text{Max: 255}
	ciphers  = wsme.Text{Max: 2048}
	tags     = wsme.List{Of: text}
	versions = wsme.List{Of: wsme.Text{Max: 32}}
	alpn     = wsme.List{Of: wsme.ALPN}
	portNo   = wsme.Int{Min: 1, Max: 65535}
	weight   = wsme.Int{Min: 0, Max: 256}
	retries  = wsme.Int{Min: 1, Max: 10}
	natural  = wsme.Int{Min: 0}
	timeout  = wsme.Int{Min: 0, Max: maxTimeout}
	position = wsme.Int{Min: 1, Max: maxPosition}
	quota    = wsme.Int{Min: -1, Max: 2000000000}
	boolean  = wsme.Bool{}
)

// The bodies of requests (octavia/api/v2/types), attribute by attribute in
// Octavia's order.
var (
	nameAndMore = wsme.Type{{Name: "name", Kind: text}, {Name: "description", Kind: text}, {Name: "admin_state_up", Kind: boolean}}
	project     = wsme.Type{{Name: "project_id", Kind: wsme.Text{Max: 36}}}
	tenant      = wsme.Type{{Name: "tenant_id", Kind: wsme.Text{Max: 36}}}

	additionalVIP = wsme.Type{{Name: "subnet_id", Kind: wsme.UUID, Mandatory: true}, {Name: "ip_address", Kind: wsme.IP}}

	loadBalancerPOST = slices.Concat(nameAndMore, wsme.Type{
		{Name: "vip_address", Kind: wsme.IP},
		{Name: "vip_port_id", Kind: wsme.UUID},
		{Name: "vip_subnet_id", Kind: wsme.UUID},
		{Name: "vip_network_id", Kind: wsme.UUID},
		{Name: "vip_qos_policy_id", Kind: wsme.UUID},
		{Name: "additional_vips", Kind: wsme.List{Of: additionalVIP}},
	}, project, wsme.Type{
		{Name: "listeners", Kind: wsme.List{Of: listenerInside}},
		{Name: "pools", Kind: wsme.List{Of: poolInside}},
		{Name: "provider", Kind: wsme.Text{Max: 64}},
		{Name: "tags", Kind: tags},
		{Name: "flavor_id", Kind: wsme.UUID},
		{Name: "availability_zone", Kind: text},
	}, tenant)
	loadBalancerPUT = wsme.Type{
		{Name: "name", Kind: text},
		{Name: "description", Kind: text},
		{Name: "vip_qos_policy_id", Kind: wsme.UUID},
		{Name: "admin_state_up", Kind: boolean},
		{Name: "tags", Kind: tags},
	}

	listenerLook = wsme.Type{
		{Name: "connection_limit", Kind: wsme.Int{Min: -1}},
		{Name: "default_tls_container_ref", Kind: text},
		{Name: "sni_container_refs", Kind: wsme.List{Of: text}},
	}
	listenerFlow = wsme.Type{
		{Name: "timeout_client_data", Kind: timeout},
		{Name: "timeout_member_connect", Kind: timeout},
		{Name: "timeout_member_data", Kind: timeout},
		{Name: "timeout_tcp_inspect", Kind: timeout},
		{Name: "tags", Kind: tags},
		{Name: "client_ca_tls_container_ref", Kind: text},
		{Name: "client_authentication", Kind: clientAuth},
		{Name: "client_crl_container_ref", Kind: text},
		{Name: "allowed_cidrs", Kind: wsme.List{Of: wsme.CIDR}},
		{Name: "tls_ciphers", Kind: ciphers},
		{Name: "tls_versions", Kind: versions},
		{Name: "alpn_protocols", Kind: alpn},
	}
	listenerKind = wsme.Type{
		{Name: "protocol", Kind: listenerProtocols, Mandatory: true},
		{Name: "protocol_port", Kind: portNo, Mandatory: true},
	}
	listenerParts = wsme.Type{
		{Name: "default_pool_id", Kind: wsme.UUID},
		{Name: "default_pool", Kind: poolInside},
		{Name: "l7policies", Kind: wsme.List{Of: policyInside}},
		{Name: "insert_headers", Kind: wsme.Texts{Of: text}},
	}
	listenerInside = slices.Concat(nameAndMore, listenerKind, listenerLook, listenerParts, listenerFlow)
	listenerPOST   = slices.Concat(nameAndMore, listenerKind, listenerLook, project, listenerParts,
		wsme.Type{{Name: "loadbalancer_id", Kind: wsme.UUID, Mandatory: true}}, listenerFlow, tenant)
	listenerPUT = slices.Concat(nameAndMore, listenerLook,
		wsme.Type{{Name: "default_pool_id", Kind: wsme.UUID}, {Name: "insert_headers", Kind: wsme.Texts{Of: text}}}, listenerFlow)

	persistencePUT = wsme.Type{
		{Name: "type", Kind: persistences},
		{Name: "cookie_name", Kind: wsme.CookieName},
		{Name: "persistence_timeout", Kind: wsme.AnyInt},
		{Name: "persistence_granularity", Kind: wsme.IP},
	}
	persistencePOST = mandatory(persistencePUT, "type")

	poolTLS = wsme.Type{
		{Name: "tags", Kind: tags},
		{Name: "tls_container_ref", Kind: text},
		{Name: "ca_tls_container_ref", Kind: text},
		{Name: "crl_container_ref", Kind: text},
		{Name: "tls_enabled", Kind: boolean},
		{Name: "tls_ciphers", Kind: ciphers},
		{Name: "tls_versions", Kind: versions},
		{Name: "alpn_protocols", Kind: alpn},
	}
	poolKind = wsme.Type{
		{Name: "protocol", Kind: poolProtocols},
		{Name: "lb_algorithm", Kind: algorithms},
		{Name: "session_persistence", Kind: persistencePOST},
	}
	poolParts = wsme.Type{
		{Name: "healthmonitor", Kind: monitorInside},
		{Name: "members", Kind: wsme.List{Of: memberInside}},
	}
	poolInside = slices.Concat(nameAndMore, poolKind, poolParts, poolTLS)
	poolPOST   = slices.Concat(nameAndMore, wsme.Type{{Name: "listener_id", Kind: wsme.UUID}, {Name: "loadbalancer_id", Kind: wsme.UUID}},
		mandatory(poolKind, "protocol", "lb_algorithm"), project, poolParts, poolTLS, tenant)
	poolPUT = slices.Concat(nameAndMore, wsme.Type{
		{Name: "lb_algorithm", Kind: algorithms},
		{Name: "session_persistence", Kind: persistencePUT},
	}, poolTLS)

	memberKind = wsme.Type{
		{Name: "name", Kind: text},
		{Name: "admin_state_up", Kind: boolean},
		{Name: "address", Kind: wsme.IP, Mandatory: true},
		{Name: "protocol_port", Kind: portNo, Mandatory: true},
		{Name: "weight", Kind: weight},
		{Name: "backup", Kind: boolean},
		{Name: "subnet_id", Kind: wsme.UUID},
	}
	memberMonitor = wsme.Type{{Name: "monitor_port", Kind: portNo}, {Name: "monitor_address", Kind: wsme.IP}, {Name: "tags", Kind: tags}}
	memberInside  = slices.Concat(memberKind, memberMonitor)
	memberPOST    = slices.Concat(memberKind, project, memberMonitor, tenant)
	memberPUT     = slices.Concat(wsme.Type{
		{Name: "name", Kind: text},
		{Name: "admin_state_up", Kind: boolean},
		{Name: "weight", Kind: weight},
		{Name: "backup", Kind: boolean},
	}, memberMonitor)

	monitorPace = wsme.Type{
		{Name: "delay", Kind: natural},
		{Name: "timeout", Kind: natural},
		{Name: "max_retries_down", Kind: retries},
		{Name: "max_retries", Kind: retries},
	}
	monitorHTTP = wsme.Type{
		{Name: "http_method", Kind: httpMethods},
		{Name: "url_path", Kind: wsme.URLPath},
		{Name: "expected_codes", Kind: wsme.StatusCodes},
		{Name: "admin_state_up", Kind: boolean},
	}
	monitorMore = wsme.Type{
		{Name: "tags", Kind: tags},
		{Name: "http_version", Kind: wsme.Floats{1.0, 1.1}},
		{Name: "domain_name", Kind: wsme.DomainName},
	}
	monitorKind   = slices.Concat(wsme.Type{{Name: "name", Kind: text}, {Name: "type", Kind: monitorTypes, Mandatory: true}}, mandatory(monitorPace, "delay", "timeout", "max_retries"), monitorHTTP)
	monitorInside = slices.Concat(monitorKind, monitorMore)
	monitorPOST   = slices.Concat(monitorKind, project, wsme.Type{{Name: "pool_id", Kind: wsme.UUID, Mandatory: true}}, monitorMore, tenant)
	monitorPUT    = slices.Concat(wsme.Type{{Name: "name", Kind: text}}, monitorPace, monitorHTTP, monitorMore)

	policyTarget = wsme.Type{
		{Name: "redirect_url", Kind: wsme.URL},
		{Name: "redirect_prefix", Kind: wsme.URL},
		{Name: "position", Kind: position},
	}
	policyMore   = wsme.Type{{Name: "tags", Kind: tags}, {Name: "redirect_http_code", Kind: wsme.Ints{301, 302, 303, 307, 308}}}
	policyInside = slices.Concat(nameAndMore, wsme.Type{{Name: "action", Kind: policyActions, Mandatory: true}, {Name: "redirect_pool", Kind: poolInside}},
		policyTarget, wsme.Type{{Name: "rules", Kind: wsme.List{Of: ruleInside}}}, policyMore)
	policyPOST = slices.Concat(nameAndMore, project, wsme.Type{{Name: "action", Kind: policyActions, Mandatory: true}, {Name: "redirect_pool_id", Kind: wsme.UUID}},
		policyTarget, wsme.Type{{Name: "listener_id", Kind: wsme.UUID, Mandatory: true}, {Name: "rules", Kind: wsme.List{Of: ruleInside}}}, policyMore, tenant)
	policyPUT = slices.Concat(nameAndMore, wsme.Type{{Name: "action", Kind: policyActions}, {Name: "redirect_pool_id", Kind: wsme.UUID}}, policyTarget, policyMore)

	rulePUT = wsme.Type{
		{Name: "type", Kind: ruleTypes},
		{Name: "compare_type", Kind: compareTypes},
		{Name: "key", Kind: wsme.OneLine},
		{Name: "value", Kind: wsme.OneLine},
		{Name: "invert", Kind: boolean},
		{Name: "admin_state_up", Kind: boolean},
		{Name: "tags", Kind: tags},
	}
	rulePOST = slices.Concat(mandatory(rulePUT, "type", "compare_type", "value"), project, tenant)
	// ruleInside is what is looked at again when the rule is made.
	ruleInside = wsme.Type{
		{Name: "type", Kind: ruleTypes, Mandatory: true},
		{Name: "compare_type", Kind: compareTypes, Mandatory: true},
		{Name: "key", Kind: text},
		{Name: "value", Kind: text, Mandatory: true},
		{Name: "invert", Kind: boolean},
		{Name: "admin_state_up", Kind: boolean},
		{Name: "tags", Kind: tags},
	}

	quotaPUT = wsme.Type{
		{Name: "loadbalancer", Kind: quota},
		{Name: "load_balancer", Kind: quota},
		{Name: "listener", Kind: quota},
		{Name: "member", Kind: quota},
		{Name: "pool", Kind: quota},
		{Name: "healthmonitor", Kind: quota},
		{Name: "health_monitor", Kind: quota},
		{Name: "l7policy", Kind: quota},
		{Name: "l7rule", Kind: quota},
	}

	flavorPUT         = wsme.Type{{Name: "name", Kind: text}, {Name: "description", Kind: text}, {Name: "enabled", Kind: boolean}}
	flavorPOST        = slices.Concat(mandatory(flavorPUT, "name"), wsme.Type{{Name: "flavor_profile_id", Kind: wsme.UUID, Mandatory: true}})
	flavorProfilePUT  = profile("flavor_data")
	flavorProfilePOST = mandatory(flavorProfilePUT, "name", "provider_name", "flavor_data")
	zonePUT           = wsme.Type{{Name: "description", Kind: text}, {Name: "enabled", Kind: boolean}}
	zonePOST          = slices.Concat(wsme.Type{{Name: "name", Kind: text, Mandatory: true}}, zonePUT, wsme.Type{{Name: "availability_zone_profile_id", Kind: wsme.UUID, Mandatory: true}})
	zoneProfilePUT    = profile("availability_zone_data")
	zoneProfilePOST   = mandatory(zoneProfilePUT, "name", "provider_name", "availability_zone_data")
)

func profile(data string) wsme.Type {
	return wsme.Type{{Name: "name", Kind: text}, {Name: "provider_name", Kind: text}, {Name: data, Kind: wsme.Text{Max: 4096}}}
}

// mandatory is a type some of whose attributes must be there.
func mandatory(t wsme.Type, names ...string) wsme.Type {
	t = slices.Clone(t)
	for i := range t {
		t[i].Mandatory = t[i].Mandatory || slices.Contains(names, t[i].Name)
	}
	return t
}
