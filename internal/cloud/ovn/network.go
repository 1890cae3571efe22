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

// kinds are all kinds of units. A row may be in, or refer to, rows of kinds
// before its own.
func kinds() []kind {
	return []kind{networkKind()}
}

const (
	kindNetwork = "network"
	kindPort    = "port"
)

// Keys of external_ids, as Neutron's driver has them (neutron/common/ovn/constants.py).
const (
	idNetworkName = "neutron:network_name"
	idMTU         = "neutron:mtu"
	idRevision    = "neutron:revision_number"
	idZoneHints   = "neutron:availability_zone_hints"
)

const namePrefix = "neutron-"

// switchName is the name and key of a network's Logical_Switch.
func switchName(networkID string) string { return namePrefix + networkID }

func networkKind() kind {
	return kind{
		name: kindNetwork,
		every: func(v view) iter.Seq[string] {
			return ids(v.Networks.All(v), func(n *model.Network) string { return n.ID })
		},
		rows: func(v view, id string) []Row {
			n := v.Networks.Get(v, id)
			if n == nil {
				return nil
			}
			return networkRows(n)
		},
		owns: map[string]func(*ovsdb.Row) (id, key string, ok bool){
			tableSwitch: func(row *ovsdb.Row) (id, key string, ok bool) {
				id, ok = strings.CutPrefix(row.String("name"), namePrefix)
				return id, row.String("name"), ok && row.Entry("external_ids", idRevision) != ""
			},
		},
		stirs: map[string]func(view, store.Change, func(string)){"networks": itself},
	}
}

func networkRows(n *model.Network) []Row {
	return []Row{{
		Table: tableSwitch, Key: switchName(n.ID),
		Columns: ovsdb.Columns{
			"name": switchName(n.ID),
			"external_ids": ovsdb.Map{
				idNetworkName: n.Name, idMTU: strconv.Itoa(n.MTU), idRevision: strconv.FormatInt(n.RevisionNumber, 10),
				idZoneHints: strings.Join(n.AvailabilityZoneHints, ","),
			},
			"other_config": ovsdb.Map{
				"mcast_snoop": "false", "mcast_flood_unregistered": "false",
				"vlan-passthru": strconv.FormatBool(n.VLANTransparent != nil && *n.VLANTransparent),
			},
		},
	}}
}
