// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"iter"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

const (
	kindFloating   = "floatingip"
	kindForwarding = "forwarding"

	// forwardingName begins the names of the load balancers that port forwardings are.
	forwardingName = "pf-floatingip-"
	// forwardingOwner marks them.
	forwardingOwner = "port_forwarding_plugin"
)

// floatingKind is a floating IP's translation on its router, and its limits.
func floatingKind() kind {
	return kind{
		name: kindFloating,
		every: func(v view) iter.Seq[string] {
			return ids(v.FloatingIPs.All(v), func(f *model.FloatingIP) string { return f.ID })
		},
		rows: func(v view, id string) []Row {
			if f := v.FloatingIPs.Get(v, id); f != nil && f.RouterID != nil {
				return floatingRows(v, f)
			}
			return nil
		},
		owns: map[string]func(*ovsdb.Row) (id, key string, ok bool){
			tableNAT: func(row *ovsdb.Row) (id, key string, ok bool) {
				id = row.Entry(columnIDs, idFloating)
				return id, id, id != ""
			},
			tableQoS: ownsQoS(idFloating),
		},
		stirs: map[string]func(view, store.Change, func(string)){
			"floatingips": itself, "ports": floatingOfPort, "routers": floatingOfRouter, "networks": floatingOfNetwork,
			"qos_policies": floatingOfPolicy, "members": floatingOfMember, "loadbalancers": floatingOfBalancer,
		},
	}
}

// floatingOfPort: those of a port that came up or went down, those that a port is of.
func floatingOfPort(v view, c store.Change, dirty func(string)) {
	before, after := changed[model.Port](c)
	if before == nil || after == nil || before.Claimed != after.Claimed || before.MACAddress != after.MACAddress {
		for f := range v.FloatingIPs.By(v, v.Index.FloatingIPByPort, c.ID) {
			dirty(f.ID)
		}
		each(c, func(p *model.Port) {
			if p.DeviceOwner == "network:floatingip" {
				dirty(p.DeviceID)
			}
		})
	}
}

func floatingOfRouter(v view, c store.Change, dirty func(string)) {
	before, after := changed[model.Router](c)
	if before != nil && after != nil && gatewayPort(before) == gatewayPort(after) {
		return
	}
	for f := range v.FloatingIPs.By(v, v.Index.FloatingIPByRouter, c.ID) {
		dirty(f.ID)
	}
}

func gatewayPort(r *model.Router) string {
	if r.Gateway == nil {
		return ""
	}
	return r.Gateway.PortID
}

func floatingOfNetwork(v view, c store.Change, dirty func(string)) {
	before, after := changed[model.Network](c)
	if before == nil || after == nil || deref(before.QoSPolicyID) != deref(after.QoSPolicyID) {
		for f := range v.FloatingIPs.By(v, v.Index.FloatingIPByNetwork, c.ID) {
			dirty(f.ID)
		}
	}
}

func floatingOfPolicy(v view, c store.Change, dirty func(string)) {
	for f := range v.FloatingIPs.By(v, v.Index.FloatingIPByQoSPolicy, c.ID) {
		dirty(f.ID)
	}
	for n := range v.Networks.By(v, v.Index.NetworkByQoSPolicy, c.ID) {
		for f := range v.FloatingIPs.By(v, v.Index.FloatingIPByNetwork, n.ID) {
			dirty(f.ID)
		}
	}
}

// floatingOfMember: those of the port that is, or was, a member.
func floatingOfMember(v view, c store.Change, dirty func(string)) {
	before, after := changed[model.Member](c)
	if before != nil && after != nil && before.Address == after.Address && deref(before.SubnetID) == deref(after.SubnetID) {
		return
	}
	each(c, func(m *model.Member) { floatingOfMemberRow(v, m, dirty) })
}

func floatingOfMemberRow(v view, m *model.Member, dirty func(string)) {
	for p := range v.Ports.By(v, v.Index.PortByAddress, memberSubnet(v, m)+" "+m.Address) {
		for f := range v.FloatingIPs.By(v, v.Index.FloatingIPByPort, p.ID) {
			dirty(f.ID)
		}
	}
}

