// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"fmt"
	"maps"
	"math/rand"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// consistent checks what holds at all times.
func (c *octavia) consistent(r store.Reader) {
	c.t.Helper()
	s := c.s
	owned := map[string]bool{freePort: true, usedPort: true}
	for lb := range s.LoadBalancers.All(r) {
		c.consistentLB(r, lb)
		if port := s.Ports.Get(r, lb.VIPPortID); port == nil {
			c.t.Errorf("load balancer %s has no port", lb.ID)
		}
		owned[lb.VIPPortID] = true
		for _, v := range lb.AdditionalVIPs {
			owned[v.PortID] = true
		}
	}
	for port := range s.Ports.All(r) {
		asked, asks := strings.CutPrefix(port.Name, monitorPortPrefix)
		if !owned[port.ID] && (!asks || !s.asksOn(r, asked)) {
			c.t.Errorf("port %s is nobody's", port.Name)
		}
	}
	for l := range s.Listeners.All(r) {
		c.within(r, "listener "+l.ID, &l.LBMeta, s.LoadBalancers.Get(r, l.LoadBalancerID))
	}
	for p := range s.LBPools.All(r) {
		c.within(r, "pool "+p.ID, &p.LBMeta, s.LoadBalancers.Get(r, p.LoadBalancerID))
	}
	for m := range s.Members.All(r) {
		c.within(r, "member "+m.ID, &m.LBMeta, c.ofPool(r, m.PoolID))
	}
	for hm := range s.HealthMonitors.All(r) {
		c.within(r, "monitor "+hm.ID, &hm.LBMeta, c.ofPool(r, hm.PoolID))
	}
	for p := range s.L7Policies.All(r) {
		c.within(r, "policy "+p.ID, &p.LBMeta, c.ofListener(r, p.ListenerID))
	}
	for rule := range s.L7Rules.All(r) {
		if p := s.L7Policies.Get(r, rule.L7PolicyID); p == nil {
			c.t.Errorf("rule %s has no policy", rule.ID)
		} else {
			c.within(r, "rule "+rule.ID, &rule.LBMeta, c.ofListener(r, p.ListenerID))
		}
	}
}

func (c *octavia) ofPool(r store.Reader, id string) *lbRow {
	if p := c.s.LBPools.Get(r, id); p != nil {
		return c.s.LoadBalancers.Get(r, p.LoadBalancerID)
	}
	return nil
}

func (c *octavia) ofListener(r store.Reader, id string) *lbRow {
	if l := c.s.Listeners.Get(r, id); l != nil {
		return c.s.LoadBalancers.Get(r, l.LoadBalancerID)
	}
	return nil
}

// within checks a row of a load balancer: nothing is PENDING unless the load
// balancer is.
func (c *octavia) within(_ store.Reader, what string, m *model.LBMeta, lb *lbRow) {
	c.t.Helper()
	switch {
	case lb == nil:
		c.t.Errorf("%s is in no load balancer", what)
	case m.ProjectID != lb.ProjectID:
		c.t.Errorf("%s is another project's", what)
	case !pending(&lb.LBMeta) && (pending(m) || m.Next != ""):
		c.t.Errorf("%s is %s (next %q) in a load balancer that is %s", what, m.ProvisioningStatus, m.Next, lb.ProvisioningStatus)
	}
}

