// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

// WireLost tells that OVN has taken its flows back from a port's wire, as it
// does when the port is deleted in Neutron, or while ovn-controller starts. It
// asks the replica alone; without a connection nothing is known to be lost.
func (b *Binder) WireLost(portID string) bool {
	c, err := b.session.current()
	if err != nil {
		return false
	}
	w := c.wireOf(b.owner, portID)
	return w != nil && w.near != nil && w.near.ExternalIDs[keyInstalled] != "true"
}
