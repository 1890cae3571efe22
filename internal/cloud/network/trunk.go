// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"maps"
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// ownerSubPort is the device_owner of a trunk's subport.
const ownerSubPort = "trunk:subport"

// vifVHostUser is a binding:vif_type.
const vifVHostUser = "vhostuser"

// The keys of a subport's binding:profile.
const (
	profileParent = "parent_name"
	profileTag    = "tag"
)

func (s *Service) serveTrunks() {
	res := &rest.Resource[model.Trunk]{
		Name: "trunk", Plural: "trunks", Kind: "Trunk",
		Attributes: s.attributes["trunks"], Table: s.Trunks,
		Meta:   func(t *model.Trunk) *model.Meta { return &t.Meta },
		Tagged: true, Quota: "trunk", NoBulk: true,
		Indexes: []rest.By[model.Trunk]{
			{Filter: "port_id", Index: s.Index.TrunkByPort},
			{Filter: "project_id", Index: s.Index.TrunkByProject},
		},
		View:   viewTrunk,
		Create: s.createTrunk,
		Update: func(*rest.Call, *store.Tx, rest.Values, *model.Trunk, *model.Trunk) error { return nil },
		Delete: s.deleteTrunk,
	}
	rest.Add(s.engine, res)
	rest.Act(s.engine, res, "add_subports", s.addSubPorts)
	rest.Act(s.engine, res, "remove_subports", s.removeSubPorts)
	rest.Look(s.engine, res, "get_subports", func(_ *rest.Call, _ store.Reader, t *model.Trunk) any {
		return map[string]any{"sub_ports": append([]model.SubPort{}, t.SubPorts...)}
	})
}

func viewTrunk(_ *rest.Call, _ store.Reader, t *model.Trunk, shown map[string]any) {
	shown["sub_ports"] = append([]model.SubPort{}, t.SubPorts...)
}

func (s *Service) createTrunk(c *rest.Call, tx *store.Tx, v rest.Values, t *model.Trunk) error {
	if err := s.checkParent(c, tx, t.PortID); err != nil {
		return err
	}
	t.SubPorts = []model.SubPort{}
	list, _ := v["sub_ports"].([]any)
	subs, err := s.subPortsOf(c, tx, t, list)
	if err != nil {
		return err
	}
	t.SubPorts = append(t.SubPorts, subs...)
	t.Status, t.RevisionNumber = statusActive, 1 // OVN needs no time for it
	for _, sub := range subs {
		s.setSubPort(tx, t, sub)
	}
	return nil
}

// checkParent checks that a port may become a trunk's parent.
func (s *Service) checkParent(c *rest.Call, r store.Reader, id string) error {
	if err := s.checkNotInTrunk(r, id); err != nil {
		return err
	}
	p := s.Ports.Get(r, id)
	if p == nil || !s.seesPort(c, r, p) {
		return portNotFound(id)
	}
	if !trunkable(p) {
		return parentInUse(id)
	}
	return nil
}

func parentInUse(id string) error {
	return rest.Conflict("ParentPortInUse", "Port %s is currently in use and is not eligible for use as a parent port.", id)
}

// checkNotInTrunk refuses a port that is part of a trunk.
func (s *Service) checkNotInTrunk(r store.Reader, id string) error {
	if s.Trunks.First(r, s.Index.TrunkBySubPort, id) != nil {
		return rest.Conflict("TrunkPortInUse", "Port %s is in use by another trunk.", id)
	}
	if s.Trunks.First(r, s.Index.TrunkByPort, id) != nil {
		return parentInUse(id)
	}
	return nil
}

// trunkable tells whether OVN can make a port a trunk's parent, or no parent any more.
func trunkable(p *model.Port) bool {
	return p.HostID == "" || p.VIFType == vifOVS || p.VIFType == vifVHostUser
}

// trunkManageable refuses to change what a trunk consists of while it is down by its owner's will.
func trunkManageable(t *model.Trunk) error {
	if t.AdminStateUp {
		return nil
	}
	return rest.Conflict("TrunkDisabled", "Trunk %s is currently disabled.", t.ID)
}

func (s *Service) deleteTrunk(_ *rest.Call, tx *store.Tx, t *model.Trunk) error {
	if err := trunkManageable(t); err != nil {
		return err
	}
	if p := s.Ports.Get(tx, t.PortID); p != nil && !trunkable(p) {
		return rest.Conflict("TrunkInUse", "Trunk %s is currently in use.", t.ID)
	}
	for _, sub := range t.SubPorts {
		s.unsetSubPort(tx, sub.PortID)
	}
	return nil
}

func (s *Service) addSubPorts(c *rest.Call, tx *store.Tx, body map[string]any, t *model.Trunk) (any, error) {
	list, err := checkSubPorts(body["sub_ports"])
	if err != nil {
		return nil, rest.InvalidInput("%s", err)
	}
	items, _ := list.([]any)
	subs, err := s.subPortsOf(c, tx, t, items)
	if err != nil {
		return nil, err
	}
	if err := trunkManageable(t); err != nil {
		return nil, err
	}
	for _, sub := range subs {
		s.setSubPort(tx, t, sub)
	}
	return s.storeTrunk(tx, t, append(append([]model.SubPort{}, t.SubPorts...), subs...), len(subs) > 0), nil
}

