// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"iter"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

const kindRouter = "router"

// routerKind is a router with its routes, what it hides behind its gateway's
// address, and its gateway's limits. Its ports are units of their own.
func routerKind() kind {
	return kind{
		name: kindRouter,
		every: func(v view) iter.Seq[string] {
			return ids(v.Routers.All(v), func(r *model.Router) string { return r.ID })
		},
		rows: routerRows,
		owns: map[string]func(*ovsdb.Row) (id, key string, ok bool){
			tableRouter: func(row *ovsdb.Row) (id, key string, ok bool) { return named(row, namePrefix) },
			tableRoute: func(row *ovsdb.Row) (id, key string, ok bool) {
				id, ok = parentID(row, tableRouter, "static_routes")
				return id, routeKey(id, row.String("ip_prefix"), row.String("nexthop")), ok
			},
			// Floating IPs have a mark; others of that type are nobody's.
			tableNAT: func(row *ovsdb.Row) (id, key string, ok bool) {
				id, ok = parentID(row, tableRouter, "nat")
				return id, natKey(id, row.String("type"), row.String("external_ip"), row.String("logical_ip")), ok
			},
			tableQoS: ownsQoS(idRouter),
		},
		stirs: map[string]func(view, store.Change, func(string)){
			"routers": itself, "ports": routersOfPort, "subnets": routersOfSubnet, "networks": routersOfNetwork,
			"qos_policies": routersOfPolicy,
		},
	}
}

func routeKey(routerID, prefix, nexthop string) string {
	return routerID + " " + prefix + " " + nexthop
}
func natKey(routerID, kind, external, logical string) string {
	return routerID + " " + kind + " " + external + " " + logical
}

func routersOfPort(_ view, c store.Change, dirty func(string)) {
	before, after := changed[model.Port](c)
	if before != nil && after != nil && before.DeviceOwner == after.DeviceOwner && before.DeviceID == after.DeviceID &&
		slices.Equal(before.FixedIPs, after.FixedIPs) {
		return
	}
	each(c, func(p *model.Port) {
		if routed(p) {
			dirty(p.DeviceID)
		}
	})
}

// routersOfSubnet: those with a port in the subnet.
func routersOfSubnet(v view, c store.Change, dirty func(string)) {
	before, after := changed[model.Subnet](c)
	if before != nil && after != nil && deref(before.GatewayIP) == deref(after.GatewayIP) {
		return
	}
	for p := range routedOfSubnet(v, c) {
		dirty(p.DeviceID)
	}
	each(c, func(s *model.Subnet) {
		for r := range v.Routers.By(v, v.Index.RouterByGateway, s.NetworkID) {
			if slices.ContainsFunc(r.Gateway.FixedIPs, func(f model.FixedIP) bool { return f.SubnetID == s.ID }) {
				dirty(r.ID)
			}
		}
	})
}

// routedOfSubnet gives the ports of routers with an address of a subnet that
// changed. There may be many ports, but few of routers.
func routedOfSubnet(v view, c store.Change) iter.Seq[*model.Port] {
	return func(yield func(*model.Port) bool) {
		networks := map[string]bool{}
		each(c, func(s *model.Subnet) { networks[s.NetworkID] = true })
		for id := range networks {
			for p := range v.Ports.By(v, v.Index.RoutedByNetwork, id) {
				has := slices.ContainsFunc(p.FixedIPs, func(f model.FixedIP) bool { return f.SubnetID == c.ID })
				if has && !yield(p) {
					return
				}
			}
		}
	}
}

func routersOfNetwork(v view, c store.Change, dirty func(string)) {
	before, after := changed[model.Network](c)
	if before == nil || after == nil || deref(before.QoSPolicyID) != deref(after.QoSPolicyID) {
		for r := range v.Routers.By(v, v.Index.RouterByGateway, c.ID) {
			dirty(r.ID)
		}
	}
}

func routersOfPolicy(v view, c store.Change, dirty func(string)) {
	for r := range v.Routers.By(v, v.Index.RouterByQoSPolicy, c.ID) {
		dirty(r.ID)
	}
	for n := range v.Networks.By(v, v.Index.NetworkByQoSPolicy, c.ID) {
		for r := range v.Routers.By(v, v.Index.RouterByGateway, n.ID) {
			dirty(r.ID)
		}
	}
}