// floatingOfBalancer: those of its members, when it comes or goes.
func floatingOfBalancer(v view, c store.Change, dirty func(string)) {
	if before, after := changed[model.LoadBalancer](c); before != nil && after != nil {
		return
	}
	for p := range v.LBPools.By(v, v.Index.PoolByLB, c.ID) {
		for m := range v.Members.By(v, v.Index.MemberByPool, p.ID) {
			floatingOfMemberRow(v, m, dirty)
		}
	}
}

// memberSubnet is where a member is; one that does not say it is in the VIP's subnet.
func memberSubnet(v view, m *model.Member) string {
	if m.SubnetID != nil {
		return *m.SubnetID
	}
	if p := v.LBPools.Get(v, m.PoolID); p != nil {
		if lb := v.LoadBalancers.Get(v, p.LoadBalancerID); lb != nil {
			return lb.VIPSubnetID
		}
	}
	return ""
}

func floatingRows(v view, f *model.FloatingIP) (rows []Row) {
	if f.PortID != nil && f.FixedIPAddress != nil {
		rows = append(rows, natRow(*f.RouterID, f.ID, floatingColumns(v, f)))
	}
	policy := deref(f.QoSPolicyID)
	if policy == "" {
		policy = networkPolicy(v, f.FloatingNetworkID)
	}
	r := v.Routers.Get(v, *f.RouterID)
	if r == nil || r.Gateway == nil || policy == "" {
		return rows
	}
	// One whose ports are forwarded is translated at the gateway always.
	resident := deref(f.PortID)
	if resident == "" || v.options.CentralFloatingIPs {
		resident = "cr-" + routerPortName(r.Gateway.PortID)
	}
	return append(rows, limits(v, policy, limit{
		network: f.FloatingNetworkID, port: r.Gateway.PortID, address: f.FloatingIPAddress, resident: resident,
		mark: idFloating, id: f.ID,
	})...)
}

// floatingColumns: with a MAC of its own a floating IP is translated where its
// port is, for which the port must be somewhere.
func floatingColumns(v view, f *model.FloatingIP) ovsdb.Columns {
	mac := ""
	if own := v.Ports.Get(v, f.OwnPortID); own != nil {
		mac = own.MACAddress
	}
	columns := ovsdb.Columns{
		"type": "dnat_and_snat", "logical_ip": *f.FixedIPAddress, "external_ip": f.FloatingIPAddress,
		"logical_port": nil, "external_mac": nil,
		columnIDs: ovsdb.Map{
			idFloating: f.ID, idFloatingPort: *f.PortID, idFloatingMAC: mac, idFloatingNet: f.FloatingNetworkID,
			idRevision: revision(f.RevisionNumber), idRouterName: routerName(*f.RouterID),
		},
	}
	p := v.Ports.Get(v, *f.PortID)
	if p == nil || !v.options.CentralFloatingIPs && isMember(v, p, *f.FixedIPAddress) {
		return columns
	}
	columns["logical_port"] = p.ID
	if p.Claimed && !v.options.CentralFloatingIPs {
		columns["external_mac"] = optionally(mac)
	}
	return columns
}

// isMember tells whether a port's address is a member of a load balancer of
// OVN's. Its floating IP is then translated at the gateway, where also that of the
// load balancer is.
func isMember(v view, p *model.Port, address string) bool {
	for m := range v.Members.By(v, v.Index.MemberByAddress, address) {
		pool := v.LBPools.Get(v, m.PoolID)
		if pool == nil {
			continue
		}
		lb := v.LoadBalancers.Get(v, pool.LoadBalancerID)
		subnet := memberSubnet(v, m)
		if lb != nil && lb.Provider == "ovn" && slices.Contains(p.FixedIPs, model.FixedIP{SubnetID: subnet, IPAddress: address}) {
			return true
		}
	}
	return false
}

