// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"strconv"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
)

// Keys of external_ids, as Neutron's driver has them (neutron/common/ovn/constants.py).
const (
	idAddressGroup = "neutron:address_group_id"
	idCIDRs        = "neutron:cidrs"
	idDevice       = "neutron:device_id"
	idExtGateway   = "neutron:is_ext_gw"
	idFloating     = "neutron:fip_id"
	idFloatingMAC  = "neutron:fip_external_mac"
	idFloatingNet  = "neutron:fip_network_id"
	idFloatingPort = "neutron:fip_port_id"
	idGatewayNet   = "neutron:gw_network_id"
	idGatewayPort  = "neutron:gw_port_id"
	idGroup        = "neutron:security_group_id"
	idGroups       = "neutron:security_group_ids"
	idMTU          = "neutron:mtu"
	idNetworkName  = "neutron:network_name"
	idOwner        = "neutron:device_owner"
	idPort         = "neutron:port_id"
	idPortFloating = "neutron:port_fip"
	idPortName     = "neutron:port_name"
	idProject      = "neutron:project_id"
	idRevision     = "neutron:revision_number"
	idRouter       = "neutron:router_id"
	idRouterName   = "neutron:router_name"
	idRule         = "neutron:security_group_rule_id"
	idSubnet       = "neutron:subnet_id"
	idSubnets      = "neutron:subnet_ids"
	idZoneHints    = "neutron:availability_zone_hints"
	// Without a prefix, for historical reasons.
	idDHCPSubnet = "subnet_id"
	idDHCPPort   = "port_id"
	idDNSSwitch  = "ls_name"
)

const (
	columnIDs = "external_ids"

	namePrefix    = "neutron-"
	localnetName  = "provnet-"
	interfaceName = "lrp-"
	dropGroup     = "neutron_pg_drop"
)

// switchName is the name and key of a network's Logical_Switch.
func switchName(networkID string) string { return namePrefix + networkID }

// routerName is the name and key of a router's Logical_Router.
func routerName(routerID string) string { return namePrefix + routerID }

// routerPortName is the name and key of the Logical_Router_Port of a router's port.
func routerPortName(portID string) string { return interfaceName + portID }

// groupName is the name and key of a security group's Port_Group: OVN takes no hyphens.
func groupName(groupID string) string { return underscored("pg-" + groupID) }

func underscored(s string) string { return strings.ReplaceAll(s, "-", "_") }

func revision(n int64) string { return strconv.FormatInt(n, 10) }

// named gives the id in a name that has a prefix. Rows are known by their
// names, so that one whose external_ids were lost is repaired; a stranger's must
// not be mistaken for one.
func named(row *ovsdb.Row, prefix string) (id, key string, ok bool) {
	name := row.String("name")
	id, ok = strings.CutPrefix(name, prefix)
	marked := row.Entry(columnIDs, idRevision) != "" || row.Entry(columnIDs, idZoneHints) != "" || row.String("type") == "localnet"
	return id, name, ok && (marked || isID(id))
}

// isID tells whether s has the form of an id.
func isID(s string) bool {
	_, err := ovsdb.ParseUUID(s)
	return err == nil
}

// parentID gives the id in the name of the row that refers to this one.
func parentID(row *ovsdb.Row, table, column string) (id string, ok bool) {
	parent := row.Parent(table, column)
	if parent == nil {
		return "", false
	}
	id, _, ok = named(parent, namePrefix)
	return id, ok
}

// deref gives what s points to, "" for nil.
func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// optionally gives a column's value that is s, or none.
func optionally(s string) any {
	if s == "" {
		return nil
	}
	return s
}
