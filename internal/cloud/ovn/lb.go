// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"encoding/json"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

const (
	kindLoadBalancer = "loadbalancer"
	// lbProvider is Octavia's provider whose load balancers are OVN's.
	lbProvider = "ovn"
)

// Keys of external_ids, as Octavia's OVN provider has them
// (ovn_octavia_provider/common/constants.py).
const (
	idVIP          = "neutron:vip"
	idVIPPort      = "neutron:vip_port_id"
	idVIPFloating  = "neutron:vip_fip"
	idMoreVIPs     = "neutron:additional_vips"
	idMorePorts    = "neutron:additional_vip_port_ids"
	idMoreFloating = "neutron:additional_vip_fips"
	idEnabled      = "enabled"
	idSwitches     = "ls_refs"
	idRouters      = "lr_ref"
	idListener     = "listener_"
	idPool         = "pool_"
	idMember       = "member_"
	idMonitor      = "octavia:healthmonitor"
	idMonitorPool  = "octavia:pool_id"
	idMonitorVIP   = "octavia:vip"
	// disabled ends the key of what is administratively down.
	disabled = ":D"
)

// What of a packet chooses the member: one is kept by a connection, or by a client.
const (
	byConnection = "ip_dst,ip_src,tp_dst,tp_src"
	byClient     = "ip_dst,ip_src"
)

// lbClass is what all in one row of Load_Balancer have in common.
type lbClass struct{ protocol, fields string }

func (c lbClass) key(lb string) string { return lb + " " + c.protocol + " " + c.fields }

func lbKind() kind {
	return kind{
		name: kindLoadBalancer,
		every: func(v view) iter.Seq[string] {
			return ids(v.LoadBalancers.All(v), func(lb *model.LoadBalancer) string { return lb.ID })
		},
		rows: func(v view, id string) []Row {
			b := findBalancer(v, id)
			if b == nil {
				return nil
			}
			return b.rows()
		},
		owns: map[string]func(*ovsdb.Row) (id, key string, ok bool){
			tableLoadBalancer: ownsBalancer,
			tableHealthCheck:  ownsHealthCheck,
		},
		stirs: map[string]func(view, store.Change, func(string)){
			"loadbalancers":  itself,
			"listeners":      stirByListener,
			"pools":          stirByPool,
			"members":        stirByMember,
			"healthmonitors": stirByMonitor,
			"floatingips":    stirByFloatingIP,
			"ports":          stirByPort,
			"subnets":        stirBySubnet,
			"networks":       stirByNetwork,
		},
		compared: (*Backend).judge,
	}
}

func ownsBalancer(row *ovsdb.Row) (id, key string, ok bool) {
	id = row.String("name")
	c := lbClass{row.String("protocol"), strings.Join(row.Strings("selection_fields"), ",")}
	return id, c.key(id), isID(id)
}

func ownsHealthCheck(row *ovsdb.Row) (id, key string, ok bool) {
	parent := row.Parent(tableLoadBalancer, "health_check")
	if parent == nil {
		return "", "", false
	}
	id, in, ok := ownsBalancer(parent)
	return id, checkKey(in, row.Entry(columnIDs, idMonitor), row.String("vip")), ok
}

// checkKey tells the health checks of all rows of Load_Balancer apart.
func checkKey(in, monitor, vip string) string { return in + " " + monitor + " " + vip }

// rows gives a row for each class that there is, with its health checks. A
// load balancer with nothing in it has one, which keeps its place.
func (b *balancer) rows() (rows []Row) {
	in, services := b.places(), b.services()
	for _, c := range b.classes() {
		mine := slices.DeleteFunc(slices.Clone(services), func(s lbService) bool { return s.class != c })
		vips := ovsdb.Map{}
		for _, s := range mine {
			vips[s.vip()] = s.backends()
		}
		var protocol any
		if c.protocol != "" {
			protocol = c.protocol
		}
		rows = append(rows, Row{
			Table: tableLoadBalancer, Key: c.key(b.ID), In: in,
			Columns: ovsdb.Columns{
				"name": b.ID, "protocol": protocol, "selection_fields": ovsdb.Set(strings.Split(c.fields, ",")),
				"vips": vips, "ip_port_mappings": mappings(mine), "options": ovsdb.Map{}, columnIDs: b.externalIDs(c),
			},
		})
		for _, s := range mine {
			if s.checked() {
				rows = append(rows, b.healthCheck(c, s))
			}
		}
	}
	return rows
}

func (b *balancer) classes() []lbClass {
	some := map[lbClass]bool{}
	for _, l := range b.listeners {
		some[b.classOf(l)] = true
	}
	for _, p := range b.pools {
		some[p.class()] = true
	}
	if len(some) == 0 {
		some[lbClass{"", byConnection}] = true
	}
	return slices.SortedFunc(maps.Keys(some), func(x, y lbClass) int { return strings.Compare(x.key(""), y.key("")) })
}