func (c *octavia) consistentLB(r store.Reader, lb *lbRow) {
	c.t.Helper()
	s, places := c.s, map[string]bool{}
	for l := range s.Listeners.By(r, s.Index.ListenerByLB, lb.ID) {
		place := fmt.Sprint(layer4(l.Protocol), l.ProtocolPort)
		if places[place] {
			c.t.Errorf("two listeners are at %s", place)
		}
		places[place] = true
		position := 0
		for p := range s.policiesOf(r, l.ID) {
			if position++; p.Position != position {
				c.t.Errorf("policy %s is at %d, want %d", p.ID, p.Position, position)
			}
			c.sameLB(r, p.RedirectPoolID, lb, l.Protocol)
		}
		c.sameLB(r, l.DefaultPoolID, lb, l.Protocol)
	}
	for p := range s.LBPools.By(r, s.Index.PoolByLB, lb.ID) {
		if s.HealthMonitors.Count(r, s.Index.MonitorByPool, p.ID) > 1 {
			c.t.Errorf("pool %s has several monitors", p.ID)
		}
		places := map[string]bool{}
		for m := range s.Members.By(r, s.Index.MemberByPool, p.ID) {
			place := fmt.Sprint(m.Address, " ", m.ProtocolPort)
			if places[place] {
				c.t.Errorf("two members are at %s", place)
			}
			places[place] = true
		}
	}
}

// sameLB checks what a pool that is sent to has to be.
func (c *octavia) sameLB(r store.Reader, pool *string, lb *lbRow, protocol string) {
	c.t.Helper()
	if pool == nil {
		return
	}
	if p := c.s.LBPools.Get(r, *pool); p == nil || p.LoadBalancerID != lb.ID || checkProtocols(protocol, p.Protocol) != nil {
		c.t.Errorf("%s listener of %s sends to pool %s: %+v", protocol, lb.ID, *pool, p)
	}
}

// machine makes random requests, while OVN follows only from time to time.
type machine struct {
	*octavia
	rt *rapid.T
	// limits are the quotas.
	limits map[string]int
}

// begin starts an Octavia over the tables, as after a crash when there was one.
func (m *machine) begin(tables *model.Tables) {
	o := quick()
	o.Quota = m.limits
	m.octavia = direct(m.rt, tables, o)
	m.gate.close()
}

func (m *machine) crash(*rapid.T) {
	m.stop()
	m.begin(m.s.Tables)
}

func (m *machine) draw(what string, from ...string) string {
	return rapid.SampledFrom(from).Draw(m.rt, what)
}

// some gives the id of a row, or now and then one that is not there.
func some[T any](m *machine, what string, table *store.Table[T], id func(*T) string) string {
	var ids []string
	m.s.View(func(r store.Reader) {
		for row := range table.All(r) {
			ids = append(ids, id(row))
		}
	})
	if n := rapid.IntRange(0, 20).Draw(m.rt, what); n < 20 && len(ids) > 0 {
		return ids[n%len(ids)]
	}
	return nobody
}

func (m *machine) lb() string {
	return some(m, "lb", m.s.LoadBalancers, func(r *lbRow) string { return r.ID })
}

func (m *machine) listener() string {
	return some(m, "listener", m.s.Listeners, func(r *listenerRow) string { return r.ID })
}

func (m *machine) pool() string {
	return some(m, "pool", m.s.LBPools, func(r *poolRow) string { return r.ID })
}

func (m *machine) policy() string {
	return some(m, "policy", m.s.L7Policies, func(r *policyRow) string { return r.ID })
}

// try makes a change in a load balancer. It must have been refused if the load
// balancer was PENDING, and have changed nothing if it was refused.
func (m *machine) try(lb, call string, body any) {
	before, seq := m.provisioning(lb), m.s.Seq()
	a := m.send("member", call, body)
	switch after := m.provisioning(lb); {
	case a.status >= http.StatusInternalServerError && a.status != http.StatusNotImplemented && a.fault != stumble:
		m.rt.Fatalf("%s %v: %d %v", call, body, a.status, a.body)
	case a.status >= http.StatusBadRequest && m.s.Seq() != seq:
		m.rt.Fatalf("%s %v was refused (%d %s), but changed something", call, body, a.status, a.fault)
	case a.status >= http.StatusBadRequest:
	case lb != "" && before != active && before != failed:
		m.rt.Fatalf("%s %v was accepted while the load balancer was %s", call, body, before)
	case lb != "" && m.s.Seq() != seq && after == active:
		m.rt.Fatalf("%s %v left the load balancer ACTIVE", call, body)
	case rapid.IntRange(0, 2).Draw(m.rt, "follow") > 0:
		m.follow(m.rt)
	}
}

