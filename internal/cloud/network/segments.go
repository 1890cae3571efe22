// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// The types of networks.
const (
	typeFlat   = "flat"
	typeGeneve = "geneve"
	typeLocal  = "local"
	typeVLAN   = "vlan"
)

// The VLANs that there are, and the greatest id of a tunnel that OVN takes.
const firstVLAN, lastVLAN, lastTunnel = 1, 4094, 16711680

// idRange is segmentation ids that projects' networks get, of one physical
// network or of geneve.
type idRange struct {
	physical    string
	first, last int
}

// segments knows which segments networks may have. The store's lock guards next.
type segments struct {
	flat   []string
	vlan   []idRange
	geneve idRange
	// next is where the search for a free id begins.
	next map[idRange]int
}

func newSegments(o Options) (*segments, error) {
	g := &segments{flat: o.PhysicalNetworks, next: map[idRange]int{}}
	for _, text := range o.VLANRanges {
		physical, rest, cut := strings.Cut(text, ":")
		r := idRange{physical: physical}
		if cut {
			var err error
			if r, err = parseIDs(physical, rest, lastVLAN); err != nil {
				return nil, fmt.Errorf("network: VLAN range %s: %w", text, err)
			}
		}
		g.vlan = append(g.vlan, r)
	}
	if o.GeneveRange == "" {
		o.GeneveRange = "1:65536"
	}
	var err error
	if g.geneve, err = parseIDs("", o.GeneveRange, lastTunnel); err != nil {
		return nil, fmt.Errorf("network: geneve range %s: %w", o.GeneveRange, err)
	}
	return g, nil
}

func parseIDs(physical, text string, greatest int) (idRange, error) {
	first, last, _ := strings.Cut(text, ":")
	from, err := strconv.Atoi(first)
	if err != nil {
		return idRange{}, fmt.Errorf("first: %w", err)
	}
	to, err := strconv.Atoi(last)
	if err != nil {
		return idRange{}, fmt.Errorf("last: %w", err)
	}
	if from > to || from < 1 || to > greatest {
		return idRange{}, fmt.Errorf("not within 1:%d", greatest)
	}
	return idRange{physical, from, to}, nil
}

// claim is a segment as a request has it; what is nil is to be found.
type claim struct {
	kind     string
	physical *string
	id       *int
}

// claimOf gives the segment that a create request asks for; nil: none.
func claimOf(v rest.Values) (*claim, error) {
	names := []string{"provider:network_type", "provider:physical_network", "provider:segmentation_id"}
	given := slices.ContainsFunc(names, v.Has)
	list, _ := v["segments"].([]any)
	switch {
	case given && v.Has("segments") && v["segments"] != nil:
		return nil, badRequest("SegmentsSetInConjunctionWithProviders", "Segments and provider values cannot both be set.")
	case given:
		return newClaim(v)
	case len(list) == 1:
		one, _ := list[0].(map[string]any)
		return newClaim(one)
	case len(list) > 1:
		return nil, notImplemented("Networks of several segments are not supported.")
	}
	return nil, nil //nolint:nilnil // nothing is asked for
}

func newClaim(v map[string]any) (*claim, error) {
	kind, ok := v["provider:network_type"].(string)
	if !ok || kind == "" {
		return nil, rest.InvalidInput("network_type required")
	}
	c := &claim{kind: kind}
	if physical, ok := v["provider:physical_network"].(string); ok {
		c.physical = &physical
	}
	if id, ok := v["provider:segmentation_id"].(int); ok {
		c.id = &id
	}
	return c, nil
}

func checkSegments(v any) (any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, rest.Reasonf("'%s' is not a list", rest.Str(v))
	}
	for _, item := range list {
		segment, ok := item.(map[string]any)
		if !ok {
			return nil, rest.Reasonf("'%s' is not a dictionary", rest.Str(item))
		}
		var unknown []string
		for name := range segment {
			if !slices.Contains([]string{"provider:network_type", "provider:physical_network", "provider:segmentation_id"}, name) {
				unknown = append(unknown, name)
			}
		}
		if unknown != nil {
			slices.Sort(unknown)
			return nil, rest.BadRequest("Unrecognized attribute(s) '%s'", strings.Join(unknown, ", "))
		}
		if id, err := strconv.Atoi(rest.Str(segment["provider:segmentation_id"])); err == nil {
			segment["provider:segmentation_id"] = id
		} else if segment["provider:segmentation_id"] != nil {
			return nil, rest.InvalidInput("'%s' is not an integer", rest.Str(segment["provider:segmentation_id"]))
		}
	}
	return list, nil
}

