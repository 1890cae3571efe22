// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
)

// The tables of ovn-nb(5) and ovn-sb(5), with the columns that are written or
// read and no others.

const (
	tableGlobal       = "NB_Global"
	tableSwitch       = "Logical_Switch"
	tableSwitchPort   = "Logical_Switch_Port"
	tablePortGroup    = "Port_Group"
	tableACL          = "ACL"
	tableAddressSet   = "Address_Set"
	tableRouter       = "Logical_Router"
	tableRouterPort   = "Logical_Router_Port"
	tableRoute        = "Logical_Router_Static_Route"
	tableNAT          = "NAT"
	tableDHCP         = "DHCP_Options"
	tableDNS          = "DNS"
	tableQoS          = "QoS"
	tableGateway      = "Gateway_Chassis"
	tableHAGroup      = "HA_Chassis_Group"
	tableHAChassis    = "HA_Chassis"
	tableLoadBalancer = "Load_Balancer"
	tableHealthCheck  = "Load_Balancer_Health_Check"

	tableChassis        = "Chassis"
	tableChassisPrivate = "Chassis_Private"
	tableEncap          = "Encap"
	tableServiceMonitor = "Service_Monitor"
)

var northbound = &ovsdb.Schema{Database: "OVN_Northbound", Tables: []*ovsdb.Table{
	table(tableGlobal, root, scalars("nb_cfg")),
	table(tableSwitch, root, scalars("name"), texts("other_config", "external_ids"),
		strong("ports", "qos_rules"), weak("load_balancer", "dns_records")),
	table(tableSwitchPort, part, scalars("name", "type"),
		optionals("parent_name", "tag", "up", "enabled", "dhcpv4_options", "dhcpv6_options", "ha_chassis_group"),
		sets("addresses", "port_security"), texts("options", "external_ids")),
	table(tablePortGroup, root, scalars("name"), texts("external_ids"), strong("acls"), weak("ports")),
	table(tableACL, part, scalars("priority", "direction", "match", "action", "log"), optionals("name", "severity", "meter"), texts("external_ids")),
	table(tableAddressSet, root, scalars("name"), sets("addresses"), texts("external_ids")),
	table(tableRouter, root, scalars("name"), optionals("enabled"), texts("options", "external_ids"),
		strong("ports", "static_routes", "nat"), weak("load_balancer")),
	table(tableRouterPort, part, scalars("name", "mac"), optionals("enabled"), sets("networks"), texts("options", "ipv6_ra_configs", "external_ids"), strong("gateway_chassis")),
	table(tableRoute, part, scalars("ip_prefix", "nexthop"), optionals("policy", "output_port"), texts("external_ids")),
	table(tableNAT, part, scalars("type", "external_ip", "logical_ip"), optionals("external_mac", "logical_port"), texts("options", "external_ids")),
	table(tableDHCP, root, scalars("cidr"), texts("options", "external_ids")),
	table(tableDNS, root, texts("records", "external_ids")),
	table(tableQoS, part, scalars("priority", "direction", "match"), integers("action", "bandwidth"), texts("external_ids")),
	table(tableGateway, part, scalars("name", "chassis_name", "priority")),
	table(tableHAGroup, root, scalars("name"), texts("external_ids"), strong("ha_chassis")),
	table(tableHAChassis, part, scalars("chassis_name", "priority")),
	table(tableLoadBalancer, root, scalars("name"), optionals("protocol"), sets("selection_fields"),
		texts("vips", "ip_port_mappings", "options", "external_ids"), strong("health_check")),
	table(tableHealthCheck, part, scalars("vip"), texts("options", "external_ids")),
}}

var southbound = &ovsdb.Schema{Database: "OVN_Southbound", Tables: []*ovsdb.Table{
	table(tableChassis, root, scalars("name", "hostname"), texts("external_ids", "other_config"), strong("encaps")),
	table(tableChassisPrivate, root, scalars("name", "nb_cfg", "nb_cfg_timestamp")),
	table(tableEncap, part, scalars("type", "ip")),
	table(tableServiceMonitor, root, scalars("ip", "port", "logical_port"), optionals("protocol", "status")),
}}

const root, part = true, false

func table(name string, root bool, columns ...[]ovsdb.Column) *ovsdb.Table {
	t := &ovsdb.Table{Name: name, Root: root}
	for _, c := range columns {
		t.Columns = append(t.Columns, c...)
	}
	return t
}

func columns(kind ovsdb.Kind, names []string) (all []ovsdb.Column) {
	for _, name := range names {
		all = append(all, ovsdb.Column{Name: name, Kind: kind})
	}
	return all
}

func scalars(names ...string) []ovsdb.Column   { return columns(ovsdb.Scalar, names) }
func optionals(names ...string) []ovsdb.Column { return columns(ovsdb.Optional, names) }
func sets(names ...string) []ovsdb.Column      { return columns(ovsdb.Strings, names) }
func texts(names ...string) []ovsdb.Column     { return columns(ovsdb.Text, names) }
func integers(names ...string) []ovsdb.Column  { return columns(ovsdb.Integers, names) }
func strong(names ...string) []ovsdb.Column    { return columns(ovsdb.Strong, names) }
func weak(names ...string) []ovsdb.Column      { return columns(ovsdb.Weak, names) }
