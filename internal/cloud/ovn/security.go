// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"iter"
	"net/netip"
	"strconv"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

const (
	kindGroup        = "securitygroup"
	kindRule         = "rule"
	kindDrop         = "drop"
	kindAddressGroup = "addressgroup"
)

// The priorities of what is allowed and of what is dropped otherwise.
const (
	aclAllow = 1002
	aclDrop  = 1001
)

// groupKind is a security group's group of ports. The ports come by themselves.
func groupKind() kind {
	return kind{
		name: kindGroup,
		every: func(v view) iter.Seq[string] {
			return ids(v.SecurityGroups.All(v), func(g *model.SecurityGroup) string { return g.ID })
		},
		rows: func(v view, id string) []Row {
			if v.SecurityGroups.Get(v, id) == nil {
				return nil
			}
			return []Row{{
				Table: tablePortGroup, Key: groupName(id),
				Columns: ovsdb.Columns{"name": groupName(id), columnIDs: ovsdb.Map{idGroup: id}},
			}}
		},
		owns: map[string]func(*ovsdb.Row) (id, key string, ok bool){
			tablePortGroup: ownsGroup,
			// What is in a group of ours and no rule's is nobody's.
			tableACL: func(row *ovsdb.Row) (id, key string, ok bool) {
				group := row.Parent(tablePortGroup, "acls")
				if group == nil {
					return "", "", false
				}
				id, _, ok = ownsGroup(group)
				return id, row.UUID.String(), ok
			},
		},
		stirs: map[string]func(view, store.Change, func(string)){"security_groups": itself},
	}
}

func ownsGroup(row *ovsdb.Row) (id, key string, ok bool) {
	name := row.String("name")
	if id = row.Entry(columnIDs, idGroup); id != "" && name == groupName(id) {
		return id, name, true
	}
	id, ok = strings.CutPrefix(name, "pg_")
	id = strings.ReplaceAll(id, "_", "-")
	return id, name, ok && isID(id)
}

// dropKind is the group of the ports whose traffic is dropped unless a rule
// allows it. It is there always.
func dropKind() kind {
	owns := func(row *ovsdb.Row) (id, key string, ok bool) {
		return dropGroup, row.String("name"), row.String("name") == dropGroup
	}
	return kind{
		name:  kindDrop,
		every: func(view) iter.Seq[string] { return func(yield func(string) bool) { yield(dropGroup) } },
		rows:  func(view, string) []Row { return dropRows() },
		owns: map[string]func(*ovsdb.Row) (id, key string, ok bool){
			tablePortGroup: owns,
			tableACL: func(row *ovsdb.Row) (id, key string, ok bool) {
				group := row.Parent(tablePortGroup, "acls")
				return dropGroup, dropKey(row.String("direction")), group != nil && group.String("name") == dropGroup
			},
		},
	}
}

func dropKey(direction string) string { return dropGroup + " " + direction }

func dropRows() []Row {
	rows := []Row{{
		Table: tablePortGroup, Key: dropGroup,
		Columns: ovsdb.Columns{"name": dropGroup, columnIDs: ovsdb.Map{}},
	}}
	for _, way := range []struct{ direction, side string }{{"from-lport", "inport"}, {"to-lport", "outport"}} {
		rows = append(rows, Row{
			Table: tableACL, Key: dropKey(way.direction),
			Columns: aclColumns(way.direction, way.side+" == @"+dropGroup+" && ip", "drop", aclDrop, ovsdb.Map{}),
			In:      []Place{{tablePortGroup, dropGroup, "acls"}},
		})
	}
	return rows
}

func aclColumns(direction, match, action string, priority int, ids ovsdb.Map) ovsdb.Columns {
	return ovsdb.Columns{
		"direction": direction, "match": match, "action": action, "priority": priority,
		"log": false, "name": nil, "severity": nil, "meter": nil, columnIDs: ids,
	}
}

// ruleKind is a rule of a security group.
func ruleKind() kind {
	return kind{
		name: kindRule,
		every: func(v view) iter.Seq[string] {
			return ids(v.SecurityGroupRules.All(v), func(r *model.SecurityGroupRule) string { return r.ID })
		},
		rows: func(v view, id string) []Row {
			r := v.SecurityGroupRules.Get(v, id)
			if r == nil {
				return nil
			}
			g := v.SecurityGroups.Get(v, r.SecurityGroupID)
			if g == nil {
				return nil
			}
			return ruleRows(r, g.Stateful)
		},
		owns: map[string]func(*ovsdb.Row) (id, key string, ok bool){
			tableACL: func(row *ovsdb.Row) (id, key string, ok bool) {
				id = row.Entry(columnIDs, idRule)
				return id, id, id != ""
			},
		},
		stirs: map[string]func(view, store.Change, func(string)){
			"security_group_rules": itself,
			"security_groups":      rulesOfGroup,
		},
	}
}

func rulesOfGroup(v view, c store.Change, dirty func(string)) {
	if before, after := changed[model.SecurityGroup](c); before == nil || after == nil || before.Stateful != after.Stateful {
		for r := range v.SecurityGroupRules.By(v, v.Index.RuleByGroup, c.ID) {
			dirty(r.ID)
		}
	}
}

func ruleRows(r *model.SecurityGroupRule, stateful bool) []Row {
	match, ok := ruleMatch(r)
	if !ok {
		return nil
	}
	direction, action := "to-lport", "allow-stateless"
	if r.Direction == "egress" {
		direction = "from-lport"
	}
	if stateful {
		action = "allow-related"
	}
	return []Row{{
		Table: tableACL, Key: r.ID,
		Columns: aclColumns(direction, match, action, aclAllow, ovsdb.Map{idRule: r.ID}),
		In:      []Place{{tablePortGroup, groupName(r.SecurityGroupID), "acls"}},
	}}
}

