// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"fmt"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// columnDatapath is table Bridge's.
const columnDatapath = "datapath_type"

// ensureBridge makes the owner's bridge for wires, beside the integration
// bridge and on its datapath: patch ports lead nowhere else. Errors: Conflict
// when something of its name is not Kuryr's.
func (b *Binder) ensureBridge(ctx context.Context, integration *bridgeRow) error {
	if b.bridgeIsRight(integration) {
		return nil
	}
	name := b.owner.bridge
	unlock, err := b.ports.lock(ctx, name)
	if err != nil {
		return fmt.Errorf("wait for bridge %s: %w", name, err)
	}
	defer unlock()
	if b.bridgeIsRight(integration) {
		return nil
	}
	c, err := b.session.connected(ctx)
	if err != nil {
		return err
	}
	if err := b.session.awaitSeen(ctx, name); err != nil {
		return err
	}
	w := b.session.watches.open(name)
	defer w.stop()
	local, taken := c.iface(name)
	_, there := c.bridge(name)
	switch {
	case taken && !b.owner.made(local.ExternalIDs):
		return fault.New(fault.Conflict, "the database has an interface %s already that is not Kuryr's", name)
	case there:
		_, err = b.session.transact(ctx, datapathOp(name, integration.DatapathType))
	default:
		_, err = b.session.transact(ctx, bridgeOps(b.owner, integration.DatapathType)...)
	}
	if err != nil {
		return fmt.Errorf("make bridge %s: %w", name, err)
	}
	return b.awaitBridge(ctx, integration, w)
}

// awaitBridge waits until the replica has the bridge: what is asked of it next
// would else not find it.
func (b *Binder) awaitBridge(ctx context.Context, integration *bridgeRow, w *watch) error {
	for !b.bridgeIsRight(integration) {
		select {
		case <-w.C:
		case <-ctx.Done():
			return fault.New(fault.Unavailable, "bridge %s did not appear in time: %w", b.owner.bridge, context.Cause(ctx))
		}
	}
	return nil
}

// bridgeIsRight tells whether the replica has the owner's bridge as it must be.
func (b *Binder) bridgeIsRight(integration *bridgeRow) bool {
	c, err := b.session.current()
	if err != nil {
		return false
	}
	br, ok := c.bridge(b.owner.bridge)
	local, marked := c.iface(b.owner.bridge)
	return ok && marked && !b.session.removals.isUnseen(b.owner.bridge) && b.owner.made(local.ExternalIDs) && br.datapath() == integration.datapath()
}

func datapathOp(bridge, datapath string) ovsdb.Operation {
	return ovsdb.Operation{
		Op: ovsdb.OperationUpdate, Table: tableBridge, Row: ovsdb.Row{columnDatapath: datapath},
		Where: []ovsdb.Condition{ovsdb.NewCondition(columnName, ovsdb.ConditionEqual, bridge)},
	}
}

// bridgeOps make the bridge: a plain wire for every VLAN, whatever is sent.
//
// It learns no MACs: where a VLAN has two ports there is nothing to learn, and
// a container could fill the table that all share. It has no part in spanning
// tree or multicast groups. Its local port is an interface of the node's own
// IP stack, so none of the VLANs reaches it, and nobody sets it up.
func bridgeOps(o owner, datapath string) []ovsdb.Operation {
	ids := stringMap(map[string]string{keyCluster: o.cluster, keyNode: o.node})
	vlans := ovsdb.OvsSet{}
	for tag := 1; tag <= maxTag; tag++ {
		vlans.GoSet = append(vlans.GoSet, tag)
	}
	newInterface, newPort, newBridge := newRow("iface", o.bridge), newRow("port", o.bridge), newRow("bridge", o.bridge)
	return []ovsdb.Operation{{
		Op: ovsdb.OperationInsert, Table: tableInterface, UUIDName: newInterface,
		Row: ovsdb.Row{columnName: o.bridge, columnType: "internal", columnExternal: ids},
	}, {
		Op: ovsdb.OperationInsert, Table: tablePort, UUIDName: newPort,
		Row: ovsdb.Row{
			columnName: o.bridge, "interfaces": ovsdb.UUID{GoUUID: newInterface},
			"vlan_mode": "trunk", "trunks": 0,
		},
	}, {
		Op: ovsdb.OperationInsert, Table: tableBridge, UUIDName: newBridge,
		Row: ovsdb.Row{
			columnName: o.bridge, columnPortsList: ovsdb.UUID{GoUUID: newPort}, columnDatapath: datapath, columnExternal: ids,
			"fail_mode": "standalone", "flood_vlans": vlans,
			"stp_enable": false, "rstp_enable": false, "mcast_snooping_enable": false,
			"other_config": externalID("forward-bpdu", "true"),
		},
	}, {
		Op: ovsdb.OperationMutate, Table: tableSwitch, Where: everyRow,
		Mutations: []ovsdb.Mutation{*ovsdb.NewMutation(columnBridges, ovsdb.MutateOperationInsert, ovsdb.UUID{GoUUID: newBridge})},
	}}
}

// Leave removes what is for no port alone, the bridge for wires, from the
// switch; what is gone is a success, and the next Prewire makes it again.
// Errors: Conflict while a wire or a sandbox's interface is in it, Unavailable
// without a connection.
func (b *Binder) Leave(ctx context.Context) error {
	if err := b.removeBridge(ctx); err != nil {
		return fmt.Errorf("ovs: remove bridge %s: %w", b.owner.bridge, err)
	}
	return nil
}

func (b *Binder) removeBridge(ctx context.Context) error {
	c, err := b.session.connected(ctx)
	if err != nil {
		return err
	}
	unlock, err := b.ports.lock(ctx, b.owner.bridge)
	if err != nil {
		return err
	}
	defer unlock()
	br, ok := c.bridge(b.owner.bridge)
	local, marked := c.iface(b.owner.bridge)
	if !ok || !marked || !b.owner.made(local.ExternalIDs) {
		return nil
	}
	if used, _ := c.usedTags(b.owner, ""); len(used) > 0 {
		return fault.New(fault.Conflict, "%d of its VLANs are still used", len(used))
	}
	results, err := b.session.transact(ctx, removeBridgeOps(br.UUID)...)
	if err != nil {
		return err
	}
	b.session.noteRemoved(results[1:], br.Name)
	return nil
}

func removeBridgeOps(uuid string) []ovsdb.Operation {
	return append([]ovsdb.Operation{{
		Op: ovsdb.OperationMutate, Table: tableSwitch, Where: everyRow,
		Mutations: []ovsdb.Mutation{*ovsdb.NewMutation(columnBridges, ovsdb.MutateOperationDelete, ovsdb.UUID{GoUUID: uuid})},
	}}, raiseOps()...)
}
