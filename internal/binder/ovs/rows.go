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

// newPort is a port with one interface that is to be added to a bridge.
type newPort struct {
	bridge, name string
	ids          map[string]string
	// peer is the other end of a patch port; empty: a device of the kernel's.
	peer string
	// tag makes an access port of that VLAN; zero: a trunk.
	tag int
}

// inserted are a port's name and the UUIDs of its two rows.
type inserted struct {
	name, iface, port string
}

// insertPorts adds ports to their bridges, all or none of them. Errors:
// Unavailable when a bridge went, Conflict when a name is taken, else as
// transact.
func (s *session) insertPorts(ctx context.Context, ports ...newPort) ([]inserted, error) {
	var ops []ovsdb.Operation
	for _, p := range ports {
		ops = append(ops, insertOps(p)...)
	}
	results, err := s.transact(ctx, ops...)
	var no *refusal
	if errors.As(err, &no) && no.reason == constraintViolation {
		return nil, fault.New(fault.Conflict, "the database has a port or interface %s already: %w", names(ports), no)
	}
	if err != nil {
		return nil, err
	}
	made := make([]inserted, 0, len(ports))
	var there []portRow
	missing := ""
	for _, p := range ports {
		m := inserted{name: p.name, iface: results[0].UUID.GoUUID, port: results[1].UUID.GoUUID}
		made = append(made, m)
		if results[2].Count == 0 {
			missing = p.bridge
		} else {
			there = append(there, portRow{UUID: m.port, Name: p.name})
		}
		results = results[3:]
	}
	if missing == "" {
		return made, nil
	}
	// What has no bridge is gone already; the others must not stay alone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	return nil, errors.Join(noBridge(missing, s.database), s.removePorts(ctx, there...))
}

func names(ports []newPort) string {
	list := make([]string, 0, len(ports))
	for _, p := range ports {
		list = append(list, p.name)
	}
	return strings.Join(list, " or ")
}

// insertOps: without a bridge that refers to them, the two new rows do not
// outlive the transaction.
func insertOps(p newPort) []ovsdb.Operation {
	newInterface, newPort := newRow("iface", p.name), newRow("port", p.name)
	iface := ovsdb.Row{columnName: p.name, columnExternal: stringMap(p.ids)}
	if p.peer != "" {
		iface[columnType] = patchType
		iface[columnOptions] = externalID(optionPeer, p.peer)
	}
	port := ovsdb.Row{columnName: p.name, "interfaces": ovsdb.UUID{GoUUID: newInterface}}
	if p.tag != 0 {
		port[columnTag] = p.tag
		port["vlan_mode"] = "access"
	}
	return []ovsdb.Operation{{
		Op: ovsdb.OperationInsert, Table: tableInterface, UUIDName: newInterface, Row: iface,
	}, {
		Op: ovsdb.OperationInsert, Table: tablePort, UUIDName: newPort, Row: port,
	}, {
		Op: ovsdb.OperationMutate, Table: tableBridge,
		Where:     []ovsdb.Condition{ovsdb.NewCondition(columnName, ovsdb.ConditionEqual, p.bridge)},
		Mutations: []ovsdb.Mutation{*ovsdb.NewMutation(columnPortsList, ovsdb.MutateOperationInsert, ovsdb.UUID{GoUUID: newPort})},
	}}
}

// newRow names a row that a transaction makes. The names must be unique in
// the whole batch, as name is in its table, and of these characters.
func newRow(kind, name string) string {
	return kind + "_" + strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, name)
}

func stringMap(m map[string]string) ovsdb.OvsMap {
	out := make(map[any]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return ovsdb.OvsMap{GoMap: out}
}

// removePorts takes ports from whatever bridges have them; the rows go with
// them. A port that is gone is a success. The removals are remembered by name
// until ovs-vswitchd has seen them.
func (s *session) removePorts(ctx context.Context, ports ...portRow) error {
	if len(ports) == 0 {
		return nil
	}
	results, err := s.transact(ctx, removeOps(ports)...)
	if err != nil {
		return err
	}
	var gone []string
	for i, p := range ports {
		if results[i].Count > 0 {
			gone = append(gone, p.Name)
		}
	}
	s.noteRemoved(results[len(ports):], gone...)
	return nil
}

// noteRemoved remembers removals; results are those of raiseOps, made in the
// same transaction.
func (s *session) noteRemoved(results []ovsdb.OperationResult, names ...string) {
	rows := results[1].Rows
	if len(rows) != 1 {
		return
	}
	cfg, ok := rows[0][columnNextCfg].(float64)
	if !ok {
		return
	}
	for _, name := range names {
		s.removals.add(name, int(cfg))
	}
	// ovs-vswitchd may have been faster than the answer.
	if c, _ := s.current(); c != nil {
		s.removals.seen(c.theSwitch().CurCfg)
	}
}

func removeOps(ports []portRow) []ovsdb.Operation {
	ops := make([]ovsdb.Operation, 0, len(ports)+2)
	for _, p := range ports {
		id := ovsdb.UUID{GoUUID: p.UUID}
		ops = append(ops, ovsdb.Operation{
			Op: ovsdb.OperationMutate, Table: tableBridge,
			Where:     []ovsdb.Condition{ovsdb.NewCondition(columnPortsList, ovsdb.ConditionIncludes, id)},
			Mutations: []ovsdb.Mutation{*ovsdb.NewMutation(columnPortsList, ovsdb.MutateOperationDelete, id)},
		})
	}
	return append(ops, raiseOps()...)
}

// everyRow of table Open_vSwitch: there is only one. libovsdb leaves an empty
// condition out, which the server does not take.
var everyRow = []ovsdb.Condition{ovsdb.NewCondition(columnNextCfg, ovsdb.ConditionGreaterThanOrEqual, 0)}

// raiseOps raise next_cfg, and read it.
func raiseOps() []ovsdb.Operation {
	return []ovsdb.Operation{{
		Op: ovsdb.OperationMutate, Table: tableSwitch, Where: everyRow,
		Mutations: []ovsdb.Mutation{*ovsdb.NewMutation(columnNextCfg, ovsdb.MutateOperationAdd, 1)},
	}, {
		Op: ovsdb.OperationSelect, Table: tableSwitch, Where: everyRow, Columns: []string{columnNextCfg},
	}}
}

func noBridge(bridge, database string) error {
	e := fault.New(fault.Unavailable, "bridge %s does not exist in database %s", bridge, database)
	e.Hint = "ovn-controller or Neutron's agent makes it; external_ids:ovn-bridge names another one"
	return e
}
