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

const kindNetwork = "network"

// networkKind is a network's switch, with the port that joins it to its physical network.
func networkKind() kind {
	return kind{
		name: kindNetwork,
		every: func(v view) iter.Seq[string] {
			return ids(v.Networks.All(v), func(n *model.Network) string { return n.ID })
		},
		rows: func(v view, id string) []Row {
			if n := v.Networks.Get(v, id); n != nil {
				return networkRows(n)
			}
			return nil
		},
		owns: map[string]func(*ovsdb.Row) (id, key string, ok bool){
			tableSwitch:     func(row *ovsdb.Row) (id, key string, ok bool) { return named(row, namePrefix) },
			tableSwitchPort: func(row *ovsdb.Row) (id, key string, ok bool) { return named(row, localnetName) },
			// What limits nobody's port is nobody's.
			tableQoS: func(row *ovsdb.Row) (id, key string, ok bool) {
				id, ok = parentID(row, tableSwitch, "qos_rules")
				return id, row.UUID.String(), ok
			},
		},
		stirs: map[string]func(view, store.Change, func(string)){"networks": itself},
	}
}

func networkRows(n *model.Network) []Row {
	rows := []Row{{
		Table: tableSwitch, Key: switchName(n.ID),
		Columns: ovsdb.Columns{
			"name": switchName(n.ID),
			columnIDs: ovsdb.Map{
				idNetworkName: n.Name, idMTU: strconv.Itoa(n.MTU), idRevision: revision(n.RevisionNumber),
				idZoneHints: strings.Join(n.AvailabilityZoneHints, ","),
			},
			"other_config": ovsdb.Map{
				"mcast_snoop": "false", "mcast_flood_unregistered": "false",
				"vlan-passthru": strconv.FormatBool(n.VLANTransparent != nil && *n.VLANTransparent),
			},
		},
	}}
	if n.PhysicalNetwork != nil {
		rows = append(rows, localnetRow(n))
	}
	return rows
}

// localnetRow is named after the network: Neutron names it after the segment, of which there is one.
func localnetRow(n *model.Network) Row {
	var tag any
	if n.SegmentationID != nil {
		tag = *n.SegmentationID
	}
	return Row{
		Table: tableSwitchPort, Key: localnetName + n.ID,
		Columns: ovsdb.Columns{
			"name": localnetName + n.ID, "type": "localnet", "addresses": ovsdb.Set{"unknown"}, "tag": tag,
			"options": ovsdb.Map{"network_name": *n.PhysicalNetwork, "mcast_flood_reports": "true", "mcast_flood": "false"},
			"enabled": nil,
			columnIDs: ovsdb.Map{},
		},
		In: []Place{{tableSwitch, switchName(n.ID), "ports"}},
	}
}