// stumble is what the provider ovn 3.0.0 answers to who changes a member without a subnet.
const stumble = "Provider 'ovn' reports error: failed to detect a valid IP address from Unset"

func (m *machine) provisioning(lb string) (status string) {
	m.s.View(func(r store.Reader) {
		if row := m.s.LoadBalancers.Get(r, lb); row != nil {
			status = row.ProvisioningStatus
		}
	})
	return status
}

// lbOf gives the load balancer of a listener, pool or L7 policy.
func (m *machine) lbOf(id string) (lb string) {
	m.s.View(func(r store.Reader) {
		row := m.ofPool(r, id)
		if row == nil {
			row = m.ofListener(r, id)
		}
		if p := m.s.L7Policies.Get(r, id); p != nil {
			row = m.ofListener(r, p.ListenerID)
		}
		if row != nil {
			lb = row.ID
		}
	})
	return lb
}

// at is at a path of the API.
func at(method, path string) string { return method + " /v2.0/lbaas" + path }

func (m *machine) createLB(*rapid.T) {
	body := ref{"vip_subnet_id": m.draw("subnet", subnet4, subnet6), "provider": m.draw("provider", providerOVN, providerAmphora)}
	if rapid.Bool().Draw(m.rt, "tree") {
		body["listeners"] = []any{ref{
			"protocol": "UDP", "protocol_port": 53, "default_pool": ref{
				"name": "p", "protocol": "UDP", "lb_algorithm": m.draw("algorithm", "SOURCE_IP_PORT", "SOURCE_IP"),
				"members": []any{ref{"address": m.draw("address", "10.77.0.30", "fd77::30"), "protocol_port": 53}},
			},
		}}
	}
	m.try("", at("POST", "/loadbalancers"), ref{"loadbalancer": body})
}

func (m *machine) changeLB(*rapid.T) {
	lb := m.lb()
	switch m.draw("what", "rename", "disable", "delete", "cascade") {
	case "rename":
		m.try(lb, at("PUT", "/loadbalancers/"+lb), ref{"loadbalancer": ref{"name": m.draw("name", "a", "b")}})
	case "disable":
		m.try(lb, at("PUT", "/loadbalancers/"+lb), ref{"loadbalancer": ref{"admin_state_up": false}})
	case "delete":
		m.try(lb, at("DELETE", "/loadbalancers/"+lb), nil)
	case "cascade":
		m.try(lb, at("DELETE", "/loadbalancers/"+lb+"?cascade=true"), nil)
	}
}

func (m *machine) listeners(*rapid.T) {
	l, lb := m.listener(), m.lb()
	switch m.draw("what", "create", "update", "delete") {
	case "create":
		body := ref{"loadbalancer_id": lb, "protocol": m.draw("protocol", "TCP", "UDP", "HTTP"), "protocol_port": rapid.IntRange(80, 82).Draw(m.rt, "port")}
		if rapid.Bool().Draw(m.rt, "pool") {
			body["default_pool_id"] = m.pool()
		}
		m.try(lb, at("POST", "/listeners"), ref{"listener": body})
	case "update":
		m.try(m.lbOf(l), at("PUT", "/listeners/"+l), ref{"listener": ref{"default_pool_id": m.pool(), "admin_state_up": rapid.Bool().Draw(m.rt, "up")}})
	case "delete":
		m.try(m.lbOf(l), at("DELETE", "/listeners/"+l), nil)
	}
}

