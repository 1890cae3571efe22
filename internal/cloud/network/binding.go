// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// What a port is bound as, and the usual kind of port.
const (
	vifUnbound = "unbound"
	vifFailed  = "binding_failed"
	vifOVS     = "ovs"
	vnicNormal = "normal"
)

// The kinds of ports that OVN binds, and those of them that it leaves to others.
var (
	ovnVNICs      = []string{vnicNormal, "direct", "direct-physical", "macvtap", "vdpa", "remote-managed", "baremetal"}
	externalVNICs = []string{"direct", "direct-physical", "macvtap", "baremetal"}
)

// withDriver adds to the details of a bound port who has bound it.
func withDriver(details map[string]any) map[string]any {
	all := maps.Clone(details)
	if all == nil {
		all = map[string]any{}
	}
	all["bound_drivers"] = map[string]string{"0": "ovn"}
	return all
}

// longestProfile is of its JSON, in bytes.
const longestProfile = 4095

// checkProfile checks what OVN reads of a port's profile: the port that it is
// behind, and by which tag.
func (s *Service) checkProfile(r store.Reader, p *model.Port) error {
	if b, err := json.Marshal(p.Profile); err != nil || len(b) > longestProfile {
		return rest.InvalidInput("binding:profile value too large")
	}
	if list, given := p.Profile["capabilities"]; given {
		if _, ok := list.([]any); !ok {
			return rest.InvalidInput("Invalid binding:profile. capabilities must be of type list.")
		}
	}
	parent, hasParent := p.Profile["parent_name"]
	tag, hasTag := p.Profile["tag"]
	switch {
	case !hasParent && !hasTag:
		return nil
	case !hasParent || !hasTag:
		return rest.InvalidInput("Invalid binding:profile. dict_keys(['parent_name', 'tag']) are all required.")
	}
	name, ok := parent.(string)
	if !ok {
		return rest.InvalidInput("Invalid binding:profile. parent_name %s value invalid type", rest.Str(parent))
	}
	n, err := strconv.Atoi(rest.Str(tag))
	if _, isText := tag.(string); isText || err != nil {
		return rest.InvalidInput("Invalid binding:profile. tag %s value invalid type", rest.Str(tag))
	}
	if s.Ports.Get(r, name) == nil {
		return portNotFound(name)
	}
	const lastTag = 4095
	if n < 0 || n > lastTag {
		return rest.InvalidInput("Invalid binding:profile. tag \"%d\" must be an integer between 0 and 4095, inclusive", n)
	}
	return nil
}

// bind tells as what a port can be bound on a host.
func (s *Service) bind(n *model.Network, b model.PortBinding) model.PortBinding {
	b.VIFType, b.VIFDetails = vifUnbound, map[string]any{}
	if b.Host == "" {
		return b
	}
	b.VIFType = vifFailed
	capabilities, _ := b.Profile["capabilities"].([]any)
	if !slices.Contains(ovnVNICs, b.VNICType) || slices.Contains(externalVNICs, b.VNICType) && !slices.Contains(capabilities, any("switchdev")) {
		return b
	}
	if s.hosts(n, b.Host) {
		b.VIFType, b.VIFDetails = vifOVS, map[string]any{"port_filter": true, "connectivity": "l2"}
	}
	return b
}

// hosts tells whether a host is a living hypervisor that has the network.
func (s *Service) hosts(n *model.Network, host string) bool {
	if s.o.Backend == nil {
		return true
	}
	for _, c := range s.o.Backend.Chassis() {
		if c.Hostname != host {
			continue
		}
		if n.PhysicalNetwork == nil {
			return c.Alive
		}
		return c.Alive && c.BridgeMappings[*n.PhysicalNetwork] != ""
	}
	return false
}

// activeBinding is the binding of a port's columns.
func activeBinding(p *model.Port) model.PortBinding {
	return model.PortBinding{Host: p.HostID, VNICType: p.VNICType, VIFType: p.VIFType, VIFDetails: p.VIFDetails, Profile: p.Profile}
}

func setActive(p *model.Port, b model.PortBinding) {
	p.HostID, p.VNICType, p.VIFType, p.VIFDetails, p.Profile = b.Host, b.VNICType, b.VIFType, b.VIFDetails, b.Profile
}

// bindNew binds a new port that names a host. Neutron does that in a second
// step, which counts the revision up.
func (s *Service) bindNew(tx *store.Tx, n *model.Network, p *model.Port) {
	if p.VNICType == "" {
		p.VNICType = vnicNormal
	}
	setActive(p, s.bind(n, activeBinding(p)))
	if p.HostID != "" {
		p.RevisionNumber++
		s.awaitClaim(tx, p)
	}
}

// boundNow is a Call's Memo when it has changed a port's binding.
const boundNow = "bound now"

// rebind binds a port anew whose host, kind or profile has changed, which it
// tells, or whose binding failed before.
func (s *Service) rebind(tx *store.Tx, old, p *model.Port) bool {
	changed := p.HostID != old.HostID || p.VNICType != old.VNICType || !reflect.DeepEqual(plainJSON(p.Profile), plainJSON(old.Profile))
	if changed {
		p.Status, p.Claimed = statusDown, false
	}
	n := s.Networks.Get(tx, p.NetworkID)
	if n == nil || !changed && p.VIFType != vifFailed {
		return changed
	}
	setActive(p, s.bind(n, activeBinding(p)))
	if p.HostID != "" {
		p.RevisionNumber++
		s.awaitClaim(tx, p)
	}
	return changed
}

// plainJSON gives a value as it will be read again.
func plainJSON(v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		return v
	}
	var plain any
	if json.Unmarshal(b, &plain) != nil {
		return v
	}
	return plain
}
