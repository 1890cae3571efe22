// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"iter"
	"strconv"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

const kindRouterPort = "routerport"

// routerPortKind is the router's side of its port, with the hypervisors that
// may host it if it is a gateway.
func routerPortKind() kind {
	return kind{
		name: kindRouterPort,
		every: func(v view) iter.Seq[string] {
			return func(yield func(string) bool) {
				for r := range v.Routers.All(v) {
					for p := range v.Ports.By(v, v.Index.PortByDevice, r.ID) {
						if routed(p) && !yield(p.ID) {
							return
						}
					}
				}
			}
		},
		rows: func(v view, id string) []Row {
			p := v.Ports.Get(v, id)
			if p == nil || !routed(p) {
				return nil
			}
			return routerPortRows(v, p)
		},
		owns: map[string]func(*ovsdb.Row) (id, key string, ok bool){
			tableRouterPort: func(row *ovsdb.Row) (id, key string, ok bool) { return named(row, interfaceName) },
			tableGateway: func(row *ovsdb.Row) (id, key string, ok bool) {
				name := row.String("name")
				id, _, _ = strings.Cut(strings.TrimPrefix(name, interfaceName), "_")
				return id, name, strings.HasPrefix(name, interfaceName) && isID(id)
			},
		},
		stirs: map[string]func(view, store.Change, func(string)){
			"ports": routerPortsOfPort, "routers": routerPortsOfRouter, "subnets": routerPortsOfSubnet, "networks": routerPortsOfNetwork,
		},
		chassis: func(v view) iter.Seq[string] {
			return ids(v.Ports.By(v, v.Index.PortByOwner, ownerGateway), func(p *model.Port) string { return p.ID })
		},
	}
}

// routerPortsOfPort: the port itself; and the gateway of its router, whose MTU
// depends on the networks behind it.
func routerPortsOfPort(v view, c store.Change, dirty func(string)) {
	each(c, func(p *model.Port) {
		if !routed(p) {
			return
		}
		dirty(p.ID)
		if v.options.NeedToFrag {
			gatewaysOf(v, p.DeviceID, dirty)
		}
	})
}

// gatewaysOf are the gateway ports of a router; it has one at most.
func gatewaysOf(v view, routerID string, dirty func(string)) {
	for p := range v.Ports.By(v, v.Index.PortByDevice, routerID) {
		if p.DeviceOwner == ownerGateway {
			dirty(p.ID)
		}
	}
}

func routerPortsOfRouter(v view, c store.Change, dirty func(string)) {
	before, after := changed[model.Router](c)
	if before == nil || after == nil {
		for p := range v.Ports.By(v, v.Index.PortByDevice, c.ID) {
			dirty(p.ID)
		}
		return
	}
	gatewaysOf(v, c.ID, dirty)
}

func routerPortsOfSubnet(v view, c store.Change, dirty func(string)) {
	for p := range routedOfSubnet(v, c) {
		dirty(p.ID)
	}
}

// routerPortsOfNetwork: those in the network; when its MTU changed also the
// gateways of its routers.
func routerPortsOfNetwork(v view, c store.Change, dirty func(string)) {
	before, after := changed[model.Network](c)
	if before != nil && after != nil && before.MTU == after.MTU && before.External == after.External &&
		before.NetworkType == after.NetworkType && deref(before.PhysicalNetwork) == deref(after.PhysicalNetwork) {
		return
	}
	for p := range v.Ports.By(v, v.Index.RoutedByNetwork, c.ID) {
		dirty(p.ID)
		if v.options.NeedToFrag {
			gatewaysOf(v, p.DeviceID, dirty)
		}
	}
}

func routerPortRows(v view, p *model.Port) []Row {
	r, n := v.Routers.Get(v, p.DeviceID), v.Networks.Get(v, p.NetworkID)
	networks, announced := routerNetworks(v, p, n)
	if r == nil || n == nil || len(networks) == 0 {
		return nil
	}
	row := Row{
		Table: tableRouterPort, Key: routerPortName(p.ID),
		Columns: ovsdb.Columns{
			"name": routerPortName(p.ID), "mac": p.MACAddress, "networks": networks, "ipv6_ra_configs": announced,
			"options": routerPortOptions(v, p, n), "enabled": nil,
			columnIDs: ovsdb.Map{
				idRevision: revision(p.RevisionNumber), idNetworkName: switchName(p.NetworkID), idRouterName: p.DeviceID,
				idSubnets: strings.Join(subnetIDs(p), " "),
			},
		},
		In: []Place{{tableRouter, routerName(p.DeviceID), "ports"}},
	}
	rows := []Row{row}
	if p.DeviceOwner != ownerGateway {
		return rows
	}
	names := gatewayHosts(v.hosts, p.ID, physicalNetwork(n), r.AvailabilityZoneHints)
	for i, name := range names {
		rows = append(rows, Row{
			Table: tableGateway, Key: row.Key + "_" + name,
			Columns: ovsdb.Columns{"name": row.Key + "_" + name, "chassis_name": name, "priority": len(names) - i},
			In:      []Place{{tableRouterPort, row.Key, "gateway_chassis"}},
		})
	}
	return rows
}

func subnetIDs(p *model.Port) (all []string) {
	for _, f := range p.FixedIPs {
		all = append(all, f.SubnetID)
	}
	return all
}

// physicalNetwork is where a network of that kind is reached; "" for others.
func physicalNetwork(n *model.Network) string {
	if n.NetworkType == "flat" || n.NetworkType == "vlan" {
		return deref(n.PhysicalNetwork)
	}
	return ""
}

// routerNetworks are the port's addresses with their prefixes, and what it announces to
// IPv6 hosts.
func routerNetworks(v view, p *model.Port, n *model.Network) (networks ovsdb.Set, announced ovsdb.Map) {
	announced = ovsdb.Map{}
	for _, f := range p.FixedIPs {
		s := v.Subnets.Get(v, f.SubnetID)
		if s == nil {
			continue
		}
		networks = append(networks, f.IPAddress+prefixLength(s.CIDR))
		if mode := deref(s.IPv6AddressMode); mode != "" && len(announced) == 0 && n != nil {
			// The tenants' prefixes are not for the provider's network.
			announced = ovsdb.Map{
				"address_mode":  strings.ReplaceAll(mode, "-", "_"),
				"send_periodic": strconv.FormatBool(p.DeviceOwner != ownerGateway || !n.External),
				"mtu":           strconv.Itoa(n.MTU),
			}
		}
	}
	return networks, announced
}

func routerPortOptions(v view, p *model.Port, n *model.Network) ovsdb.Map {
	options := ovsdb.Map{}
	if n.NetworkType == "vlan" {
		options["reside-on-redirect-chassis"] = strconv.FormatBool(v.options.CentralFloatingIPs)
	}
	if p.DeviceOwner != ownerGateway || !v.options.NeedToFrag {
		return options
	}
	for other := range v.Ports.By(v, v.Index.PortByDevice, p.DeviceID) {
		if !routed(other) || other.DeviceOwner == ownerGateway {
			continue
		}
		if behind := v.Networks.Get(v, other.NetworkID); behind != nil && behind.MTU > n.MTU {
			options["gateway_mtu"] = strconv.Itoa(n.MTU)
		}
	}
	return options
}
