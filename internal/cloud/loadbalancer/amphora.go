// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/loadbalancer/wsme"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// amphoraDelay is about what amphorae take: a machine has to boot, or one to be told.
func amphoraDelay(create bool) time.Duration {
	if create {
		return 3 * time.Second
	}
	return 300 * time.Millisecond
}

var amphoraAlgorithms = []string{"ROUND_ROBIN", "SOURCE_IP", "LEAST_CONNECTIONS"}

// amphoraDriver is the provider amphora (octavia/api/drivers/amphora_driver/v2)
// without amphorae: its load balancers serve nobody.
type amphoraDriver struct{ s *Service }

func (d *amphoraDriver) listener(*model.Listener, wsme.Object) error { return nil }

func (d *amphoraDriver) pool(p *model.LBPool, _ wsme.Object) error {
	if !slices.Contains(amphoraAlgorithms, p.LBAlgorithm) {
		return unsupported(providerAmphora, fmt.Sprintf("Amphora provider does not support %s algorithm.", cmp.Or(p.LBAlgorithm, "None")))
	}
	return nil
}

// member: what is not proxied has to be of a family of the VIPs'.
func (d *amphoraDriver) member(tx *store.Tx, lb *model.LoadBalancer, p *model.LBPool, m *model.Member) error {
	if p.Protocol != "UDP" && p.Protocol != "SCTP" {
		return nil
	}
	vips := []string{lb.VIPAddress}
	for _, v := range lb.AdditionalVIPs {
		vips = append(vips, v.IPAddress)
	}
	same := func(vip string) bool { return isIPv6(vip) == isIPv6(m.Address) }
	for range d.s.usersOf(tx, p.ID) {
		if !slices.ContainsFunc(vips, same) {
			return unsupported(providerAmphora, fmt.Sprintf("This provider doesn't support mixing IPv4 and IPv6 addresses for its VIP and members in %s load balancers.", p.Protocol))
		}
	}
	return nil
}

func (d *amphoraDriver) memberUpdate(*model.LoadBalancer, *model.Member) error { return nil }

func (d *amphoraDriver) memberBatch(tx *store.Tx, lb *model.LoadBalancer, p *model.LBPool, all []*model.Member) error {
	for _, m := range all {
		if err := d.member(tx, lb, p, m); err != nil {
			return err
		}
	}
	return nil
}

func (d *amphoraDriver) monitor(*model.HealthMonitor) error { return nil }

func (d *amphoraDriver) policy(l *model.Listener, verb string) error {
	if verb == "creating" && l.Protocol != "HTTP" && l.Protocol != "TERMINATED_HTTPS" {
		return unsupported(providerAmphora, l.Protocol+" protocol listeners do not support L7 policies")
	}
	return nil
}

func (d *amphoraDriver) rule(string) error { return nil }
func (d *amphoraDriver) failover() error   { return nil }

// setting is a key of a flavor's or an availability zone's data.
type setting struct {
	about string
	// kind is its JSON type, words what it may be.
	kind  string
	words []string
}

var amphoraFlavor = map[string]setting{
	"loadbalancer_topology": {
		"The load balancer topology. One of: SINGLE - One amphora per load balancer. ACTIVE_STANDBY - Two amphora per load balancer.",
		"string",
		[]string{"ACTIVE_STANDBY", "SINGLE"},
	},
	"compute_flavor": {"The compute driver flavor ID.", "string", nil},
	"amp_image_tag":  {"The amphora image tag.", "string", nil},
}

var amphoraZone = map[string]setting{
	"compute_zone":       {"The compute availability zone.", "string", nil},
	"management_network": {"The management network ID for the amphora.", "string", nil},
	"valid_vip_networks": {
		"List of network IDs that are allowed for VIP use. This overrides/replaces the list of allowed networks configured in `octavia.conf`.",
		"array", nil,
	},
}

func (d *amphoraDriver) flavor(data map[string]any) error { return fits(amphoraFlavor, data) }
func (d *amphoraDriver) zone(data map[string]any) error   { return fits(amphoraZone, data) }

// fits checks data as the jsonschema library does.
func fits(settings map[string]setting, data map[string]any) error {
	var strange []string
	for name := range data {
		if _, known := settings[name]; !known {
			strange = append(strange, name)
		}
	}
	if slices.Sort(strange); strange != nil {
		words := wsme.Repr(strange[0]) + " was unexpected"
		if len(strange) > 1 {
			words = strings.Trim(wsme.Repr(strange), "[]") + " were unexpected"
		}
		return unsupported(providerAmphora, "Additional properties are not allowed ("+words+")")
	}
	for name, v := range data {
		want := settings[name]
		text, isText := v.(string)
		_, isList := v.([]any)
		switch {
		case want.kind == "string" && !isText || want.kind == "array" && !isList:
			return unsupported(providerAmphora, fmt.Sprintf("%s %s is not of type '%s'", name, wsme.Repr(v), want.kind))
		case want.words != nil && !slices.Contains(want.words, text):
			return unsupported(providerAmphora, fmt.Sprintf("%s %s is not one of %s", name, wsme.Repr(v), wsme.Repr(want.words)))
		}
	}
	return nil
}

func (d *amphoraDriver) flavorMetadata() (map[string]string, error) { return about(amphoraFlavor), nil }

func (d *amphoraDriver) zoneMetadata() (map[string]string, error) { return about(amphoraZone), nil }

