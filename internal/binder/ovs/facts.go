// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"
)

// fact is something that the server is asked for because the replica does not
// hold it, or may not have heard of it: that one row of table is so.
type fact struct {
	table string
	where []ovsdb.Condition
}

// facts are what makes a wire join two bridges: each end is in its bridge and
// leads to the other, the near one is the port's, the far one has the tag.
func (w *wire) facts(near, far string) []fact {
	return []fact{
		w.inBridge(w.near.Name, near),
		w.inBridge(w.far.Name, far),
		patched(w.near.Name, w.far.Name, keyPort, w.near.ExternalIDs[keyWire]),
		patched(w.far.Name, w.near.Name, keyWire, w.near.ExternalIDs[keyWire]),
		tagged(w.far.Name, w.tag),
	}
}

func (w *wire) inBridge(name, bridge string) fact {
	var uuid string
	for _, p := range w.ports {
		if p.Name == name {
			uuid = p.UUID
		}
	}
	return inBridge(uuid, bridge)
}

func inBridge(portUUID, bridge string) fact {
	return fact{tableBridge, []ovsdb.Condition{
		ovsdb.NewCondition(columnName, ovsdb.ConditionEqual, bridge),
		ovsdb.NewCondition(columnPortsList, ovsdb.ConditionIncludes, ovsdb.UUID{GoUUID: portUUID}),
	}}
}

func patched(name, peer, key, value string) fact {
	return fact{tableInterface, []ovsdb.Condition{
		ovsdb.NewCondition(columnName, ovsdb.ConditionEqual, name),
		ovsdb.NewCondition(columnType, ovsdb.ConditionEqual, patchType),
		ovsdb.NewCondition(columnOptions, ovsdb.ConditionIncludes, externalID(optionPeer, peer)),
		ovsdb.NewCondition(columnExternal, ovsdb.ConditionIncludes, externalID(key, value)),
	}}
}

func tagged(name string, tag int) fact {
	return fact{tablePort, []ovsdb.Condition{
		ovsdb.NewCondition(columnName, ovsdb.ConditionEqual, name),
		ovsdb.NewCondition(columnTag, ovsdb.ConditionEqual, tag),
	}}
}

// holds asks the server whether all of facts are so.
func (s *session) holds(ctx context.Context, facts ...fact) (bool, error) {
	ops := make([]ovsdb.Operation, 0, len(facts))
	for _, f := range facts {
		ops = append(ops, ovsdb.Operation{Op: ovsdb.OperationSelect, Table: f.table, Where: f.where, Columns: []string{columnName}})
	}
	results, err := s.transact(ctx, ops...)
	if err != nil {
		return false, err
	}
	for _, r := range results {
		if len(r.Rows) != 1 {
			return false, nil
		}
	}
	return true, nil
}
