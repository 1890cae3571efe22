// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"errors"
	"strings"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// inserted are the UUIDs of a port's two rows.
type inserted struct {
	iface, port string
}

// insertPort adds a port with one interface to a bridge. Errors: Unavailable when the bridge went, Conflict when the
// name is taken, else as transact.
func (s *session) insertPort(ctx context.Context, bridge, name string, ids map[string]string) (inserted, error) {
	results, err := s.transact(ctx, insertOps(bridge, name, ids)...)
	var no *refusal
	if errors.As(err, &no) && no.reason == "constraint violation" {
		return inserted{}, fault.New(fault.Conflict, "the database has a port or interface %s already: %w", name, no)
	}
	if err != nil {
		return inserted{}, err
	}
	if results[2].Count == 0 {
		return inserted{}, noBridge(bridge, s.database)
	}
	return inserted{iface: results[0].UUID.GoUUID, port: results[1].UUID.GoUUID}, nil
}

// insertOps: without a bridge that refers to them, the two new rows do not
// outlive the transaction.
func insertOps(bridge, name string, ids map[string]string) []ovsdb.Operation {
	// Names of new rows must be unique in the whole batch.
	id := strings.ReplaceAll(ids[keyPort], "-", "")
	newInterface, newPort := "i"+id, "p"+id
	external := make(map[any]any, len(ids))
	for k, v := range ids {
		external[k] = v
	}
	return []ovsdb.Operation{{
		Op: ovsdb.OperationInsert, Table: tableInterface, UUIDName: newInterface,
		Row: ovsdb.Row{"name": name, columnExternal: ovsdb.OvsMap{GoMap: external}},
	}, {
		Op: ovsdb.OperationInsert, Table: tablePort, UUIDName: newPort,
		Row: ovsdb.Row{"name": name, "interfaces": ovsdb.UUID{GoUUID: newInterface}},
	}, {
		Op: ovsdb.OperationMutate, Table: tableBridge,
		Where:     []ovsdb.Condition{ovsdb.NewCondition("name", ovsdb.ConditionEqual, bridge)},
		Mutations: []ovsdb.Mutation{*ovsdb.NewMutation(columnPortsList, ovsdb.MutateOperationInsert, ovsdb.UUID{GoUUID: newPort})},
	}}
}

// removePort takes a port from whatever bridge has it; the rows go with it.
// A port that is gone is a success. The removal is remembered under name
// until ovs-vswitchd has seen it.
func (s *session) removePort(ctx context.Context, name, portUUID string) error {
	results, err := s.transact(ctx, removeOps(portUUID)...)
	if err != nil {
		return err
	}
	if rows := results[2].Rows; results[0].Count > 0 && len(rows) == 1 {
		if cfg, ok := rows[0][columnNextCfg].(float64); ok {
			s.removals.add(name, int(cfg))
			// ovs-vswitchd may have been faster than the answer.
			if c, _ := s.current(); c != nil {
				s.removals.seen(c.theSwitch().CurCfg)
			}
		}
	}
	return nil
}

func removeOps(portUUID string) []ovsdb.Operation {
	port := ovsdb.UUID{GoUUID: portUUID}
	// Every row: there is only one. libovsdb leaves an empty condition out,
	// which the server does not take.
	theOne := []ovsdb.Condition{ovsdb.NewCondition(columnNextCfg, ovsdb.ConditionGreaterThanOrEqual, 0)}
	return []ovsdb.Operation{{
		Op: ovsdb.OperationMutate, Table: tableBridge,
		Where:     []ovsdb.Condition{ovsdb.NewCondition(columnPortsList, ovsdb.ConditionIncludes, port)},
		Mutations: []ovsdb.Mutation{*ovsdb.NewMutation(columnPortsList, ovsdb.MutateOperationDelete, port)},
	}, {
		Op: ovsdb.OperationMutate, Table: tableSwitch, Where: theOne,
		Mutations: []ovsdb.Mutation{*ovsdb.NewMutation(columnNextCfg, ovsdb.MutateOperationAdd, 1)},
	}, {
		Op: ovsdb.OperationSelect, Table: tableSwitch, Where: theOne, Columns: []string{columnNextCfg},
	}}
}

func noBridge(bridge, database string) error {
	e := fault.New(fault.Unavailable, "bridge %s does not exist in database %s", bridge, database)
	e.Hint = "ovn-controller or Neutron's agent makes it; external_ids:ovn-bridge names another one"
	return e
}
