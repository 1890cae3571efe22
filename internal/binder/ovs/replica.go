// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/kuryr-go/kuryr/internal/fault"
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

// portOfInterface is the port of an interface; they have one name.
func (c *conn) portOfInterface(in *interfaceRow) (*portRow, error) {
	port, ok := c.port(in.Name)
	if !ok {
		return nil, fault.New(fault.Internal, "the database has an interface %s without a port of that name", in.Name)
	}
	return port, nil
}

func (c *conn) iface(name string) (*interfaceRow, bool) {
	return byName(c, tableInterface, &interfaceRow{Name: name})
}

// ofPort finds the interfaces of a port, whoever made them, without its wire.
func (c *conn) ofPort(portID string) []*interfaceRow {
	all := append(c.ifacesWith(keyPort, portID), c.ifacesWith(keyWired, portID)...)
	out := all[:0]
	for _, in := range all {
		if in.ExternalIDs[keyWire] == "" {
			out = append(out, in)
		}
	}
	return out
}

// ifacesWith finds the interfaces with an external id, one of those that
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

// marked are the sandboxes' interfaces with o's mark.
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

// externalID is a map of one.
func externalID(key, value string) ovsdb.OvsMap {
	return ovsdb.OvsMap{GoMap: map[any]any{key: value}}
}