// ruleMatch is the rule in OVN's language. ok is false for one that it cannot say.
func ruleMatch(r *model.SecurityGroupRule) (match string, ok bool) {
	ip, icmp, side, peer := "ip4", "icmp4", "outport", "src"
	if r.EtherType == "IPv6" {
		ip, icmp = "ip6", "icmp6"
	}
	if r.Direction == "egress" {
		side, peer = "inport", "dst"
	}
	match = side + " == @" + groupName(r.SecurityGroupID) + " && " + ip
	remote := func(what string) { match += " && " + ip + "." + peer + " == " + what }
	if prefix := normalized(r); prefix != "" {
		remote(prefix)
	}
	if r.RemoteGroupID != nil {
		remote("$" + underscored("pg-"+*r.RemoteGroupID+"-"+ip))
	}
	if r.RemoteAddressGroupID != nil {
		remote("$" + addressSetName(*r.RemoteAddressGroupID, ip))
	}
	protocol, ok := protocolMatch(r, icmp)
	return match + protocol, ok
}

// normalized is the remote prefix without bits of hosts.
func normalized(r *model.SecurityGroupRule) string {
	if r.NormalizedCIDR != nil {
		return *r.NormalizedCIDR
	}
	prefix, err := netip.ParsePrefix(deref(r.RemoteIPPrefix))
	if err != nil {
		return deref(r.RemoteIPPrefix)
	}
	return prefix.Masked().String()
}

// protocols are the numbers of Neutron's names (neutron_lib/constants.py, IP_PROTOCOL_MAP).
var protocols = map[string]int{
	"ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "hopopt": 0, "icmp": 1, "igmp": 2, "ip": 0, "ipip": 4, "ipv6-encap": 41,
	"ipv6-frag": 44, "ipv6-icmp": 58, "icmpv6": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "ipv6-route": 43, "ospf": 89, "pgm": 113,
	"rsvp": 46, "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136, "vrrp": 112,
}

// withPorts are the protocols whose ports OVN matches.
var withPorts = map[int]string{6: "tcp", 17: "udp", 132: "sctp"}

func protocolMatch(r *model.SecurityGroupRule, icmp string) (match string, ok bool) {
	if r.Protocol == nil {
		return "", true
	}
	number, known := protocols[*r.Protocol]
	if !known {
		n, err := strconv.Atoi(*r.Protocol)
		if err != nil || n < 0 || n > 255 {
			return "", false
		}
		number = n
	}
	low, high := r.PortRangeMin, r.PortRangeMax
	compare := func(what, how string, n *int) {
		if n != nil {
			match += " && " + what + " " + how + " " + strconv.Itoa(*n)
		}
	}
	switch name := withPorts[number]; {
	case name != "" && low != nil && high != nil && *low == *high:
		match = " && " + name
		compare(name+".dst", "==", low)
	case name != "":
		match = " && " + name
		compare(name+".dst", ">=", low)
		compare(name+".dst", "<=", high)
	case number == 1 || number == 58:
		match = " && " + icmp
		compare(icmp+".type", "==", low)
		compare(icmp+".code", "==", high)
	default:
		match = " && ip.proto == " + strconv.Itoa(number)
	}
	return match, true
}

// addressGroupKind is an address group as two sets. (Neutron Zed's driver does
// not know address groups: such a rule matches every address there. This is how
// later ones lay them out.)
func addressGroupKind() kind {
	return kind{
		name: kindAddressGroup,
		every: func(v view) iter.Seq[string] {
			return ids(v.AddressGroups.All(v), func(g *model.AddressGroup) string { return g.ID })
		},
		rows: func(v view, id string) []Row {
			if g := v.AddressGroups.Get(v, id); g != nil {
				return addressGroupRows(g)
			}
			return nil
		},
		owns: map[string]func(*ovsdb.Row) (id, key string, ok bool){
			tableAddressSet: func(row *ovsdb.Row) (id, key string, ok bool) {
				if id = row.Entry(columnIDs, idAddressGroup); id != "" {
					return id, row.String("name"), true
				}
				if name, cut := strings.CutPrefix(row.String("name"), "ag_"); cut && len(name) > 4 {
					id = strings.ReplaceAll(name[:len(name)-4], "_", "-")
				}
				return id, row.String("name"), isID(id)
			},
		},
		stirs: map[string]func(view, store.Change, func(string)){"address_groups": itself},
	}
}

func addressSetName(groupID, ip string) string { return underscored("ag-" + groupID + "-" + ip) }

func addressGroupRows(g *model.AddressGroup) (rows []Row) {
	addresses := map[string]ovsdb.Set{"ip4": {}, "ip6": {}}
	for _, a := range g.Addresses {
		family := "ip4"
		if strings.Contains(a, ":") {
			family = "ip6"
		}
		addresses[family] = append(addresses[family], a)
	}
	for _, family := range []string{"ip4", "ip6"} {
		name := addressSetName(g.ID, family)
		rows = append(rows, Row{
			Table: tableAddressSet, Key: name,
			Columns: ovsdb.Columns{
				"name": name, "addresses": addresses[family],
				columnIDs: ovsdb.Map{idAddressGroup: g.ID, idRevision: revision(g.RevisionNumber)},
			},
		})
	}
	return rows
}
