// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"strconv"
	"strings"
	"sync"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
)

// monitorSource finds the port from whose address the members on a subnet are
// asked for their health, and that address: whichever is on every hypervisor.
func monitorSource(v view, subnet *model.Subnet) (*model.Port, string) {
	p := v.Ports.First(v, v.Index.DistributedBySubnet, subnet.ID)
	if p == nil {
		return nil, ""
	}
	for _, f := range p.FixedIPs {
		if f.SubnetID == subnet.ID {
			return p, f.IPAddress
		}
	}
	return nil, ""
}

// checked tells whether a service has health checks. OVN knows no member to be
// alive of which it has not been told how to ask: where no member can be asked
// there must be none, else the service would be dead.
func (s lbService) checked() bool { return s.asker() != nil }

// asker is the first member that can be asked for its health; nil: nobody is.
func (s lbService) asker() *lbMember {
	if s.pool.monitor == nil {
		return nil
	}
	for _, m := range s.members {
		if m.port != nil && m.source != nil {
			return m
		}
	}
	return nil
}

// mappings tell how to ask the members of services for their health. Who
// cannot be asked is looked for where the questions come from: that port is on
// no hypervisor, so nobody asks, and he counts as alive. One on a subnet that no
// port has any longer is dead, and left out.
func mappings(services []lbService) ovsdb.Map {
	all := ovsdb.Map{}
	for _, s := range services {
		asker := s.asker()
		if asker == nil {
			continue
		}
		for _, m := range s.members {
			switch {
			case m.port != nil && m.source != nil:
				all[bracketed(m.addr)] = m.port.ID + ":" + bracketed(m.sourceAddr)
			case m.port != nil || m.outside():
				all[bracketed(m.addr)] = asker.source.ID + ":" + bracketed(asker.sourceAddr)
			}
		}
	}
	return all
}

func bracketed(address string) string {
	if strings.Contains(address, ":") {
		return "[" + address + "]"
	}
	return address
}

func (b *balancer) healthCheck(c lbClass, s lbService) Row {
	hm := s.pool.monitor
	return Row{
		Table: tableHealthCheck, Key: checkKey(c.key(b.ID), hm.ID, s.vip()),
		In: []Place{{tableLoadBalancer, c.key(b.ID), "health_check"}},
		Columns: ovsdb.Columns{
			"vip": s.vip(),
			"options": ovsdb.Map{
				"interval": strconv.Itoa(hm.Delay), "timeout": strconv.Itoa(hm.Timeout),
				"success_count": strconv.Itoa(hm.MaxRetries), "failure_count": strconv.Itoa(hm.MaxRetriesDown),
			},
			columnIDs: ovsdb.Map{idMonitor: hm.ID, idMonitorPool: s.pool.ID, idMonitorVIP: s.address.String()},
		},
	}
}

// asked is a row of Service_Monitor: who is asked for his health.
type asked struct {
	port, address, protocol string
	number                  int
}

// health is what OVN says of the members, and what has been told of it.
type health struct {
	mu    sync.Mutex
	found map[asked]string
	// told are the last verdicts on members, by load balancer.
	told map[string]map[string]verdict
}

// verdict is what was told of a member, and the status that it had.
type verdict struct {
	online bool
	status string
}

// forget begins a new connection: every row is told of again.
func (h *health) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.found, h.told = map[asked]string{}, map[string]map[string]verdict{}
}

// monitored is told what health checks say of the members of load balancers.
func (b *Backend) monitored(v view, rows []serviceMonitor) {
	some := map[string]bool{}
	b.health.mu.Lock()
	for _, row := range rows {
		who := asked{row.Port, row.IP, row.Protocol, row.Number}
		if row.Gone {
			delete(b.health.found, who)
		} else {
			b.health.found[who] = row.Status
		}
		for m := range v.Members.By(v, v.Index.MemberByAddress, row.IP) {
			if p := v.LBPools.Get(v, m.PoolID); p != nil && m.ProtocolPort == row.Number {
				some[p.LoadBalancerID] = true
			}
		}
	}
	b.health.mu.Unlock()
	for id := range some {
		b.judge(v, id)
	}
}

// judge tells of the members of a load balancer whose status is not what the
// health checks say.
func (b *Backend) judge(v view, id string) {
	lb := findBalancer(v, id)
	b.health.mu.Lock()
	defer b.health.mu.Unlock()
	before := b.health.told[id]
	if lb == nil {
		delete(b.health.told, id)
		return
	}
	now := map[string]verdict{}
	for m, online := range lb.verdicts(b.health.found) {
		says := verdict{online, m.OperatingStatus}
		now[m.ID] = says
		if was, known := before[m.ID]; (!known || says != was) && m.OperatingStatus != status(online) {
			b.events.memberStatus(m.ID, online)
		}
	}
	b.health.told[id] = now
}

// status is the operating status of a member that has been asked.
func status(online bool) string {
	if online {
		return "ONLINE"
	}
	return "ERROR"
}

// verdicts gives the members of which the health checks say something.
func (b *balancer) verdicts(found map[asked]string) map[*lbMember]bool {
	all := map[*lbMember]bool{}
	for _, s := range b.services() {
		if !s.checked() {
			continue
		}
		for _, m := range s.members {
			switch {
			case m.port == nil:
				if !m.outside() {
					all[m] = false
				}
			case !m.port.AdminStateUp:
				all[m] = false
			default:
				if says := found[asked{m.port.ID, m.addr, s.class.protocol, m.ProtocolPort}]; says != "" {
					all[m] = says == "online"
				}
			}
		}
	}
	return all
}
