// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/lease"
)

// The external_ids of an Interface row. The first four are Neutron's and
// Nova's (os-vif's vif_plug_ovs), the others are the owner mark. ovn-controller
// looks at iface-id alone: of a port with a wire only the wire's near end has it.
const (
	keyPort       = "iface-id"
	keyMAC        = "attached-mac"
	keyStatus     = "iface-status"
	keyDevice     = "vm-uuid"
	keyAttachment = "kuryr-attachment"
	keySandbox    = "kuryr-sandbox"
	keyInterface  = "kuryr-interface"
	keyCluster    = "kuryr-cluster"
	keyNode       = "kuryr-node"
	// keyWired is the port of a sandbox's interface that hangs on a wire,
	// keyWire that of either end of the wire itself.
	keyWired = "kuryr-port"
	keyWire  = "kuryr-wire"
)

// keyInstalled is set by ovn-controller when the port's flows are in place.
const keyInstalled = "ovn-installed"

// aliasPrefix begins the alias of a host device; the attachment follows.
const aliasPrefix = "kuryr "

// owner is who binds: the mark of rows and devices.
type owner struct {
	cluster, node string
	// group is the device group (IFLA_GROUP) of the owner's host devices.
	group uint32
	// bridge is the name of the owner's bridge for wires, and prefix begins
	// the names of its far ends.
	bridge, prefix string
}

func newOwner(cluster, node string) owner {
	h := fnv.New32a()
	_, _ = h.Write([]byte(cluster + "/" + node))
	// The upper byte, 'k', keeps clear of the small numbers people give to
	// groups of their own.
	return owner{
		cluster: cluster, node: node,
		group:  'k'<<24 | h.Sum32()&0xffffff,
		bridge: fmt.Sprintf("kuryr-%08x", h.Sum32()),
		prefix: fmt.Sprintf("kc%08x-", h.Sum32()),
	}
}

// externalIDs are those of the row for r.
func (o owner) externalIDs(r *binder.Request) map[string]string {
	return map[string]string{
		keyPort:       r.Lease.PortID,
		keyMAC:        r.Lease.MAC,
		keyStatus:     "active",
		keyDevice:     r.Attachment,
		keyAttachment: r.Attachment,
		keySandbox:    r.Sandbox,
		keyInterface:  r.Interface,
		keyCluster:    o.cluster,
		keyNode:       o.node,
	}
}

// wiredIDs are those of the row for r when its port has a wire.
func (o owner) wiredIDs(r *binder.Request) map[string]string {
	ids := o.externalIDs(r)
	delete(ids, keyPort)
	delete(ids, keyStatus)
	ids[keyWired] = r.Lease.PortID
	return ids
}

// nearIDs are those of the near end of a port's wire: it stands for the port.
func (o owner) nearIDs(l *lease.Lease) map[string]string {
	ids := o.wireIDs(l.PortID)
	ids[keyPort], ids[keyMAC], ids[keyStatus] = l.PortID, l.MAC, "active"
	return ids
}

// wireIDs are those of either end of a port's wire.
func (o owner) wireIDs(portID string) map[string]string {
	return map[string]string{keyWire: portID, keyCluster: o.cluster, keyNode: o.node}
}

// marked reports whether ids are those of a sandbox's interface of this owner.
func (o owner) marked(ids map[string]string) bool {
	return ids[keyAttachment] != "" && o.made(ids)
}

// made reports whether ids carry this owner's mark, whatever they are of.
func (o owner) made(ids map[string]string) bool {
	return ids[keyCluster] == o.cluster && ids[keyNode] == o.node
}

// portOf is the port of a sandbox's interface.
func portOf(ids map[string]string) string {
	if id := ids[keyWired]; id != "" {
		return id
	}
	return ids[keyPort]
}

// attachmentOf reads the attachment from a host device's alias; "" when the
// alias is not Kuryr's.
func attachmentOf(alias string) string {
	id, ok := strings.CutPrefix(alias, aliasPrefix)
	if !ok {
		return ""
	}
	return id
}

// hostName is the host device of a port: what Nova and Neutron's agents
// derive too, and operators look for.
func hostName(portID string) string { return "tap" + shortID(portID) }

// shortID is as much of a port's id as goes into a name.
func shortID(portID string) string {
	const idLen = 11
	return portID[:min(idLen, len(portID))]
}

// refOf tells what a marked row is about.
func refOf(row *interfaceRow) binder.Ref {
	ids := row.ExternalIDs
	return binder.Ref{
		Attachment:    ids[keyAttachment],
		PortID:        portOf(ids),
		Sandbox:       ids[keySandbox],
		Interface:     ids[keyInterface],
		HostInterface: row.Name,
	}
}
