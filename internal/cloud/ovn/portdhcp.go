// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"maps"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
)

// dhcpNames are OVN's names of the DHCP options that a port may set, by
// Neutron's (neutron/common/ovn/constants.py, SUPPORTED_DHCP_OPTS_MAPPING).
var dhcpNames = map[int]map[string]string{
	4: {
		"arp-timeout": "arp_cache_timeout", "tcp-keepalive": "tcp_keepalive_interval", "netmask": "netmask", "router": "router",
		"dns-server": "dns_server", "log-server": "log_server", "lpr-server": "lpr_server", "domain-name": "domain_name",
		"swap-server": "swap_server", "policy-filter": "policy_filter", "router-solicitation": "router_solicitation",
		"nis-server": "nis_server", "ntp-server": "ntp_server", "server-id": "server_id", "tftp-server": "tftp_server",
		"classless-static-route": "classless_static_route", "ms-classless-static-route": "ms_classless_static_route",
		"ip-forward-enable": "ip_forward_enable", "router-discovery": "router_discovery", "ethernet-encap": "ethernet_encap",
		"default-ttl": "default_ttl", "tcp-ttl": "tcp_ttl", "mtu": "mtu", "lease-time": "lease_time", "T1": "T1", "T2": "T2",
		"bootfile-name": "bootfile_name", "bootfile-name-alt": "bootfile_name_alt", "wpad": "wpad", "path-prefix": "path_prefix",
		"tftp-server-address": "tftp_server_address", "server-ip-address": "next_server",
		"1": "netmask", "3": "router", "6": "dns_server", "7": "log_server", "9": "lpr_server", "15": "domain_name",
		"16": "swap_server", "21": "policy_filter", "32": "router_solicitation", "35": "arp_cache_timeout",
		"38": "tcp_keepalive_interval", "41": "nis_server", "42": "ntp_server", "54": "server_id", "66": "tftp_server",
		"121": "classless_static_route", "249": "ms_classless_static_route", "19": "ip_forward_enable", "31": "router_discovery",
		"36": "ethernet_encap", "23": "default_ttl", "37": "tcp_ttl", "26": "mtu", "51": "lease_time", "58": "T1", "59": "T2",
		"67": "bootfile_name", "252": "wpad", "210": "path_prefix", "150": "tftp_server_address",
	},
	6: {
		"server-id": "server_id", "dns-server": "dns_server", "domain-search": "domain_search", "ia-addr": "ia_addr",
		"2": "server_id", "5": "ia_addr", "24": "domain_search", "23": "dns_server",
	},
}

// bareMetalNames are further ones, of ports of bare metal.
var bareMetalNames = map[string]string{
	"tag:ipxe,bootfile-name": "bootfile_name", "tag:ipxe,67": "bootfile_name",
	"tag:!ipxe,bootfile-name": "bootfile_name_alt", "tag:!ipxe,67": "bootfile_name_alt",
}

// quotedOptions are strings to OVN, which wants them quoted.
var quotedOptions = map[string]bool{
	"domain_name": true, "bootfile_name": true, "bootfile_name_alt": true, "path_prefix": true, "wpad": true, "tftp_server": true,
}

// portDHCP gives the DHCP options of a port in one of the families: a row of
// its own when it sets options, else its subnet's. ok is false when there are none.
func portDHCP(v view, p *model.Port, version int) (row Row, own, ok bool) {
	set, disabled := extraOptions(p, version)
	if disabled {
		return Row{}, false, false
	}
	s, options := dhcpSubnet(v, p, version)
	if s == nil {
		return Row{}, false, false
	}
	if len(set) == 0 {
		return dhcpRow(s, "", options), false, true
	}
	maps.Copy(options, set)
	return dhcpRow(s, p.ID, options), true, true
}

func hasDHCP(v view, p *model.Port) bool {
	_, _, four := portDHCP(v, p, 4)
	_, _, six := portDHCP(v, p, 6)
	return four || six
}

// dhcpSubnet is the first of the port's subnets that has DHCP. Among those of
// IPv6 the first that gives out addresses, if there is one.
func dhcpSubnet(v view, p *model.Port, version int) (found *model.Subnet, options ovsdb.Map) {
	for _, f := range p.FixedIPs {
		s := v.Subnets.Get(v, f.SubnetID)
		if s == nil || s.IPVersion != version {
			continue
		}
		o, ok := dhcpOptions(v, s)
		if !ok {
			continue
		}
		if version == 4 || o["dhcpv6_stateless"] != "true" {
			return s, o
		}
		if found == nil {
			found, options = s, o
		}
	}
	return found, options
}

// extraOptions are the options that the port sets.
func extraOptions(p *model.Port, version int) (set ovsdb.Map, disabled bool) {
	if device(p) {
		return nil, true
	}
	set = ovsdb.Map{}
	for _, o := range p.ExtraDHCPOpts {
		if o.IPVersion != version {
			continue
		}
		value := deref(o.Value)
		if o.Name == "dhcp_disabled" && strings.EqualFold(value, "true") {
			return nil, true
		}
		name := dhcpNames[version][o.Name]
		if name == "" && p.VNICType == "baremetal" && version == 4 {
			name = bareMetalNames[o.Name]
		}
		if name == "" {
			continue
		}
		if quotedOptions[name] && !(strings.HasPrefix(value, `"`) && strings.HasSuffix(value, `"`)) {
			value = `"` + value + `"`
		}
		set[name] = value
	}
	return set, false
}
