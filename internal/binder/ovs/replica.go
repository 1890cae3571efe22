// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"
)

// The rows that a caller gets are shared with the replica, or copies: in
// either case they are not to be changed.

// theSwitch is the Open_vSwitch row; empty while the database has none.
func (c *conn) theSwitch() *switchRow {
	for _, m := range c.cache.Table(tableSwitch).RowsShallow() {
		if sw, ok := m.(*switchRow); ok {
			return sw
		}
	}
	return &switchRow{}
}

// byName finds a row by its name, which is unique in its table.
func byName[T any](c *conn, table string, like *T) (*T, bool) {
	_, m, err := c.cache.Table(table).RowByModel(like)
	if err != nil {
		return nil, false
	}
	row, ok := any(m).(*T)
	return row, ok && row != nil
}

func (c *conn) bridge(name string) (*bridgeRow, bool) {
	return byName(c, tableBridge, &bridgeRow{Name: name})
}

func (c *conn) port(name string) (*portRow, bool) {
	return byName(c, tablePort, &portRow{Name: name})
}

func (c *conn) iface(name string) (*interfaceRow, bool) {
	return byName(c, tableInterface, &interfaceRow{Name: name})
}

// ifacesWith finds the interfaces with an external id, one of the two that
// databaseModel indexes.
func (c *conn) ifacesWith(key, value string) []*interfaceRow {
	if value == "" {
		return nil
	}
	rows, err := c.cache.Table(tableInterface).RowsByCondition([]ovsdb.Condition{
		ovsdb.NewCondition(columnExternal, ovsdb.ConditionIncludes, externalID(key, value)),
	})
	if err != nil {
		return nil
	}
	return interfaceRows(rows)
}

// marked are the interfaces with o's mark.
func (c *conn) marked(o owner) []*interfaceRow {
	all := interfaceRows(c.cache.Table(tableInterface).RowsShallow())
	out := all[:0]
	for _, in := range all {
		if o.marked(in.ExternalIDs) {
			out = append(out, in)
		}
	}
	return out
}

func interfaceRows(rows map[string]model.Model) []*interfaceRow {
	out := make([]*interfaceRow, 0, len(rows))
	for _, m := range rows {
		if in, ok := m.(*interfaceRow); ok {
			out = append(out, in)
		}
	}
	return out
}

func externalID(key, value string) ovsdb.OvsMap {
	return ovsdb.OvsMap{GoMap: map[any]any{key: value}}
}