// class tells where a pool is. OVN could keep a client at its member for a time
// (options:affinity_timeout), but then it drops the first packet of every client,
// over a switch also when TCP repeats it, and goes on to send clients to members
// that are dead. So who asks for persistence has his member by his address.
func (p *lbPool) class() lbClass {
	fields := byConnection
	if p.LBAlgorithm == "SOURCE_IP" || p.SessionPersistence != nil && p.SessionPersistence.Type == "SOURCE_IP" {
		fields = byClient
	}
	return lbClass{strings.ToLower(p.Protocol), fields}
}

func (b *balancer) classOf(l *model.Listener) lbClass {
	c := lbClass{strings.ToLower(l.Protocol), byConnection}
	if p := b.pool(l.DefaultPoolID); p != nil {
		c.fields = p.class().fields
	}
	return c
}

// lbService is a VIP's port with who answers there.
type lbService struct {
	class   lbClass
	address netip.Addr
	port    int
	pool    *lbPool
	members []*lbMember
}

func (s lbService) vip() string { return endpoint(s.address.String(), s.port) }

func (s lbService) backends() string {
	all := make([]string, len(s.members))
	for i, m := range s.members {
		all[i] = endpoint(m.addr, m.ProtocolPort)
	}
	return strings.Join(all, ",")
}

// services are those that are enabled. One whose members are all drained has
// none, and refuses new connections; without it those that there are would end.
func (b *balancer) services() (all []lbService) {
	if !b.AdminStateUp {
		return nil
	}
	for _, l := range b.listeners {
		p := b.pool(l.DefaultPoolID)
		if !l.AdminStateUp || p == nil || !p.AdminStateUp {
			continue
		}
		for _, address := range b.addresses() {
			s := lbService{class: b.classOf(l), address: address, port: l.ProtocolPort, pool: p}
			drained := false
			for _, m := range p.members {
				if !m.AdminStateUp || m.is6() != address.Is6() {
					continue
				}
				if m.Weight == 0 {
					drained = true
					continue
				}
				s.members = append(s.members, m)
			}
			if drained || len(s.members) > 0 {
				all = append(all, s)
			}
		}
	}
	return all
}

// addresses are the VIP, the additional ones and their floating IPs.
func (b *balancer) addresses() (all []netip.Addr) {
	add := func(s string) {
		if a, err := netip.ParseAddr(s); err == nil && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	for _, v := range b.vips {
		add(v.address)
	}
	for _, v := range b.vips {
		for _, f := range v.floating {
			add(f)
		}
	}
	return all
}

func endpoint(address string, port int) string {
	return bracketed(address) + ":" + strconv.Itoa(port)
}

// externalIDs tell the human what is in a row, as the provider does.
func (b *balancer) externalIDs(c lbClass) ovsdb.Map {
	first := b.vips[0]
	all := ovsdb.Map{idEnabled: "False", idVIP: first.address, idVIPPort: first.port, idSwitches: b.switchRefs()}
	if b.AdminStateUp {
		all[idEnabled] = "True"
	}
	set := func(key string, values []string) {
		if len(values) > 0 {
			all[key] = strings.Join(values, ",")
		}
	}
	set(idRouters, mapped(b.routers, routerName))
	set(idVIPFloating, first.floating)
	var addresses, ports, floating []string
	for _, v := range b.vips[1:] {
		addresses, ports, floating = append(addresses, v.address), append(ports, v.port), append(floating, v.floating...)
	}
	set(idMoreVIPs, addresses)
	set(idMorePorts, ports)
	set(idMoreFloating, floating)
	for _, l := range b.listeners {
		if b.classOf(l) == c {
			value := strconv.Itoa(l.ProtocolPort) + ":"
			if p := b.pool(l.DefaultPoolID); p != nil {
				value += idPool + p.ID
			}
			all[marked(idListener+l.ID, l.AdminStateUp)] = value
		}
	}
	for _, p := range b.pools {
		if p.class() == c {
			all[marked(idPool+p.ID, p.AdminStateUp)] = strings.Join(mapped(p.members, (*lbMember).entry), ",")
		}
	}
	return all
}

func marked(key string, enabled bool) string {
	if enabled {
		return key
	}
	return key + disabled
}

// entry is a member as the provider writes it.
func (m *lbMember) entry() string {
	return idMember + m.ID + "_" + m.Address + ":" + strconv.Itoa(m.ProtocolPort) + "_" + m.subnetID
}

// switchRefs counts what of the load balancer is on which switch.
func (b *balancer) switchRefs() string {
	counts := make(map[string]int, len(b.networks))
	for id, n := range b.networks {
		counts[switchName(id)] = n
	}
	text, err := json.Marshal(counts)
	if err != nil {
		return "{}" // a map of integers has no reason
	}
	return string(text)
}

// places are the switches and routers that know the load balancer.
func (b *balancer) places() (all []Place) {
	for _, id := range b.switches {
		all = append(all, Place{tableSwitch, switchName(id), "load_balancer"})
	}
	for _, id := range b.routers {
		all = append(all, Place{tableRouter, routerName(id), "load_balancer"})
	}
	return all
}

// mapped gives what f makes of each.
func mapped[T, U any](all []T, f func(T) U) []U {
	made := make([]U, len(all))
	for i, x := range all {
		made[i] = f(x)
	}
	return made
}
