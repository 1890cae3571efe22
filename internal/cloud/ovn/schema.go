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
	table(tableGlobal, root, atoms("nb_cfg")),
	table(tableSwitch, root, atoms("name"), texts("other_config", "external_ids"),
		strong("ports", "qos_rules"), weak("load_balancer", "dns_records")),
	table(tableSwitchPort, part, atoms("name", "type", "parent_name", "tag", "up", "enabled", "dhcpv4_options", "dhcpv6_options", "ha_chassis_group"),
		sets("addresses", "port_security"), texts("options", "external_ids")),
	table(tablePortGroup, root, atoms("name"), texts("external_ids"), strong("acls"), weak("ports")),
	table(tableACL, part, atoms("name", "priority", "direction", "match", "action", "log", "severity", "meter"), texts("external_ids")),
	table(tableAddressSet, root, atoms("name"), sets("addresses"), texts("external_ids")),
	table(tableRouter, root, atoms("name", "enabled"), texts("options", "external_ids"),
		strong("ports", "static_routes", "nat"), weak("load_balancer")),
	table(tableRouterPort, part, atoms("name", "mac", "enabled"), sets("networks"), texts("options", "ipv6_ra_configs", "external_ids"), strong("gateway_chassis")),
	table(tableRoute, part, atoms("ip_prefix", "nexthop", "policy", "output_port"), texts("external_ids")),
	table(tableNAT, part, atoms("type", "external_ip", "external_mac", "logical_ip", "logical_port"), texts("options", "external_ids")),
	table(tableDHCP, root, atoms("cidr"), texts("options", "external_ids")),
	table(tableDNS, root, texts("records", "external_ids")),
	table(tableQoS, part, atoms("priority", "direction", "match"), integers("action", "bandwidth"), texts("external_ids")),
	table(tableGateway, part, atoms("name", "chassis_name", "priority")),
	table(tableHAGroup, root, atoms("name"), texts("external_ids"), strong("ha_chassis")),
	table(tableHAChassis, part, atoms("chassis_name", "priority")),
	table(tableLoadBalancer, root, atoms("name", "protocol"), sets("selection_fields"),
		texts("vips", "ip_port_mappings", "options", "external_ids"), strong("health_check")),
	table(tableHealthCheck, part, atoms("vip"), texts("options", "external_ids")),
}}

var southbound = &ovsdb.Schema{Database: "OVN_Southbound", Tables: []*ovsdb.Table{
	table(tableChassis, root, atoms("name", "hostname"), texts("external_ids", "other_config"), strong("encaps")),
	table(tableChassisPrivate, root, atoms("name", "nb_cfg", "nb_cfg_timestamp")),
	table(tableEncap, part, atoms("type", "ip")),
	table(tableServiceMonitor, root, atoms("ip", "protocol", "port", "logical_port", "status")),
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

func atoms(names ...string) []ovsdb.Column    { return columns(ovsdb.Atom, names) }
func sets(names ...string) []ovsdb.Column     { return columns(ovsdb.Strings, names) }
func texts(names ...string) []ovsdb.Column    { return columns(ovsdb.Text, names) }
func integers(names ...string) []ovsdb.Column { return columns(ovsdb.Integers, names) }
func strong(names ...string) []ovsdb.Column   { return columns(ovsdb.Strong, names) }
func weak(names ...string) []ovsdb.Column     { return columns(ovsdb.Weak, names) }
