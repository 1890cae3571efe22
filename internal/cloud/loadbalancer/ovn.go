// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/loadbalancer/wsme"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// OVNProvider says what the provider ovn can do that ovn-octavia-provider 3.0.0
// (Zed) cannot. Its zero value is that version.
type OVNProvider struct {
	// SourceIPAlgorithm has it accept the algorithm SOURCE_IP (since 2026.2).
	SourceIPAlgorithm bool
	// SessionPersistence has it refuse every session persistence but SOURCE_IP
	// (since 2023.2). Version 3.0.0 accepts each and heeds none.
	SessionPersistence bool
	// AdditionalVIPs has it make a port for each additional VIP (since 2023.2).
	// Version 3.0.0 stores them and does nothing else.
	AdditionalVIPs bool
	// BringPort has it accept a VIP's port that is there. Version 3.0.0 tries to
	// make one with the same address, which Neutron refuses.
	BringPort bool
	// UpdateMembersWithoutSubnet has it change members that name no subnet. Version
	// 3.0.0 reports an error of its own making.
	UpdateMembersWithoutSubnet bool
}

// LatestOVNProvider is what the provider can do today.
func LatestOVNProvider() OVNProvider {
	return OVNProvider{
		SourceIPAlgorithm: true, SessionPersistence: true, AdditionalVIPs: true, BringPort: true, UpdateMembersWithoutSubnet: true,
	}
}

func (o OVNProvider) algorithms() []string {
	if o.SourceIPAlgorithm {
		return []string{"SOURCE_IP_PORT", "SOURCE_IP"}
	}
	return []string{"SOURCE_IP_PORT"}
}

// What OVN can do, in every version.
var (
	ovnProtocols = []string{"TCP", "UDP", "SCTP"}
	ovnMonitors  = []string{"UDP-CONNECT", "TCP"}
)

// ovnDriver is the provider ovn (ovn_octavia_provider/driver.py, helper.py).
type ovnDriver struct {
	s   *Service
	can OVNProvider
}

func (d *ovnDriver) refuse(format string, args ...any) error {
	return unsupported(providerOVN, fmt.Sprintf(format, args...))
}

func (d *ovnDriver) lacks(what string) error {
	return notImplemented(providerOVN, "This provider does not support "+what+".")
}

func (d *ovnDriver) listener(l *model.Listener, _ wsme.Object) error {
	if !slices.Contains(ovnProtocols, l.Protocol) {
		return d.refuse("OVN provider does not support %s protocol", l.Protocol)
	}
	if len(l.AllowedCIDRs) > 0 {
		return d.refuse("OVN provider does not support allowed_cidrs option")
	}
	return nil
}

func (d *ovnDriver) pool(p *model.LBPool, _ wsme.Object) error {
	switch {
	case !slices.Contains(ovnProtocols, p.Protocol):
		return d.refuse("OVN provider does not support %s protocol", p.Protocol)
	case !slices.Contains(d.can.algorithms(), p.LBAlgorithm):
		return d.refuse("OVN provider does not support %s algorithm", cmp.Or(p.LBAlgorithm, "None"))
	case d.can.SessionPersistence && p.SessionPersistence != nil && p.SessionPersistence.Type != "SOURCE_IP":
		return d.refuse("OVN provider does not support %s session persistence. Only SOURCE_IP type is supported.", p.SessionPersistence.Type)
	}
	return nil
}

const needsSubnet = "Subnet is required, or Loadbalancer associated with Pool must have a subnet, for Member %s " +
	"with OVN Provider Driver if it is not the same as LB VIP subnet"

func (d *ovnDriver) member(tx *store.Tx, lb *model.LoadBalancer, _ *model.LBPool, m *model.Member) error {
	switch {
	case monitored(m):
		return d.refuse("OVN Load Balancer does not support different member monitor address or port.")
	case d.mixes(lb, m):
		return d.refuse("OVN provider does not support mixing IPv4/IPv6 configuration within the same Load Balancer.")
	case !d.reaches(tx, lb, m):
		return d.refuse(needsSubnet, "creation")
	}
	return nil
}

func (d *ovnDriver) memberUpdate(_ *model.LoadBalancer, m *model.Member) error {
	if m.SubnetID == nil && !d.can.UpdateMembersWithoutSubnet {
		return providerError(providerOVN, "failed to detect a valid IP address from Unset")
	}
	if monitored(m) {
		return d.refuse("OVN Load Balancer does not support different member monitor address or port.")
	}
	return nil
}

