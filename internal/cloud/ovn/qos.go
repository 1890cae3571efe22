// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
)

// qosPriority is that of all limits (neutron, extensions/qos.py).
const qosPriority = 2002

// limit is who is limited: packets through a switch's port, or those of an
// address through it where another port is.
type limit struct {
	network, port     string
	address, resident string
	// mark is the key of external_ids that tells whose limit it is, and whose.
	mark, id string
}

// limits are the rows of a policy: one for each direction of which it says something.
func limits(v view, policyID string, l limit) (rows []Row) {
	policy := v.QoSPolicies.Get(v, policyID)
	if policy == nil {
		return nil
	}
	for _, d := range []struct{ direction, lport, match, address string }{
		{"egress", "from-lport", "inport", "src"},
		{"ingress", "to-lport", "outport", "dst"},
	} {
		bandwidth, action := ovsdb.IntMap{}, ovsdb.IntMap{}
		for _, r := range policy.Rules {
			switch {
			case r.Type == "bandwidth_limit" && r.Direction == d.direction:
				bandwidth["rate"] = r.MaxKbps
				if r.MaxBurstKbps > 0 {
					bandwidth["burst"] = r.MaxBurstKbps
				}
			case r.Type == "dscp_marking" && d.direction == "egress":
				action["dscp"] = r.DSCPMark
			}
		}
		if len(bandwidth)+len(action) == 0 {
			continue
		}
		match := d.match + ` == "` + l.port + `"`
		if l.address != "" {
			match += " && ip4." + d.address + " == " + l.address + ` && is_chassis_resident("` + l.resident + `")`
		}
		rows = append(rows, Row{
			Table: tableQoS, Key: qosKey(l.mark, l.id, d.lport),
			Columns: ovsdb.Columns{
				"priority": qosPriority, "direction": d.lport, "match": match, "action": action, "bandwidth": bandwidth,
				columnIDs: ovsdb.Map{l.mark: l.id},
			},
			In: []Place{{tableSwitch, switchName(l.network), "qos_rules"}},
		})
	}
	return rows
}

func qosKey(mark, id, direction string) string { return mark + " " + id + " " + direction }

// ownsQoS takes the limits with a mark.
func ownsQoS(mark string) func(*ovsdb.Row) (id, key string, ok bool) {
	return func(row *ovsdb.Row) (id, key string, ok bool) {
		id = row.Entry(columnIDs, mark)
		return id, qosKey(mark, id, row.String("direction")), id != ""
	}
}

// portPolicy is the policy that limits a port, its own or else its network's.
func portPolicy(v view, p *model.Port) string {
	if device(p) || external(p) {
		return ""
	}
	if p.QoSPolicyID != nil {
		return *p.QoSPolicyID
	}
	return networkPolicy(v, p.NetworkID)
}

func networkPolicy(v view, networkID string) string {
	if n := v.Networks.Get(v, networkID); n != nil {
		return deref(n.QoSPolicyID)
	}
	return ""
}

func portLimits(v view, p *model.Port) []Row {
	return limits(v, portPolicy(v, p), limit{network: p.NetworkID, port: p.ID, mark: idPort, id: p.ID})
}

// minimumRate is what a port is guaranteed to send, in kbit/s.
func minimumRate(v view, p *model.Port) (rate int) {
	policy := v.QoSPolicies.Get(v, portPolicy(v, p))
	if policy == nil {
		return 0
	}
	for _, r := range policy.Rules {
		if r.Type == "minimum_bandwidth" && r.Direction == "egress" {
			rate = r.MinKbps
		}
	}
	return rate
}