func about(settings map[string]setting) map[string]string {
	all := map[string]string{}
	for name, s := range settings {
		all[name] = s.about
	}
	return all
}

func (d *amphoraDriver) delay(create bool) time.Duration { return d.s.o.AmphoraDelay(create) }

// createVIP makes one port for all VIPs, unless there is one.
func (d *amphoraDriver) createVIP(tx *store.Tx, request string, lb *model.LoadBalancer) error {
	if n := d.s.Networks.Get(tx, lb.VIPNetworkID); n != nil && !n.PortSecurityEnabled {
		return providerError(providerAmphora, "Port security must be enabled on the VIP network.")
	}
	if lb.VIPPortID != "" {
		return nil
	}
	p := model.Port{
		Meta: model.Meta{ProjectID: lb.ProjectID}, Name: "octavia-lb-" + lb.ID, NetworkID: lb.VIPNetworkID,
		DeviceID: "lb-" + lb.ID, DeviceOwner: "Octavia",
		FixedIPs: []model.FixedIP{{SubnetID: lb.VIPSubnetID, IPAddress: lb.VIPAddress}},
	}
	for _, v := range lb.AdditionalVIPs {
		p.FixedIPs = append(p.FixedIPs, model.FixedIP{SubnetID: v.SubnetID, IPAddress: v.IPAddress})
	}
	port, err := d.s.allocate(tx, p)
	if err != nil {
		return providerError(providerAmphora, neutronClientText(err, request))
	}
	lb.VIPPortID, lb.OwnsVIPPort = port.ID, true
	for _, f := range port.FixedIPs {
		if f.SubnetID == lb.VIPSubnetID {
			lb.VIPAddress = f.IPAddress
		}
		for i := range lb.AdditionalVIPs {
			if v := &lb.AdditionalVIPs[i]; f.SubnetID == v.SubnetID {
				v.PortID, v.IPAddress = port.ID, f.IPAddress
			}
		}
	}
	return nil
}

// What amphorae report follows from how things are, so no change decides on it.

func (d *amphoraDriver) nextLoadBalancer(*model.LoadBalancer)                             {}
func (d *amphoraDriver) nextListener(*model.Listener)                                     {}
func (d *amphoraDriver) nextPool(*model.LBPool, bool, bool)                               {}
func (d *amphoraDriver) nextMember(*store.Tx, *model.LBPool, *model.Member)               {}
func (d *amphoraDriver) nextMonitor(*store.Tx, *model.LBPool, *model.HealthMonitor, bool) {}
func (d *amphoraDriver) members(*model.LBPool, int)                                       {}
func (d *amphoraDriver) reported(tx *store.Tx, lb *model.LoadBalancer)                    { d.settle(tx, lb) }

// settle gives everything the status that an amphora would report
// (octavia/amphorae/drivers/health/heartbeat_udp.py).
func (d *amphoraDriver) settle(tx *store.Tx, lb *model.LoadBalancer) {
	s, served, state := d.s, map[string]bool{}, upDown(lb.AdminStateUp)
	for _, l := range slices.Collect(s.Listeners.By(tx, s.Index.ListenerByLB, lb.ID)) {
		up := lb.AdminStateUp && l.AdminStateUp
		operate(s, tx, s.Listeners, l.ID, upDown(up))
		for _, p := range s.poolsUsedBy(tx, l) {
			served[p.ID] = served[p.ID] || up
		}
		for p := range s.policiesOf(tx, l.ID) {
			operate(s, tx, s.L7Policies, p.ID, upDown(p.AdminStateUp))
			for _, r := range slices.Collect(s.L7Rules.By(tx, s.Index.L7RuleByPolicy, p.ID)) {
				operate(s, tx, s.L7Rules, r.ID, upDown(r.AdminStateUp))
			}
		}
	}
	for _, p := range slices.Collect(s.LBPools.By(tx, s.Index.PoolByLB, lb.ID)) {
		switch d.settlePool(tx, p, served[p.ID] && p.AdminStateUp) {
		case failed:
			state = failed
		case degraded:
			if state == online {
				state = degraded
			}
		}
	}
	operate(s, tx, s.LoadBalancers, lb.ID, state)
}

func (d *amphoraDriver) settlePool(tx *store.Tx, p *model.LBPool, served bool) string {
	s, all, bad := d.s, 0, 0
	hm := s.monitorOf(tx, p.ID)
	if hm != nil {
		operate(s, tx, s.HealthMonitors, hm.ID, upDown(hm.AdminStateUp))
	}
	for _, m := range slices.Collect(s.Members.By(tx, s.Index.MemberByPool, p.ID)) {
		state := amphoraMember(m, hm != nil && hm.AdminStateUp, served)
		if all++; state == failed {
			bad++
		}
		operate(s, tx, s.Members, m.ID, state)
	}
	state := worst(served, all > 0 && bad == all, bad > 0)
	operate(s, tx, s.LBPools, p.ID, state)
	return state
}

// amphoraMember is the status of a member. One that failed is so until it is
// reported to be well.
func amphoraMember(m *model.Member, checked, served bool) string {
	switch {
	case !m.AdminStateUp || !served && checked:
		return offline
	case m.Weight == 0:
		return draining
	case !checked:
		return noMonitor
	case m.OperatingStatus == failed:
		return failed
	}
	return online
}
