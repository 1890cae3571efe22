// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"hash/fnv"
	"strings"

	"github.com/kuryr-go/kuryr/internal/binder"
)

// The external_ids of an Interface row. The first four are Neutron's and
// Nova's (os-vif's vif_plug_ovs), the others are the owner mark.
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
}

func newOwner(cluster, node string) owner {
	h := fnv.New32a()
	_, _ = h.Write([]byte(cluster + "/" + node))
	// The upper byte, 'k', keeps clear of the small numbers people give to
	// groups of their own.
	return owner{cluster: cluster, node: node, group: 'k'<<24 | h.Sum32()&0xffffff}
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

// marked reports whether ids carry this owner's mark.
func (o owner) marked(ids map[string]string) bool {
	return ids[keyAttachment] != "" && ids[keyCluster] == o.cluster && ids[keyNode] == o.node
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
func hostName(portID string) string {
	const idLen = 11
	return "tap" + portID[:min(idLen, len(portID))]
}

// refOf tells what a marked row is about.
func refOf(row *interfaceRow) binder.Ref {
	ids := row.ExternalIDs
	return binder.Ref{
		Attachment:    ids[keyAttachment],
		PortID:        ids[keyPort],
		Sandbox:       ids[keySandbox],
		Interface:     ids[keyInterface],
		HostInterface: row.Name,
	}
}
