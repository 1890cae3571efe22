// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package openstack_test

import (
	"context"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/trunks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/kuryr-go/kuryr/test/openstack"
)

func TestATrunksSubportsReachOthersThroughTheirParent(t *testing.T) {
	c := openstack.Shared(t)
	l := newLAN(t, c.NewProject(t))
	port := func(name string) string {
		p, err := ports.Create(t.Context(), l.client, ports.CreateOpts{Name: name, NetworkID: l.network, SecurityGroups: &[]string{l.group}}).Extract()
		fail(t, err)
		return p.ID
	}
	parent, first, second := port("parent"), port("first"), port("second")
	trunk, err := trunks.Create(t.Context(), l.client, trunks.CreateOpts{
		Name: "trunk", PortID: parent,
		Subports: []trunks.Subport{{PortID: first, SegmentationType: "vlan", SegmentationID: 101}},
	}).Extract()
	fail(t, err)
	_, err = trunks.AddSubports(t.Context(), l.client, trunk.ID, trunks.AddSubportsOpts{
		Subports: []trunks.Subport{{PortID: second, SegmentationType: "vlan", SegmentationID: 102}},
	}).Extract()
	fail(t, err)
	vm, err := c.Node("node1").BootTrunk(t.Context(), "e2e-trunk", parent, map[int]string{101: first, 102: second})
	fail(t, err)
	t.Cleanup(func() {
		if err := vm.Delete(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	peer := l.vm(t, c.Node("node2"), "e2e-peer")
	for _, m := range []*openstack.VM{vm.Parent, vm.Subports[101], vm.Subports[102]} {
		ping(t, m.Netns(), peer.Address().String())
		ping(t, peer.Netns(), m.Address().String())
	}
	ping(t, vm.Subports[101].Netns(), vm.Subports[102].Address().String())
	ping(t, vm.Subports[101].Netns(), vm.Parent.Address().String())

	p, err := ports.Get(t.Context(), l.client, first).Extract()
	fail(t, err)
	if p.DeviceOwner != "trunk:subport" {
		t.Errorf("a subport is owned by %q", p.DeviceOwner)
	}
	if _, err := trunks.RemoveSubports(t.Context(), l.client, trunk.ID, trunks.RemoveSubportsOpts{
		Subports: []trunks.RemoveSubport{{PortID: second}},
	}).Extract(); err != nil {
		t.Error(err)
	}
	ping(t, vm.Subports[101].Netns(), peer.Address().String())
}
