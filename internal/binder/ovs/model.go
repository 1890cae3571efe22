// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"github.com/ovn-kubernetes/libovsdb/model"
)

// The tables of ovs-vswitchd.conf.db(5), with the columns that are monitored
// and no others: a node's statistics must not pass through here.

const (
	databaseName    = "Open_vSwitch"
	tableSwitch     = "Open_vSwitch"
	tableBridge     = "Bridge"
	tablePort       = "Port"
	tableInterface  = "Interface"
	columnName      = "name"
	columnError     = "error"
	columnType      = "type"
	columnTag       = "tag"
	columnBridges   = "bridges"
	columnOptions   = "options"
	columnExternal  = "external_ids"
	columnNextCfg   = "next_cfg"
	columnPortsList = "ports"
)

// A patch port, and the option that names its other end.
const (
	patchType  = "patch"
	optionPeer = "peer"
)

// switchRow is the one row of table Open_vSwitch.
type switchRow struct {
	UUID        string            `ovsdb:"_uuid"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
	Version     *string           `ovsdb:"ovs_version"`
	NextCfg     int               `ovsdb:"next_cfg"`
	CurCfg      int               `ovsdb:"cur_cfg"`
}

type bridgeRow struct {
	UUID         string `ovsdb:"_uuid"`
	Name         string `ovsdb:"name"`
	DatapathType string `ovsdb:"datapath_type"`
	// ExternalIDs of the integration bridge are where ovn-controller keeps the
	// numbers of its conntrack zones.
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

// datapath is the bridge's datapath_type, "system" when the row leaves it empty.
func (b *bridgeRow) datapath() string {
	if b.DatapathType == "" {
		return "system"
	}
	return b.DatapathType
}

type portRow struct {
	UUID string `ovsdb:"_uuid"`
	Name string `ovsdb:"name"`
	Tag  *int   `ovsdb:"tag"`
}

type interfaceRow struct {
	UUID        string            `ovsdb:"_uuid"`
	Name        string            `ovsdb:"name"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
	OfPort      *int              `ovsdb:"ofport"`
	Error       *string           `ovsdb:"error"`
}

// databaseModel is what the session keeps of the database. Interfaces are
// indexed by the external_ids by which they are looked up.
func databaseModel() (model.ClientDBModel, error) {
	m, err := model.NewClientDBModel(databaseName, map[string]model.Model{
		tableSwitch:    &switchRow{},
		tableBridge:    &bridgeRow{},
		tablePort:      &portRow{},
		tableInterface: &interfaceRow{},
	})
	if err != nil {
		return m, err
	}
	m.SetIndexes(map[string][]model.ClientIndex{
		tableInterface: {
			{Columns: []model.ColumnKey{{Column: columnExternal, Key: keyPort}}},
			{Columns: []model.ColumnKey{{Column: columnExternal, Key: keyAttachment}}},
			{Columns: []model.ColumnKey{{Column: columnExternal, Key: keyWired}}},
			{Columns: []model.ColumnKey{{Column: columnExternal, Key: keyWire}}},
		},
	})
	return m, nil
}
