// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
)

// balancer is a load balancer with what the tables have of it. What is being
// deleted is not in it.
type balancer struct {
	*model.LoadBalancer
	vips      []lbVIP // the first is the main one
	listeners []*model.Listener
	pools     []*lbPool
	// networks are those of the VIPs and the members, with how many of them are there.
	networks map[string]int
	// routers have interfaces on those; switches are the networks of all of
	// these routers' interfaces, and those.
	routers, switches []string
}

// lbVIP is an address of a load balancer, its port, and the floating IPs that lead there.
type lbVIP struct {
	address, port string
	floating      []string
}

// lbPool is a pool with its members, in the order in which they were made.
type lbPool struct {
	*model.LBPool
	members []*lbMember
	// monitor is nil without one that is enabled.
	monitor *model.HealthMonitor
}

// lbMember is a member of a pool.
type lbMember struct {
	*model.Member
	// addr is the address as OVN writes it.
	addr     string
	subnetID string
	// subnet is nil when it is gone, network likewise.
	subnet  *model.Subnet
	network *model.Network
	// port is the one that has the address; nil for none.
	port *model.Port
	// source is the port that asks for its health, and from which address.
	source     *model.Port
	sourceAddr string
}

// findBalancer reads a load balancer; nil when OVN is not to have it.
func findBalancer(v view, id string) *balancer {
	lb := v.LoadBalancers.Get(v, id)
	if lb == nil || lb.Provider != lbProvider || leaving(&lb.LBMeta) {
		return nil
	}
	b := &balancer{LoadBalancer: lb, networks: map[string]int{}}
	b.vips = append(b.vips, findVIP(v, lb.VIPAddress, lb.VIPPortID))
	for _, more := range lb.AdditionalVIPs {
		if more.IPAddress != "" {
			b.vips = append(b.vips, findVIP(v, more.IPAddress, cmp.Or(more.PortID, lb.VIPPortID)))
		}
	}
	b.networks[lb.VIPNetworkID]++
	b.listeners = remaining(v.Listeners.By(v, v.Index.ListenerByLB, id))
	for _, p := range remaining(v.LBPools.By(v, v.Index.PoolByLB, id)) {
		b.pools = append(b.pools, b.findPool(v, p))
	}
	b.findRouters(v)
	return b
}

// leaving tells whether a row is being deleted.
func leaving(m *model.LBMeta) bool {
	return m.ProvisioningStatus == "PENDING_DELETE" || m.ProvisioningStatus == "DELETED"
}

// remaining gives rows in the order in which they were made, without those that are being deleted.
func remaining[T any, P interface {
	*T
	LB() *model.LBMeta
}](rows iter.Seq[P]) (all []P) {
	for row := range rows {
		if !leaving(row.LB()) {
			all = append(all, row)
		}
	}
	slices.SortStableFunc(all, func(a, b P) int { return a.LB().CreatedAt.Compare(b.LB().CreatedAt) })
	return all
}

func findVIP(v view, address, port string) lbVIP {
	found := lbVIP{address: address, port: port}
	for f := range v.FloatingIPs.By(v, v.Index.FloatingIPByPort, port) {
		if f.RouterID != nil && (f.FixedIPAddress == nil || *f.FixedIPAddress == address) {
			found.floating = append(found.floating, f.FloatingIPAddress)
		}
	}
	return found
}

func (b *balancer) findPool(v view, p *model.LBPool) *lbPool {
	found := &lbPool{LBPool: p}
	for _, hm := range remaining(v.HealthMonitors.By(v, v.Index.MonitorByPool, p.ID)) {
		// The provider goes on to check when the monitor is disabled. That is
		// not what its user asked for.
		if hm.AdminStateUp {
			found.monitor = hm
		}
	}
	for _, m := range remaining(v.Members.By(v, v.Index.MemberByPool, p.ID)) {
		found.members = append(found.members, b.findMember(v, m))
	}
	return found
}

// findMember reads a member. One without a subnet is on the VIP's.
func (b *balancer) findMember(v view, row *model.Member) *lbMember {
	m := &lbMember{Member: row, addr: model.CanonicalAddress(row.Address), subnetID: b.VIPSubnetID}
	if row.SubnetID != nil && *row.SubnetID != "" {
		m.subnetID = *row.SubnetID
	}
	if m.subnet = v.Subnets.Get(v, m.subnetID); m.subnet == nil {
		return m
	}
	m.network = v.Networks.Get(v, m.subnet.NetworkID)
	m.port = v.Ports.First(v, v.Index.PortByAddress, m.subnetID+" "+m.addr)
	m.source, m.sourceAddr = monitorSource(v, m.subnet)
	b.networks[m.subnet.NetworkID]++
	return m
}

func (m *lbMember) is6() bool { return strings.Contains(m.addr, ":") }

// outside tells whether a member is somewhere where Neutron need not know
// every address.
func (m *lbMember) outside() bool {
	if m.port != nil || m.subnet == nil {
		return false
	}
	if m.network != nil && m.network.PhysicalNetwork != nil {
		return true
	}
	address, err := netip.ParseAddr(m.addr)
	cidr, err2 := netip.ParsePrefix(m.subnet.CIDR)
	return err == nil && err2 == nil && !cidr.Contains(address)
}

// findRouters finds where the load balancer has to be known: on the networks
// of VIPs and members, the routers that join them, and the networks from which
// those routers may be asked.
func (b *balancer) findRouters(v view) {
	for id := range b.networks {
		b.switches = append(b.switches, id)
		for p := range v.Ports.By(v, v.Index.InterfaceByNetwork, id) {
			b.routers = append(b.routers, p.DeviceID)
		}
	}
	b.routers = unique(b.routers)
	for _, id := range b.routers {
		for p := range interfaces(v, id) {
			b.switches = append(b.switches, p.NetworkID)
		}
	}
	b.switches = unique(b.switches)
}

// interfaces gives the ports that are a router's, without its gateway.
func interfaces(v view, router string) iter.Seq[*model.Port] {
	return func(yield func(*model.Port) bool) {
		for p := range v.Ports.By(v, v.Index.PortByDevice, router) {
			if p.DeviceOwner == model.OwnerRouterInterface && !yield(p) {
				return
			}
		}
	}
}

func unique(all []string) []string {
	slices.Sort(all)
	return slices.Compact(all)
}

// pool finds one of the load balancer's pools, or gives nil.
func (b *balancer) pool(id *string) *lbPool {
	if id == nil {
		return nil
	}
	for _, p := range b.pools {
		if p.ID == *id {
			return p
		}
	}
	return nil
}