func (m *machine) pools(*rapid.T) {
	p := m.pool()
	body := ref{"protocol": m.draw("protocol", "TCP", "UDP", "HTTP"), "lb_algorithm": m.draw("algorithm", "SOURCE_IP_PORT", "ROUND_ROBIN")}
	switch m.draw("what", "in", "at", "update", "delete") {
	case "in":
		body["loadbalancer_id"] = m.lb()
		m.try(body["loadbalancer_id"].(string), at("POST", "/pools"), ref{"pool": body})
	case "at":
		l := m.listener()
		if l == nobody {
			return // over which Octavia stumbles
		}
		body["listener_id"] = l
		m.try(m.lbOf(l), at("POST", "/pools"), ref{"pool": body})
	case "update":
		m.try(m.lbOf(p), at("PUT", "/pools/"+p), ref{"pool": ref{"admin_state_up": rapid.Bool().Draw(m.rt, "up")}})
	case "delete":
		m.try(m.lbOf(p), at("DELETE", "/pools/"+p), nil)
	}
}

func (m *machine) members(*rapid.T) {
	p := m.pool()
	x := some(m, "member", m.s.Members, func(r *memberRow) string { return r.ID })
	body := func() ref {
		return ref{"address": m.draw("address", "10.77.0.30", "10.77.0.31", "fd77::30"), "protocol_port": rapid.IntRange(1, 2).Draw(m.rt, "port")}
	}
	switch m.draw("what", "create", "batch", "update", "delete") {
	case "create":
		m.try(m.lbOf(p), at("POST", "/pools/"+p+"/members"), ref{"member": body()})
	case "batch":
		all := []any{}
		for range rapid.IntRange(0, 3).Draw(m.rt, "members") {
			all = append(all, body())
		}
		m.try(m.lbOf(p), at("PUT", "/pools/"+p+"/members"+m.draw("additive", "", "?additive_only=true")), ref{"members": all})
	case "update":
		m.try(m.lbOf(p), at("PUT", "/pools/"+p+"/members/"+x), ref{"member": ref{"weight": 2, "admin_state_up": rapid.Bool().Draw(m.rt, "up")}})
	case "delete":
		m.try(m.lbOf(p), at("DELETE", "/pools/"+p+"/members/"+x), nil)
	}
	m.s.MemberStatus(x, rapid.Bool().Draw(m.rt, "well"))
}

func (m *machine) monitors(*rapid.T) {
	p := m.pool()
	hm := some(m, "monitor", m.s.HealthMonitors, func(r *monitorRow) string { return r.ID })
	pool := ""
	m.s.View(func(r store.Reader) {
		if row := m.s.HealthMonitors.Get(r, hm); row != nil {
			pool = row.PoolID
		}
	})
	switch m.draw("what", "create", "update", "delete") {
	case "create":
		m.try(m.lbOf(p), at("POST", "/healthmonitors"), ref{"healthmonitor": ref{
			"pool_id": p, "type": m.draw("type", "TCP", "UDP-CONNECT", "HTTP"), "delay": 5, "timeout": 3, "max_retries": 2,
		}})
	case "update":
		m.try(m.lbOf(pool), at("PUT", "/healthmonitors/"+hm), ref{"healthmonitor": ref{"delay": 9}})
	case "delete":
		m.try(m.lbOf(pool), at("DELETE", "/healthmonitors/"+hm), nil)
	}
}

func (m *machine) policies(*rapid.T) {
	l, p := m.listener(), m.policy()
	rule := some(m, "rule", m.s.L7Rules, func(r *ruleRow) string { return r.ID })
	switch m.draw("what", "create", "update", "delete", "rule", "unrule") {
	case "create":
		body := ref{"listener_id": l, "action": "REJECT", "position": rapid.IntRange(1, 3).Draw(m.rt, "position")}
		if rapid.Bool().Draw(m.rt, "redirect") {
			body["action"], body["redirect_pool_id"] = "REDIRECT_TO_POOL", m.pool()
		}
		m.try(m.lbOf(l), at("POST", "/l7policies"), ref{"l7policy": body})
	case "update":
		m.try(m.lbOf(p), at("PUT", "/l7policies/"+p), ref{"l7policy": ref{"position": rapid.IntRange(1, 3).Draw(m.rt, "position")}})
	case "delete":
		m.try(m.lbOf(p), at("DELETE", "/l7policies/"+p), nil)
	case "rule":
		m.try(m.lbOf(p), at("POST", "/l7policies/"+p+"/rules"), ref{"rule": ref{"type": "PATH", "compare_type": "EQUAL_TO", "value": "/"}})
	case "unrule":
		m.try(m.lbOf(p), at("DELETE", "/l7policies/"+p+"/rules/"+rule), nil)
	}
}