func routerRows(v view, id string) []Row {
	r := v.Routers.Get(v, id)
	if r == nil {
		return nil
	}
	row := Row{
		Table: tableRouter, Key: routerName(id),
		Columns: ovsdb.Columns{
			"name": routerName(id), "enabled": r.AdminStateUp,
			"options": ovsdb.Map{"always_learn_from_arp_request": "false", "dynamic_neigh_routers": "true"},
			columnIDs: ovsdb.Map{
				idRouterName: r.Name, idRevision: revision(r.RevisionNumber), idZoneHints: strings.Join(r.AvailabilityZoneHints, ","),
				idGatewayPort: "", idGatewayNet: "",
			},
		},
	}
	rows := []Row{row}
	for _, route := range r.Routes {
		rows = append(rows, routeRow(id, route.Destination, route.NextHop, ovsdb.Map{}))
	}
	if g := r.Gateway; g != nil {
		row.Columns[columnIDs].(ovsdb.Map)[idGatewayPort] = g.PortID
		row.Columns[columnIDs].(ovsdb.Map)[idGatewayNet] = g.NetworkID
		rows = append(rows, gatewayRows(v, r, g)...)
	}
	return distinct(rows)
}

// distinct leaves out rows whose key another one before has.
func distinct(rows []Row) []Row {
	seen := make(map[Ref]bool, len(rows))
	return slices.DeleteFunc(rows, func(r Row) bool {
		ref := Ref{r.Table, r.Key}
		was := seen[ref]
		seen[ref] = true
		return was
	})
}

// gatewayRows are a router's ways out: default routes, and for IPv4 the
// networks that it hides behind its address.
func gatewayRows(v view, r *model.Router, g *model.Gateway) (rows []Row) {
	for _, f := range g.FixedIPs {
		s := v.Subnets.Get(v, f.SubnetID)
		if s == nil {
			continue
		}
		prefix := "0.0.0.0/0"
		if s.IPVersion == 6 {
			prefix = "::/0"
		}
		if hop := deref(s.GatewayIP); hop != "" {
			rows = append(rows, routeRow(r.ID, prefix, hop, ovsdb.Map{idExtGateway: "true", idSubnet: s.ID}))
		}
		if s.IPVersion != 4 || !g.EnableSNAT {
			continue
		}
		for _, cidr := range hidden(v, r) {
			rows = append(rows, natRow(r.ID, natKey(r.ID, "snat", f.IPAddress, cidr), ovsdb.Columns{
				"type": "snat", "external_ip": f.IPAddress, "logical_ip": cidr, "external_mac": nil, "logical_port": nil, columnIDs: ovsdb.Map{},
			}))
		}
	}
	policy := deref(g.QoSPolicyID)
	if policy == "" {
		policy = networkPolicy(v, g.NetworkID)
	}
	return append(rows, limits(v, policy, limit{network: g.NetworkID, port: g.PortID, mark: idRouter, id: r.ID})...)
}

// hidden are the IPv4 subnets that a router is in, its gateway's apart.
func hidden(v view, r *model.Router) (cidrs []string) {
	for p := range v.Ports.By(v, v.Index.PortByDevice, r.ID) {
		if !routed(p) || p.DeviceOwner == ownerGateway {
			continue
		}
		for _, f := range p.FixedIPs {
			if s := v.Subnets.Get(v, f.SubnetID); s != nil && s.IPVersion == 4 {
				cidrs = append(cidrs, s.CIDR)
			}
		}
	}
	return cidrs
}

func routeRow(routerID, prefix, nexthop string, ids ovsdb.Map) Row {
	return Row{
		Table: tableRoute, Key: routeKey(routerID, prefix, nexthop),
		Columns: ovsdb.Columns{"ip_prefix": prefix, "nexthop": nexthop, "policy": nil, "output_port": nil, columnIDs: ids},
		In:      []Place{{tableRouter, routerName(routerID), "static_routes"}},
	}
}

func natRow(routerID, key string, columns ovsdb.Columns) Row {
	return Row{Table: tableNAT, Key: key, Columns: columns, In: []Place{{tableRouter, routerName(routerID), "nat"}}}
}