// check tells what is wrong with a claim by itself.
func (g *segments) check(c *claim) error {
	switch c.kind {
	case typeFlat:
		return g.checkFlat(c)
	case typeVLAN:
		return g.checkVLAN(c)
	case typeGeneve:
		if c.physical != nil && *c.physical != "" {
			return rest.InvalidInput("provider:physical_network specified for %s network", c.kind)
		}
		if c.id != nil && *c.id > lastTunnel {
			return rest.InvalidInput("Segmentation ID should be lower or equal to %d", lastTunnel)
		}
	case typeLocal:
		if c.physical != nil && *c.physical != "" {
			return rest.InvalidInput("physical_network prohibited for local provider network")
		}
		if c.id != nil && *c.id != 0 {
			return rest.InvalidInput("segmentation_id prohibited for local provider network")
		}
	default:
		return rest.InvalidInput("network_type value '%s' not supported", c.kind)
	}
	return nil
}

func (g *segments) checkFlat(c *claim) error {
	switch {
	case c.physical == nil || *c.physical == "":
		return rest.InvalidInput("physical_network required for flat provider network")
	case len(g.flat) == 0:
		return rest.InvalidInput("Flat provider networks are disabled")
	case !slices.Contains(g.flat, *c.physical) && !slices.Contains(g.flat, "*"):
		return rest.InvalidInput("physical_network '%s' unknown for flat provider network", *c.physical)
	case c.id != nil && *c.id != 0:
		return rest.InvalidInput("segmentation_id prohibited for flat provider network")
	}
	return nil
}

func (g *segments) checkVLAN(c *claim) error {
	if c.physical == nil || *c.physical == "" {
		if c.id != nil {
			return rest.InvalidInput("segmentation_id requires physical_network for VLAN provider network")
		}
		return nil
	}
	if !slices.ContainsFunc(g.vlan, func(r idRange) bool { return r.physical == *c.physical }) {
		return rest.InvalidInput("physical_network '%s' unknown for VLAN provider network", *c.physical)
	}
	if c.id != nil && (*c.id < firstVLAN || *c.id > lastVLAN) {
		return rest.InvalidInput("segmentation_id out of range (%d through %d)", firstVLAN, lastVLAN)
	}
	return nil
}

// reserve gives a network its segment: the claimed one, or without a claim one of geneve.
func (s *Service) reserve(tx *store.Tx, c *claim, n *model.Network) error {
	if c == nil {
		c = &claim{kind: typeGeneve}
	}
	if err := s.segments.check(c); err != nil {
		return err
	}
	n.NetworkType = c.kind
	switch c.kind {
	case typeFlat:
		n.PhysicalNetwork = c.physical
		if s.segmentTaken(tx, typeFlat, *c.physical, "") {
			return rest.Conflict("FlatNetworkInUse", "Unable to create the flat network. Physical network %s is in use.", *c.physical)
		}
	case typeVLAN:
		return s.reserveVLAN(tx, c, n)
	case typeGeneve:
		if c.id == nil {
			id, ok := s.freeID(tx, typeGeneve, s.segments.geneve)
			if !ok {
				return noNetworkAvailable()
			}
			c.id = &id
		} else if s.segmentTaken(tx, typeGeneve, "", strconv.Itoa(*c.id)) {
			return rest.Conflict("TunnelIdInUse", "Unable to create the network. The tunnel ID %d is in use.", *c.id)
		}
		n.SegmentationID = c.id
	}
	return nil
}

func noNetworkAvailable() error {
	return exhausted("NoNetworkAvailable", "Unable to create the network. No tenant network is available for allocation.")
}

func (s *Service) reserveVLAN(tx *store.Tx, c *claim, n *model.Network) error {
	if c.id != nil {
		if s.segmentTaken(tx, typeVLAN, *c.physical, strconv.Itoa(*c.id)) {
			return rest.Conflict("VlanIdInUse", "Unable to create the network. The VLAN %d on physical network %s is in use.", *c.id, *c.physical)
		}
		n.PhysicalNetwork, n.SegmentationID = c.physical, c.id
		return nil
	}
	for _, r := range s.segments.vlan {
		if r.last == 0 || c.physical != nil && *c.physical != "" && *c.physical != r.physical {
			continue
		}
		if id, ok := s.freeID(tx, typeVLAN, r); ok {
			n.PhysicalNetwork, n.SegmentationID = &r.physical, &id
			return nil
		}
	}
	return noNetworkAvailable()
}

func (s *Service) segmentTaken(r store.Reader, kind, physical, id string) bool {
	return s.Networks.First(r, s.Index.NetworkBySegment, kind+" "+physical+" "+id) != nil
}

// freeID gives the next id of a range that no network has.
func (s *Service) freeID(r store.Reader, kind string, ids idRange) (int, bool) {
	id := max(s.segments.next[ids], ids.first)
	for range ids.last - ids.first + 1 {
		if id > ids.last {
			id = ids.first
		}
		if !s.segmentTaken(r, kind, ids.physical, strconv.Itoa(id)) {
			s.segments.next[ids] = id + 1
			return id, true
		}
		id++
	}
	return 0, false
}

// mostMTU is the largest MTU that a network may have. Neutron's geneve has an IP
// header of 20 bytes beside its own.
func (s *Service) mostMTU(kind string) int {
	const ipHeader = 20
	if kind == typeGeneve {
		return s.o.MTU - s.o.MaxHeaderSize - ipHeader
	}
	return s.o.MTU
}
