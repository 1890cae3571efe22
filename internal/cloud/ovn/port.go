// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

const kindPort = "port"

// lbVIPName begins the names of the ports that Octavia's OVN provider makes.
const lbVIPName = "ovn-lb-vip-"

// portKind is a port's switch port, its own DHCP options, and its limits.
func portKind() kind {
	return kind{
		name: kindPort,
		every: func(v view) iter.Seq[string] {
			return ids(v.Ports.All(v), func(p *model.Port) string { return p.ID })
		},
		rows: portRows,
		owns: map[string]func(*ovsdb.Row) (id, key string, ok bool){
			tableSwitchPort: ownsPort,
			tableDHCP: func(row *ovsdb.Row) (id, key string, ok bool) {
				id = row.Entry(columnIDs, idDHCPPort)
				return id, dhcpKey(row.Entry(columnIDs, idDHCPSubnet), id), id != ""
			},
			tableQoS: ownsQoS(idPort),
		},
		stirs: map[string]func(view, store.Change, func(string)){
			"ports": portsOfPort, "subnets": portsOfSubnet, "networks": portsOfNetwork, "routers": portsOfRouter,
			"trunks": portsOfTrunk, "floatingips": portsOfFloating, "qos_policies": portsOfPolicy,
		},
	}
}

// ownsPort takes a port by its mark, and one in a switch of ours by the form of its name.
func ownsPort(row *ovsdb.Row) (id, key string, ok bool) {
	name := row.String("name")
	if row.Entry(columnIDs, idRevision) != "" {
		return name, name, true
	}
	_, ours := parentID(row, tableSwitch, "ports")
	return name, name, ours && isID(name)
}

func portRows(v view, id string) []Row {
	p := v.Ports.Get(v, id)
	if p == nil || p.DeviceOwner == "network:floatingip" {
		return nil
	}
	var rows []Row
	port := Row{Table: tableSwitchPort, Key: p.ID, Columns: portColumns(v, p), In: portPlaces(p)}
	for _, family := range []struct {
		version int
		column  string
	}{{4, "dhcpv4_options"}, {6, "dhcpv6_options"}} {
		port.Columns[family.column] = nil
		if row, own, ok := portDHCP(v, p, family.version); ok {
			port.Columns[family.column] = Ref{tableDHCP, row.Key}
			if own {
				rows = append(rows, row)
			}
		}
	}
	rows = append(rows, port)
	return append(rows, portLimits(v, p)...)
}

// trusted ports belong to the network itself: nothing they send is judged.
func trusted(p *model.Port) bool { return strings.HasPrefix(p.DeviceOwner, "network:") }

// device tells whether a port is not a host's.
func device(p *model.Port) bool { return trusted(p) || strings.HasPrefix(p.DeviceOwner, "neutron:") }

// external ports are of network cards whose traffic OVN does not see: a
// gateway answers their DHCP in their place.
func external(p *model.Port) bool {
	switch p.VNICType {
	case "direct", "direct-physical", "macvtap", "baremetal":
	default:
		return false
	}
	capabilities, _ := p.Profile["capabilities"].([]any)
	return !slices.Contains(capabilities, any("switchdev"))
}

// routed tells whether a port is that of a router.
func routed(p *model.Port) bool {
	switch p.DeviceOwner {
	case "network:router_interface", "network:router_interface_distributed",
		"network:router_centralized_snat", ownerGateway:
		return p.DeviceID != ""
	}
	return false
}

const ownerGateway = "network:router_gateway"

// portPlaces are the port's switch, its security groups, and the group whose
// traffic is dropped unless one of them allows it.
func portPlaces(p *model.Port) []Place {
	places := []Place{{tableSwitch, switchName(p.NetworkID), "ports"}}
	if trusted(p) {
		return places
	}
	if p.PortSecurityEnabled {
		places = append(places, Place{tablePortGroup, dropGroup, "ports"})
	}
	for _, g := range p.SecurityGroups {
		places = append(places, Place{tablePortGroup, groupName(g), "ports"})
	}
	return places
}

func portColumns(v view, p *model.Port) ovsdb.Columns {
	security, macs := portSecurity(p)
	columns := ovsdb.Columns{
		"name": p.ID, "enabled": p.AdminStateUp, "port_security": security, columnIDs: portIDs(v, p),
		"parent_name": nil, "tag": nil, "ha_chassis_group": nil,
	}
	if routed(p) && v.Routers.Get(v, p.DeviceID) != nil {
		return routerSide(p, columns)
	}
	kind, options := portType(v, p)
	columns["type"], columns["options"] = kind, options
	if external(p) {
		columns["ha_chassis_group"] = Ref{tableHAGroup, namePrefix + p.NetworkID}
	}
	if parent, tag, ok := portParent(v, p); ok {
		columns["parent_name"], columns["tag"] = parent, tag
	}
	columns["addresses"] = portAddresses(v, p, kind, security, macs)
	return columns
}

// routerSide are the columns of the port that joins a switch to a router.
func routerSide(p *model.Port, columns ovsdb.Columns) ovsdb.Columns {
	options := ovsdb.Map{"router-port": routerPortName(p.ID)}
	if p.DeviceOwner == ownerGateway {
		options["nat-addresses"], options["exclude-lb-vips-from-garp"] = "router", "true"
	}
	columns["type"], columns["addresses"], columns["options"] = "router", ovsdb.Set{"router"}, options
	return columns
}

