// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"cmp"
	"hash/fnv"
	"iter"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

const (
	kindHAGroup = "hagroup"
	// maxGateways bounds the hypervisors that may host a gateway.
	maxGateways = 5
	// haPriority is that of the first hypervisor of a group.
	haPriority = 32767
	// nobody is where a gateway is that no hypervisor can host.
	nobody = "neutron-ovn-invalid-chassis"
	// asGateway is a hypervisor's option to be one of those that host gateways.
	asGateway = "enable-chassis-as-gw"
)

// ranked orders hypervisors for one thing. The order depends on the thing and
// on the hypervisors' names alone, each for itself: it is the same after a
// restart, different things are spread over all, and a hypervisor that comes or
// goes moves nothing among the others. (Neutron's order depends on history.)
func ranked(thing string, names []string) []string {
	weight := func(name string) uint64 {
		h := fnv.New64a()
		_, _ = h.Write([]byte(thing + "\x00" + name))
		// FNV alone hardly moves its high bits at the end.
		x := h.Sum64()
		x ^= x >> 33
		x *= 0xff51afd7ed558ccd
		x ^= x >> 33
		return x
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(weight(b), weight(a)) })
	return names
}

// gatewayHosts are the hypervisors that may host a router's gateway to a
// network, the best first: those that offer to and are on the physical
// network, else those that are on it, else those that offer to; of the router's
// availability zones if it has some.
func gatewayHosts(hosts []model.Chassis, thing, physicalNetwork string, zones []string) []string {
	var both, there, offering []string
	inZones := map[string]bool{}
	for i := range hosts {
		h := &hosts[i]
		_, on := h.BridgeMappings[physicalNetwork]
		on = on && physicalNetwork != ""
		offers := slices.Contains(h.Options, asGateway)
		inZones[h.Name] = len(zones) == 0 || slices.ContainsFunc(zones, func(z string) bool { return slices.Contains(h.AvailabilityZones, z) })
		switch {
		case on && offers:
			both = append(both, h.Name)
		case on:
			there = append(there, h.Name)
		}
		if offers {
			offering = append(offering, h.Name)
		}
	}
	candidates := both
	if len(candidates) == 0 {
		candidates = there
	}
	if len(candidates) == 0 {
		candidates = offering
	}
	candidates = slices.DeleteFunc(candidates, func(name string) bool { return !inZones[name] })
	if len(candidates) == 0 {
		return []string{nobody}
	}
	names := ranked(thing, candidates)
	return names[:min(len(names), maxGateways)]
}

// haGroupKind is the group of hypervisors that answer for a network's external ports.
func haGroupKind() kind {
	every := func(v view) iter.Seq[string] {
		return func(yield func(string) bool) {
			for n := range v.Networks.All(v) {
				if hasExternal(v, n.ID) && !yield(n.ID) {
					return
				}
			}
		}
	}
	return kind{
		name: kindHAGroup, every: every, chassis: every,
		rows: func(v view, id string) []Row {
			n := v.Networks.Get(v, id)
			if n == nil || !hasExternal(v, id) {
				return nil
			}
			return haGroupRows(v.hosts, n)
		},
		owns: map[string]func(*ovsdb.Row) (id, key string, ok bool){
			tableHAGroup: func(row *ovsdb.Row) (id, key string, ok bool) { return named(row, namePrefix) },
			tableHAChassis: func(row *ovsdb.Row) (id, key string, ok bool) {
				id, ok = parentID(row, tableHAGroup, "ha_chassis")
				return id, id + " " + row.String("chassis_name"), ok
			},
		},
		stirs: map[string]func(view, store.Change, func(string)){
			"networks": itself,
			"ports": func(_ view, c store.Change, dirty func(string)) {
				each(c, func(p *model.Port) {
					if external(p) {
						dirty(p.NetworkID)
					}
				})
			},
		},
	}
}

func hasExternal(v view, networkID string) bool {
	for p := range v.Ports.By(v, v.Index.DirectPortByNetwork, networkID) {
		if external(p) {
			return true
		}
	}
	return false
}

func haGroupRows(hosts []model.Chassis, n *model.Network) []Row {
	group := Row{
		Table: tableHAGroup, Key: namePrefix + n.ID,
		Columns: ovsdb.Columns{
			"name":    namePrefix + n.ID,
			columnIDs: ovsdb.Map{idZoneHints: strings.Join(n.AvailabilityZoneHints, ",")},
		},
	}
	rows := []Row{group}
	var names []string
	for i := range hosts {
		h := &hosts[i]
		zoned := len(h.AvailabilityZones) == 0
		if len(n.AvailabilityZoneHints) > 0 {
			zoned = slices.ContainsFunc(n.AvailabilityZoneHints, func(z string) bool { return slices.Contains(h.AvailabilityZones, z) })
		}
		if zoned && slices.Contains(h.Options, asGateway) {
			names = append(names, h.Name)
		}
	}
	for i, name := range ranked(n.ID, names) {
		rows = append(rows, Row{
			Table: tableHAChassis, Key: n.ID + " " + name,
			Columns: ovsdb.Columns{"chassis_name": name, "priority": haPriority - i},
			In:      []Place{{tableHAGroup, group.Key, "ha_chassis"}},
		})
	}
	return rows
}
