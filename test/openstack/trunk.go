// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// TrunkVM is a VM whose interface carries VLANs: what it sends untagged is the
// parent port's, each VLAN is a subport's and ends in a namespace of its own, as
// that of a container inside the VM.
type TrunkVM struct {
	Parent *VM
	// Subports are by their VLAN.
	Subports map[int]*VM

	node *Node
}

// The names of the two ends of a trunk, and of the bridge that sorts its VLANs.
// Without a VLAN device in the kernel, the hypervisor's own switch takes the
// part of the VM's.
func trunkNames(parent string) (inside, outside, bridge string) {
	return "tpi" + parent[:8], "tpt" + parent[:8], "tbr" + parent[:8]
}

// BootTrunk makes a VM of the parent port of a trunk, with a namespace for each
// subport by its VLAN, and returns when all are ACTIVE.
func (n *Node) BootTrunk(ctx context.Context, name, parent string, subports map[int]string) (*TrunkVM, error) {
	m, err := n.plan(ctx, name, []string{parent})
	if err != nil {
		return nil, err
	}
	t := &TrunkVM{Parent: m, Subports: map[int]*VM{}, node: n}
	for vlan, port := range subports {
		if t.Subports[vlan], err = n.plan(ctx, fmt.Sprintf("%s-%d", name, vlan), []string{port}); err != nil {
			return nil, err
		}
	}
	if err := t.boot(ctx); err != nil {
		return nil, errors.Join(err, t.Delete(context.WithoutCancel(ctx)))
	}
	return t, nil
}

func (t *TrunkVM) boot(ctx context.Context) error {
	n, nic := t.node, t.Parent.NICs[0]
	client, err := n.cloud.Network(ctx, Admin)
	if err != nil {
		return err
	}
	if err := bindPort(ctx, client, nic.Port, n.Name, t.Parent.ID); err != nil {
		return fmt.Errorf("openstack: boot VM %s: %w", t.Parent.Name, err)
	}
	inside, outside, bridge := trunkNames(nic.Port)
	if _, err := n.Vsctl(
		ctx, "add-br", bridge, "--", "set", "Bridge", bridge, "datapath_type=netdev", "fail_mode=standalone",
		"--", "add-port", bridge, inside, "--", "set", "Interface", inside, "type=patch", "options:peer="+outside,
		"--", "add-port", "br-int", outside, "--", "set", "Interface", outside, "type=patch", "options:peer="+inside,
		"external_ids:iface-id="+nic.Port, "external_ids:iface-status=active", fmt.Sprintf("external_ids:attached-mac=%q", nic.MAC),
	); err != nil {
		return err
	}
	for vlan, m := range t.all() {
		if err := m.Netns().Make(); err != nil {
			return err
		}
		if err := n.wire(m.Netns(), m.NICs[0], true); err != nil {
			return err
		}
		if _, err := n.Vsctl(ctx, "add-port", bridge, m.NICs[0].Tap, fmt.Sprintf("tag=%d", vlan)); err != nil {
			return err
		}
	}
	for _, m := range t.all() {
		port := m.NICs[0].Port
		if err := await(ctx, "port "+port, func(ctx context.Context) error { return portActive(ctx, client, port) }); err != nil {
			return err
		}
	}
	return nil
}

// all gives the namespaces by VLAN, the parent's by zero.
func (t *TrunkVM) all() map[int]*VM {
	all := maps.Clone(t.Subports)
	all[0] = t.Parent
	return all
}

// Delete removes the VM and its namespaces, and unbinds the parent. The ports stay.
func (t *TrunkVM) Delete(ctx context.Context) error {
	n := t.node
	_, outside, bridge := trunkNames(t.Parent.NICs[0].Port)
	if _, err := n.Vsctl(ctx, "--if-exists", "del-port", "br-int", outside, "--", "--if-exists", "del-br", bridge); err != nil {
		return err
	}
	for _, vlan := range slices.Sorted(maps.Keys(t.Subports)) {
		m := t.Subports[vlan]
		if err := n.Netns().deleteLink(m.NICs[0].Tap); err != nil {
			return err
		}
		if err := n.cloud.discard(ctx, m.Netns()); err != nil {
			return err
		}
	}
	return t.Parent.Delete(ctx)
}