// follow has OVN follow, and waits until nothing is PENDING.
func (m *machine) follow(*rapid.T) {
	m.gate.open()
	m.wait("everything was done", func(r store.Reader) bool {
		for lb := range m.s.LoadBalancers.All(r) {
			if pending(&lb.LBMeta) {
				return false
			}
		}
		return true
	})
	m.gate.close()
}

func (m *machine) check(*rapid.T) {
	m.s.View(func(r store.Reader) {
		m.consistent(r)
		for _, name := range slices.Sorted(maps.Keys(m.limits)) {
			n := m.s.used(r, demo, name)
			if name == "member" {
				n -= m.leaving(r) // a batch may have others in their place already
			}
			if n > m.limits[name] {
				m.rt.Fatalf("there are %d of %s, and may be %d", n, name, m.limits[name])
			}
		}
	})
}

// leaving is how many members are to be deleted.
func (m *machine) leaving(r store.Reader) (n int) {
	for row := range m.s.Members.All(r) {
		if row.ProvisioningStatus == pendingDelete {
			n++
		}
	}
	return n
}

// TestNoOrderOfRequestsLeadsToAnInconsistentCloud makes random requests, and
// at the end deletes everything.
func TestNoOrderOfRequestsLeadsToAnInconsistentCloud(t *testing.T) {
	t.Cleanup(func() { uuid.SetRand(nil) })
	rapid.Check(t, func(rt *rapid.T) {
		uuid.SetRand(rand.New(rand.NewSource(1))) // the same ids whenever a failure is tried again
		tables := model.New()
		seed(tables)
		m := &machine{rt: rt, limits: map[string]int{
			"load_balancer": 3, "listener": 4, "pool": 4, "member": 4, "health_monitor": 2, "l7policy": 3, "l7rule": 3,
		}}
		m.begin(tables)
		defer func() { m.stop() }()
		m.try("", at("POST", "/loadbalancers"), ref{"loadbalancer": ref{"vip_subnet_id": subnet4, "provider": "amphora", "listeners": []any{
			ref{"protocol": "HTTP", "protocol_port": 80, "default_pool": ref{"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}},
		}}})
		for range 3 {
			rt.Repeat(map[string]func(*rapid.T){
				"": m.check, "create": m.createLB, "change": m.changeLB, "listeners": m.listeners, "pools": m.pools, "members": m.members,
				"monitors": m.monitors, "policies": m.policies, "more policies": m.policies, "follow": m.follow, "crash": m.crash,
			})
		}
		m.deleteAll()
	})
}

func (m *machine) deleteAll() {
	m.follow(m.rt)
	var all []string
	m.s.View(func(r store.Reader) {
		for lb := range m.s.LoadBalancers.All(r) {
			all = append(all, lb.ID)
		}
	})
	for _, lb := range all {
		m.try(lb, at("DELETE", "/loadbalancers/"+lb+"?cascade=true"), nil)
	}
	m.follow(m.rt)
	m.s.View(func(r store.Reader) {
		s := m.s
		left := s.LoadBalancers.Len(r) + s.Listeners.Len(r) + s.LBPools.Len(r) + s.Members.Len(r) + s.HealthMonitors.Len(r) + s.L7Policies.Len(r) + s.L7Rules.Len(r)
		if ports := s.Ports.Len(r); left > 0 || ports != 2 {
			m.rt.Fatalf("%d rows are left, and %d ports", left, ports)
		}
	})
}