func (d *ovnDriver) memberBatch(tx *store.Tx, lb *model.LoadBalancer, _ *model.LBPool, all []*model.Member) error {
	var skipped []string
	for _, m := range all {
		switch {
		case monitored(m) || d.mixes(lb, m):
			skipped = append(skipped, m.ID)
		case !d.reaches(tx, lb, m):
			return d.refuse(needsSubnet, "batch update")
		}
	}
	if skipped != nil {
		return d.refuse("OVN provider does not support monitor options, so following members skipped: %s", wsme.Repr(skipped))
	}
	return nil
}

// monitored tells whether a member shall be monitored elsewhere than it serves.
func monitored(m *model.Member) bool { return m.MonitorAddress != nil || m.MonitorPort != nil }

// mixes tells whether a member is of another family than the VIP, where all VIPs are of one.
func (d *ovnDriver) mixes(lb *model.LoadBalancer, m *model.Member) bool {
	if d.can.AdditionalVIPs && slices.ContainsFunc(lb.AdditionalVIPs, func(v model.AdditionalVIP) bool {
		return isIPv6(v.IPAddress) != isIPv6(lb.VIPAddress)
	}) {
		return false
	}
	return isIPv6(m.Address) != isIPv6(lb.VIPAddress)
}

// reaches tells whether a member has a subnet, or is in the VIP's.
func (d *ovnDriver) reaches(tx *store.Tx, lb *model.LoadBalancer, m *model.Member) bool {
	if m.SubnetID != nil {
		return true
	}
	subnet := d.s.Subnets.Get(tx, lb.VIPSubnetID)
	return subnet != nil && inside(m.Address, subnet.CIDR)
}

// inside tells whether an address is in a subnet.
func inside(address, cidr string) bool {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	p, err := netip.ParsePrefix(cidr)
	return err == nil && p.Contains(a)
}

func (d *ovnDriver) monitor(hm *model.HealthMonitor) error {
	if !slices.Contains(ovnMonitors, hm.Type) {
		return d.refuse("OVN provider does not support %s health monitor type. Supported types: %s", hm.Type, strings.Join(ovnMonitors, ", "))
	}
	return nil
}

func (d *ovnDriver) policy(_ *model.Listener, verb string) error {
	return d.lacks(verb + " l7policies")
}
func (d *ovnDriver) rule(verb string) error { return d.lacks(verb + " l7rules") }

func (d *ovnDriver) failover() error {
	return d.refuse("OVN provider does not support loadbalancer failover")
}

func (d *ovnDriver) flavor(map[string]any) error { return d.lacks("validating flavors") }
func (d *ovnDriver) zone(map[string]any) error   { return d.lacks("validating availability zones") }

func (d *ovnDriver) flavorMetadata() (map[string]string, error) {
	return nil, d.lacks("getting the supported flavor metadata")
}

func (d *ovnDriver) zoneMetadata() (map[string]string, error) {
	return nil, d.lacks("getting the supported availability zone metadata")
}

func (d *ovnDriver) delay(bool) time.Duration { return 0 }

// createVIP makes the VIP's port, and with AdditionalVIPs one for each of those.
func (d *ovnDriver) createVIP(tx *store.Tx, request string, lb *model.LoadBalancer) error {
	if lb.VIPPortID != "" && d.can.BringPort {
		return nil
	}
	name := "ovn-lb-vip-" + lb.ID
	port, err := d.port(tx, request, lb, name, lb.VIPSubnetID, lb.VIPAddress)
	if err != nil {
		return err
	}
	lb.VIPPortID, lb.OwnsVIPPort = port.ID, true
	lb.VIPAddress = port.FixedIPs[0].IPAddress
	if !d.can.AdditionalVIPs {
		return nil
	}
	for i := range lb.AdditionalVIPs {
		v := &lb.AdditionalVIPs[i]
		name := fmt.Sprintf("ovn-lb-vip-additional-%d-%s", i+1, lb.ID)
		if port, err = d.port(tx, request, lb, name, v.SubnetID, v.IPAddress); err != nil {
			return err
		}
		v.PortID, v.IPAddress = port.ID, port.FixedIPs[0].IPAddress
	}
	return nil
}

func (d *ovnDriver) port(tx *store.Tx, request string, lb *model.LoadBalancer, name, subnet, address string) (*model.Port, error) {
	port, err := d.s.allocate(tx, model.Port{
		Meta: model.Meta{ProjectID: lb.ProjectID}, Name: name, NetworkID: lb.VIPNetworkID, AdminStateUp: true,
		FixedIPs: []model.FixedIP{{SubnetID: subnet, IPAddress: address}},
	})
	if err != nil {
		return nil, providerError(providerOVN, neutronClientText(err, request))
	}
	return port, nil
}

// neutronClientText is an error of Neutron's as its client words it.
func neutronClientText(err *api.Error, request string) string {
	return err.Message + "\nNeutron server returns request_ids: ['" + request + "']"
}