func (s *Service) removeSubPorts(_ *rest.Call, tx *store.Tx, body map[string]any, t *model.Trunk) (any, error) {
	if err := trunkManageable(t); err != nil {
		return nil, err
	}
	list, err := checkSubPorts(body["sub_ports"])
	if err != nil {
		return nil, rest.InvalidInput("%s", err)
	}
	left := append([]model.SubPort{}, t.SubPorts...)
	items, _ := list.([]any)
	for _, item := range items {
		id := rest.Values(item.(map[string]any)).String("port_id")
		at := slices.IndexFunc(left, func(sub model.SubPort) bool { return sub.PortID == id })
		if at < 0 {
			return nil, rest.NotFound("SubPortNotFound", "SubPort %s on trunk %s could not be found.", id, t.ID)
		}
		left = slices.Delete(left, at, at+1)
		s.unsetSubPort(tx, id)
	}
	return s.storeTrunk(tx, t, left, len(items) > 0), nil
}

var trunkColumns = api.ColumnsOf[model.Trunk](rest.TimeLayout)

// storeTrunk stores a trunk with other subports, and gives the answer. That
// says DOWN, as Neutron does until OVN has the ports; with nothing to tell
// OVN it stays so.
func (s *Service) storeTrunk(tx *store.Tx, old *model.Trunk, subs []model.SubPort, changed bool) any {
	t := *old
	t.SubPorts, t.Status = subs, statusDown
	s.engine.Touch(&t.Meta)
	shown := trunkColumns.Map(&t)
	viewTrunk(nil, nil, &t, shown)
	shown["tenant_id"] = t.ProjectID
	if changed {
		t.Status = statusActive
		t.RevisionNumber++
	}
	s.Trunks.Put(tx, &t)
	return shown
}

// setSubPort binds a port as a trunk's subport, as OVN's trunk driver does.
func (s *Service) setSubPort(tx *store.Tx, t *model.Trunk, sub model.SubPort) {
	p := *s.Ports.Get(tx, sub.PortID)
	p.DeviceOwner, p.VIFType = ownerSubPort, vifOVS
	p.Profile = maps.Clone(p.Profile)
	if p.Profile == nil {
		p.Profile = map[string]any{}
	}
	p.Profile[profileParent], p.Profile[profileTag] = t.PortID, sub.SegmentationID
	if parent := s.Ports.Get(tx, t.PortID); parent != nil {
		p.Status = parent.Status
	}
	s.engine.Touch(&p.Meta)
	s.Ports.Put(tx, &p)
}

func (s *Service) unsetSubPort(tx *store.Tx, id string) {
	old := s.Ports.Get(tx, id)
	if old == nil {
		return
	}
	p := *old
	p.DeviceOwner, p.VIFType, p.Status = "", vifUnbound, statusDown
	p.Profile = maps.Clone(p.Profile)
	delete(p.Profile, profileParent)
	delete(p.Profile, profileTag)
	s.engine.Touch(&p.Meta)
	s.Ports.Put(tx, &p)
}

// trunkDetails is what a trunk's parent port shows of the trunk; nil: it is no parent. A list does
// without the subports' MAC addresses.
func (s *Service) trunkDetails(r store.Reader, p *model.Port, list bool) any {
	t := s.Trunks.First(r, s.Index.TrunkByPort, p.ID)
	if t == nil {
		return nil
	}
	subs := []map[string]any{}
	for _, sub := range t.SubPorts {
		m := map[string]any{"port_id": sub.PortID, "segmentation_id": sub.SegmentationID, "segmentation_type": sub.SegmentationType}
		if child := s.Ports.Get(r, sub.PortID); child != nil && !list {
			m["mac_address"] = child.MACAddress
		}
		subs = append(subs, m)
	}
	return map[string]any{"trunk_id": t.ID, "sub_ports": subs}
}

// trunkPortMayGo refuses to delete a port that is part of a trunk.
func (s *Service) trunkPortMayGo(r store.Reader, p *model.Port) error {
	if t := s.Trunks.First(r, s.Index.TrunkBySubPort, p.ID); t != nil {
		return rest.Conflict("PortInUseAsSubPort", "Port %s is currently a subport for trunk %s.", p.ID, t.ID)
	}
	if t := s.Trunks.First(r, s.Index.TrunkByPort, p.ID); t != nil {
		return rest.Conflict("PortInUseAsTrunkParent", "Port %s is currently a parent port for trunk %s.", p.ID, t.ID)
	}
	return nil
}

// parentUnbound has a trunk down whose parent is on no host any more.
func (s *Service) parentUnbound(tx *store.Tx, old, p *model.Port) {
	if old == nil || old.VIFType == p.VIFType || p.VIFType != vifUnbound {
		return
	}
	for _, t := range slices.Collect(s.Trunks.By(tx, s.Index.TrunkByPort, p.ID)) {
		down := *t
		down.Status = statusDown
		s.engine.Touch(&down.Meta)
		s.Trunks.Put(tx, &down)
	}
}

// subPortsFollow gives subports their parent's status where there is no OVN to say theirs.
func (s *Service) subPortsFollow(tx *store.Tx, parent *model.Port) {
	t := s.Trunks.First(tx, s.Index.TrunkByPort, parent.ID)
	if t == nil || s.o.Backend != nil {
		return
	}
	for _, sub := range t.SubPorts {
		old := s.Ports.Get(tx, sub.PortID)
		if old == nil || old.Status == parent.Status {
			continue
		}
		p := *old
		p.Status = parent.Status
		s.engine.Touch(&p.Meta)
		s.Ports.Put(tx, &p)
	}
}
