// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"maps"
	"strconv"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

const (
	segmentationVLAN    = "vlan"
	segmentationInherit = "inherit"
)

// checkSubPorts checks the form of a list of subports.
func checkSubPorts(v any) (any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, rest.Reasonf("Invalid data format for subports: '%s' is not a list", rest.Str(v))
	}
	ids, segments := map[string]bool{}, map[string]bool{}
	for _, item := range list {
		sub, ok := item.(map[string]any)
		if !ok {
			return nil, rest.Reasonf("Invalid data format for subport: '%s' is not a dict", rest.Str(item))
		}
		given, named := sub["port_id"]
		if !named {
			return nil, rest.Reasonf("A valid port UUID must be specified")
		}
		if _, err := checkUUID(given); err != nil {
			return nil, rest.Reasonf("Invalid UUID for subport: '%s'", rest.Str(given))
		}
		id := rest.Str(given)
		if ids[id] {
			return nil, rest.Reasonf("Non unique UUID for subport: '%s'", id)
		}
		ids[id] = true
		kind, segment := sub["segmentation_type"], sub["segmentation_id"]
		if kind == segmentationInherit {
			return list, nil // so does Neutron
		}
		if (kind == nil || kind == "" || segment == nil) && len(sub) > 1 {
			return nil, rest.Reasonf("Invalid subport details '%s': missing segmentation information. Must specify both segmentation_id and segmentation_type", rest.Str(sub))
		}
		if segment == nil {
			continue
		}
		key := rest.Repr(kind) + rest.Repr(segment)
		if segments[key] {
			return nil, rest.Reasonf("Segmentation ID '%s' for '%s' is not unique", rest.Str(segment), id)
		}
		segments[key] = true
	}
	return list, nil
}

// subPortsOf checks that the ports of a request may become a trunk's subports.
func (s *Service) subPortsOf(c *rest.Call, r store.Reader, t *model.Trunk, list []any) (subs []model.SubPort, err error) {
	limit := s.mtuOf(c, r, t.PortID)
	used := map[model.SubPort]bool{}
	for _, sub := range t.SubPorts {
		used[model.SubPort{SegmentationType: sub.SegmentationType, SegmentationID: sub.SegmentationID}] = true
	}
	for _, item := range list {
		given, _ := item.(map[string]any)
		sub, err := s.subPort(c, r, t, given, limit)
		if err != nil {
			return nil, err
		}
		subs = append(subs, sub)
	}
	for _, sub := range subs {
		segment := model.SubPort{SegmentationType: sub.SegmentationType, SegmentationID: sub.SegmentationID}
		if used[segment] {
			return nil, rest.Conflict("DuplicateSubPort", "segmentation_type %s and segmentation_id %d already in use on trunk %s.",
				sub.SegmentationType, sub.SegmentationID, t.ID)
		}
		used[segment] = true
	}
	return subs, nil
}

func (s *Service) subPort(c *rest.Call, r store.Reader, t *model.Trunk, given map[string]any, limit int) (sub model.SubPort, err error) {
	sub.PortID = rest.Values(given).String("port_id")
	given = s.inherited(c, r, given)
	if sub.PortID == t.PortID {
		return sub, parentInUse(sub.PortID)
	}
	if mtu := s.mtuOf(c, r, sub.PortID); limit > 0 && mtu > limit {
		return sub, rest.Conflict("SubPortMtuGreaterThanTrunkPortMtu", "MTU %d of subport %s cannot be greater than MTU %d of trunk %s.",
			mtu, sub.PortID, limit, t.PortID)
	}
	if sub.SegmentationType, sub.SegmentationID, err = segmentOf(given); err != nil {
		return sub, err
	}
	if err := s.checkNotInTrunk(r, sub.PortID); err != nil {
		return sub, err
	}
	p := s.Ports.Get(r, sub.PortID)
	if p == nil || !s.seesPort(c, r, p) {
		return sub, portNotFound(sub.PortID)
	}
	if p.DeviceID != "" {
		return sub, portInUse(p)
	}
	return sub, nil
}

// inherited gives a subport the segment of its own network, where it asks for that.
func (s *Service) inherited(c *rest.Call, r store.Reader, given map[string]any) map[string]any {
	p := s.Ports.Get(r, rest.Values(given).String("port_id"))
	if given["segmentation_type"] != segmentationInherit || p == nil || !s.seesPort(c, r, p) {
		return given
	}
	n := s.Networks.Get(r, p.NetworkID)
	if n == nil {
		return given
	}
	given = maps.Clone(given)
	given["segmentation_type"], given["segmentation_id"] = n.NetworkType, nil
	if n.SegmentationID != nil {
		given["segmentation_id"] = *n.SegmentationID
	}
	return given
}

// mtuOf is that of a port's network; zero where the caller does not see the port.
func (s *Service) mtuOf(c *rest.Call, r store.Reader, port string) int {
	p := s.Ports.Get(r, port)
	if p == nil || !s.seesPort(c, r, p) {
		return 0
	}
	if n := s.Networks.Get(r, p.NetworkID); n != nil {
		return n.MTU
	}
	return 0
}

func segmentOf(given map[string]any) (kind string, id int, err error) {
	rawKind, hasKind := given["segmentation_type"]
	rawID, hasID := given["segmentation_id"]
	if !hasKind || !hasID {
		return "", 0, rest.InvalidInput("Invalid subport details '%s': missing segmentation information. Must specify both segmentation_id and segmentation_type", rest.Str(given))
	}
	if id, err = strconv.Atoi(rest.Str(rawID)); err != nil {
		return "", 0, rest.InvalidInput("Invalid subport details: segmentation_id '%s' is not an integer", rest.Str(rawID))
	}
	if kind = rest.Str(rawKind); kind != segmentationVLAN {
		return "", 0, rest.InvalidInput("Unknown segmentation_type '%s'", kind)
	}
	if id < 1 || id > 4094 {
		return "", 0, rest.InvalidInput("Segmentation ID '%d' is not in range", id)
	}
	return kind, id, nil
}