// portType is the port's type, with its options.
func portType(v view, p *model.Port) (kind string, options ovsdb.Map) {
	options = ovsdb.Map{}
	if address, parents := virtualParents(v, p); len(parents) > 0 {
		kind = "virtual"
		options["virtual-ip"], options["virtual-parents"] = address, strings.Join(parents, ",")
	}
	if p.DeviceOwner == "network:distributed" {
		kind = "localport"
	}
	if external(p) {
		kind = "external"
	} else {
		options["requested-chassis"] = p.HostID
		if to, ok := p.Profile["migrating_to"].(string); ok && to != "" && p.HostID != "" {
			options["requested-chassis"] += "," + to
			// Until the guest is there, and says so.
			options["activation-strategy"] = "rarp"
		}
	}
	if kind != "localport" {
		options["mcast_flood_reports"] = "true"
	}
	if rate := minimumRate(v, p); rate > 0 {
		options["qos_min_rate"] = strconv.Itoa(rate)
	}
	return kind, options
}

// virtualParents finds the first address of an unbound port that other ports
// of its network may use as well, and those.
func virtualParents(v view, p *model.Port) (address string, parents []string) {
	if p.HostID != "" {
		return "", nil
	}
	for _, f := range p.FixedIPs {
		if s := v.Subnets.Get(v, f.SubnetID); s == nil || s.NetworkID != p.NetworkID {
			continue
		}
		for parent := range v.Ports.By(v, v.Index.PortByPair, p.NetworkID+" "+f.IPAddress) {
			if parent.ID != p.ID && parent.PortSecurityEnabled && !trusted(parent) {
				parents = append(parents, parent.ID)
			}
		}
		if len(parents) > 0 {
			return f.IPAddress, parents
		}
	}
	return "", nil
}

// portParent is what a port is behind, and by which VLAN it is told apart
// there: it is in a trunk, or its binding says so.
func portParent(v view, p *model.Port) (parent string, tag int, ok bool) {
	if t := v.Trunks.First(v, v.Index.TrunkBySubPort, p.ID); t != nil {
		for _, s := range t.SubPorts {
			if s.PortID == p.ID {
				return t.PortID, s.SegmentationID, true
			}
		}
	}
	parent, _ = p.Profile["parent_name"].(string)
	switch n := p.Profile["tag"].(type) {
	case float64:
		tag = int(n)
	case int:
		tag = n
	}
	return parent, tag, parent != "" && tag > 0
}

// portSecurity are the addresses that the port may send from, and which MACs
// are among them beside its own.
func portSecurity(p *model.Port) (allowed, macs ovsdb.Set) {
	if !p.PortSecurityEnabled || trusted(p) {
		return ovsdb.Set{}, nil
	}
	own := p.MACAddress
	for _, f := range p.FixedIPs {
		own += " " + f.IPAddress
	}
	for _, pair := range p.AllowedAddressPairs {
		if pair.MACAddress == p.MACAddress {
			own += " " + pair.IPAddress
			continue
		}
		allowed = append(allowed, pair.MACAddress+" "+pair.IPAddress)
		macs = append(macs, pair.MACAddress)
	}
	return append(allowed, own), macs
}

// portAddresses are the addresses that OVN sends to the port.
func portAddresses(v view, p *model.Port, kind string, security, macs ovsdb.Set) ovsdb.Set {
	if strings.HasPrefix(p.Name, lbVIPName) && p.DeviceOwner == "" && p.HostID == "" {
		return ovsdb.Set{}
	}
	addresses := ovsdb.Set{}
	if len(security) > 0 || kind != "" || hasDHCP(v, p) {
		own := p.MACAddress
		for _, f := range p.FixedIPs {
			own += " " + f.IPAddress
		}
		addresses = append(append(addresses, own), macs...)
	}
	if len(security) == 0 && kind == "" {
		addresses = append(addresses, "unknown")
	}
	return addresses
}

func portIDs(v view, p *model.Port) ovsdb.Map {
	all := ovsdb.Map{
		idPortName: p.Name, idDevice: p.DeviceID, idProject: p.ProjectID, idOwner: p.DeviceOwner,
		idNetworkName: switchName(p.NetworkID), idRevision: revision(p.RevisionNumber), idGroups: "",
	}
	if !trusted(p) {
		all[idGroups] = strings.Join(p.SecurityGroups, " ")
	}
	var cidrs []string
	for _, f := range p.FixedIPs {
		if s := v.Subnets.Get(v, f.SubnetID); s != nil {
			cidrs = append(cidrs, f.IPAddress+prefixLength(s.CIDR))
		}
	}
	all[idCIDRs] = strings.Join(cidrs, " ")
	var last *model.FloatingIP
	for f := range v.FloatingIPs.By(v, v.Index.FloatingIPByPort, p.ID) {
		if f.RouterID != nil && f.FixedIPAddress != nil && (last == nil || f.UpdatedAt.After(last.UpdatedAt)) {
			last = f
		}
	}
	if last != nil {
		all[idPortFloating] = last.FloatingIPAddress
	}
	return all
}

// prefixLength is a prefix's length, with its slash.
func prefixLength(cidr string) string {
	if i := strings.IndexByte(cidr, '/'); i >= 0 {
		return cidr[i:]
	}
	return ""
}