// forwardingKind is the port forwardings of a floating IP, as load balancers
// of its router and of the networks behind it.
func forwardingKind() kind {
	return kind{
		name: kindForwarding,
		every: func(v view) iter.Seq[string] {
			return ids(v.FloatingIPs.All(v), func(f *model.FloatingIP) string { return f.ID })
		},
		rows: func(v view, id string) []Row {
			if f := v.FloatingIPs.Get(v, id); f != nil && f.RouterID != nil {
				return forwardingRows(v, f)
			}
			return nil
		},
		owns: map[string]func(*ovsdb.Row) (id, key string, ok bool){
			tableLoadBalancer: func(row *ovsdb.Row) (id, key string, ok bool) {
				name := row.String("name")
				id, ok = strings.CutPrefix(name, forwardingName)
				if len(id) > 36 {
					id = id[:36]
				}
				return id, name, ok && isID(id)
			},
		},
		stirs: map[string]func(view, store.Change, func(string)){
			"floatingips": itself,
			"port_forwardings": func(_ view, c store.Change, dirty func(string)) {
				each(c, func(f *model.PortForwarding) { dirty(f.FloatingIPID) })
			},
			"ports": func(v view, c store.Change, dirty func(string)) {
				each(c, func(p *model.Port) {
					if routed(p) {
						for f := range v.FloatingIPs.By(v, v.Index.FloatingIPByRouter, p.DeviceID) {
							dirty(f.ID)
						}
					}
				})
			},
		},
	}
}

func forwardingRows(v view, f *model.FloatingIP) (rows []Row) {
	var in []Place
	byName := map[string]int{}
	for pf := range v.PortForwardings.By(v, v.Index.ForwardingByFloating, f.ID) {
		if in == nil {
			in = forwardingPlaces(v, *f.RouterID)
		}
		for _, pair := range forwardedPorts(pf) {
			name := forwardingName + f.ID + "-" + strings.ToLower(pf.Protocol)
			if pair.ranged {
				name += "-" + strconv.Itoa(pair.external)
			}
			i, ok := byName[name]
			if !ok {
				i = len(rows)
				byName[name] = i
				rows = append(rows, forwardingRow(f, name, strings.ToLower(pf.Protocol), pair.ranged, in))
			}
			vip := net.JoinHostPort(f.FloatingIPAddress, strconv.Itoa(pair.external))
			rows[i].Columns["vips"].(ovsdb.Map)[vip] = net.JoinHostPort(pf.InternalIPAddress, strconv.Itoa(pair.internal))
		}
	}
	return rows
}

func forwardingRow(f *model.FloatingIP, name, protocol string, ranged bool, in []Place) Row {
	marks := ovsdb.Map{idOwner: forwardingOwner, idFloating: f.ID, idRouterName: routerName(*f.RouterID)}
	if !ranged {
		marks[idRevision] = revision(f.RevisionNumber)
	}
	return Row{
		Table: tableLoadBalancer, Key: name, In: in,
		Columns: ovsdb.Columns{"name": name, "protocol": protocol, "vips": ovsdb.Map{}, columnIDs: marks},
	}
}

// forwardingPlaces are the router and the switches behind it.
func forwardingPlaces(v view, routerID string) []Place {
	in := []Place{{tableRouter, routerName(routerID), "load_balancer"}}
	for p := range v.Ports.By(v, v.Index.PortByDevice, routerID) {
		at := Place{tableSwitch, switchName(p.NetworkID), "load_balancer"}
		if routed(p) && p.DeviceOwner != ownerGateway && !slices.Contains(in, at) {
			in = append(in, at)
		}
	}
	return in
}

// portPair is one port that is forwarded to another one.
type portPair struct {
	external, internal int
	// ranged is true for one of several.
	ranged bool
}

// forwardedPorts are all that a port forwarding forwards: from one port or as
// many as two ranges hold.
func forwardedPorts(pf *model.PortForwarding) (pairs []portPair) {
	low, high, ok := portRange(pf.ExternalPortRange, pf.ExternalPort)
	inLow, _, okIn := portRange(pf.InternalPortRange, pf.InternalPort)
	if !ok || !okIn {
		return nil
	}
	for n := low; n <= high; n++ {
		pairs = append(pairs, portPair{n, inLow + n - low, high > low})
	}
	return pairs
}

// portRange reads "80:90"; an empty one is the single port.
func portRange(s string, single int) (low, high int, ok bool) {
	if s == "" {
		return single, single, single > 0
	}
	from, to, two := strings.Cut(s, ":")
	low, err := strconv.Atoi(from)
	if err != nil {
		return 0, 0, false
	}
	if !two {
		return low, low, true
	}
	high, err = strconv.Atoi(to)
	return low, high, err == nil && high >= low
}
