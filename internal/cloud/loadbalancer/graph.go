// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/loadbalancer/wsme"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// graph makes what a new load balancer has from the beginning
// (octavia/api/v2/controllers/load_balancer.py, _graph_create).
type graph struct {
	s  *Service
	tx *store.Tx
	d  driver
	lb *lbRow
	// named are the ids of the pools by their names.
	named map[string]string
}

func (s *Service) createTree(tx *store.Tx, d driver, lb *lbRow, body wsme.Object) error {
	g := &graph{s, tx, d, lb, map[string]string{}}
	groups, err := gatherPools(body)
	if err != nil {
		return err
	}
	if len(groups) > 0 {
		if err := s.withinQuota(tx, lb.ProjectID, "pool", len(groups)); err != nil {
			return err
		}
	}
	for _, b := range groups {
		if err := g.pool(b); err != nil {
			return err
		}
	}
	all := body.Objects("listeners")
	if len(all) > 0 {
		if err := s.withinQuota(tx, lb.ProjectID, "listener", len(all)); err != nil {
			return err
		}
	}
	for _, b := range all {
		if err := g.listener(b); err != nil {
			return err
		}
	}
	return g.ask()
}

// gatherPools gives the pools to make: those of the load balancer, and those
// that are described where listeners and L7 policies send to them. What is only
// named there has to be one of these.
func gatherPools(body wsme.Object) ([]wsme.Object, error) {
	all, wanted := body.Objects("pools"), []string{}
	look := func(p wsme.Object) error {
		switch {
		case p == nil:
			return nil
		case p.String("name") == "":
			return validation("Pools must be named when creating a fully populated loadbalancer.")
		case onlyNamed(p):
			wanted = append(wanted, p.String("name"))
		default:
			all = append(all, p)
		}
		return nil
	}
	for _, l := range body.Objects("listeners") {
		if err := look(l.Object("default_pool")); err != nil {
			return nil, err
		}
		if l.Null("l7policies") {
			return nil, serverError("'NoneType' object is not iterable")
		}
		for _, p := range l.Objects("l7policies") {
			if err := look(p.Object("redirect_pool")); err != nil {
				return nil, err
			}
		}
	}
	names := []string{}
	for _, p := range all {
		if slices.Contains(names, p.String("name")) {
			return nil, validation("Pool names must be unique when creating a fully populated loadbalancer.")
		}
		names = append(names, p.String("name"))
	}
	for _, name := range wanted {
		if !slices.Contains(names, name) {
			return nil, validation("Pool '%s' was referenced but no full definition was found.", name)
		}
	}
	return all, nil
}

// onlyNamed tells whether a pool is no more than a name; what is there by
// default does not count.
func onlyNamed(p wsme.Object) bool {
	for attr := range p {
		if attr != "name" && attr != "admin_state_up" && attr != "tls_enabled" {
			return false
		}
	}
	return true
}

func (g *graph) pool(body wsme.Object) error {
	for _, attr := range []string{"protocol", "lb_algorithm"} {
		if body.Has(attr) {
			continue
		}
		if !body.Has("name") {
			return serverError("'name'")
		}
		return validation("Pool definition for '%s' missing required attribute: %s", body.String("name"), attr)
	}
	p, err := g.s.newPool(g.lb, body)
	if err != nil {
		return err
	}
	inside := body.Objects("members")
	g.d.nextPool(p, true, len(inside) > 0)
	g.s.LBPools.Put(g.tx, p)
	g.named[p.Name] = p.ID
	if err := g.monitor(p, body.Object("healthmonitor")); err != nil {
		return err
	}
	return g.members(p, inside)
}

func (g *graph) monitor(p *poolRow, body wsme.Object) error {
	if body == nil {
		return nil
	}
	if err := g.s.withinQuota(g.tx, g.lb.ProjectID, "health_monitor", 1); err != nil {
		return err
	}
	hm, err := g.s.newMonitor(p, body)
	if err != nil {
		return err
	}
	if err := checkMonitorType(hm.Type, hm.Delay, p.Protocol); err != nil {
		return err
	}
	g.s.HealthMonitors.Put(g.tx, hm)
	return nil
}

func (g *graph) members(p *poolRow, bodies []wsme.Object) error {
	if len(bodies) == 0 {
		return nil
	}
	if err := g.s.withinQuota(g.tx, g.lb.ProjectID, "member", len(bodies)); err != nil {
		return err
	}
	for _, b := range bodies {
		if err := checkAddress(b.String("address")); err != nil {
			return err
		}
		m, err := g.s.newMember(g.tx, p, b)
		if err != nil {
			return err
		}
		if err := g.s.putMember(g.tx, m); err != nil {
			return err
		}
	}
	return nil
}

func (g *graph) listener(body wsme.Object) error {
	l, err := g.s.newListener(g.lb, body)
	if err != nil {
		return err
	}
	if p := body.Object("default_pool"); p != nil {
		id := g.named[p.String("name")]
		l.DefaultPoolID = &id
	}
	if err := g.s.checkDefaultPool(g.tx, g.lb.ID, l.Protocol, l.DefaultPoolID); err != nil {
		return err
	}
	if err := g.s.checkListener(g.tx, g.lb, l); err != nil {
		return err
	}
	g.s.putListener(g.tx, g.d, l)
	inside := body.Objects("l7policies")
	if l.Protocol == prometheus && len(inside) > 0 {
		return noChildren()
	}
	for _, b := range inside {
		if err := g.policy(l, b); err != nil {
			return err
		}
	}
	return nil
}

func (g *graph) policy(l *listenerRow, body wsme.Object) error {
	if p := body.Object("redirect_pool"); p != nil {
		body["redirect_pool_id"] = g.named[p.String("name")]
	}
	p, err := g.s.putPolicy(g.tx, l, body)
	if err != nil {
		return err
	}
	return g.s.putRules(g.tx, p, body.Objects("rules"))
}

// ask has the provider look at everything, and decide how it ends.
func (g *graph) ask() error {
	s, tx := g.s, g.tx
	for _, l := range slices.Collect(s.Listeners.By(tx, s.Index.ListenerByLB, g.lb.ID)) {
		if err := g.d.listener(l, nil); err != nil {
			return err
		}
		if s.L7Policies.First(tx, s.Index.L7PolicyByListener, l.ID) != nil {
			if err := g.d.policy(l, "creating"); err != nil {
				return err
			}
		}
	}
	for _, p := range slices.Collect(s.LBPools.By(tx, s.Index.PoolByLB, g.lb.ID)) {
		if err := g.d.pool(p, nil); err != nil {
			return err
		}
		if err := g.askMembers(p); err != nil {
			return err
		}
	}
	return nil
}

func (g *graph) askMembers(p *poolRow) error {
	s, tx := g.s, g.tx
	for _, m := range slices.Collect(s.Members.By(tx, s.Index.MemberByPool, p.ID)) {
		placed := *m
		if placed.SubnetID == nil {
			placed.SubnetID = &g.lb.VIPSubnetID // in a tree every member is near the VIP
		}
		if err := g.d.member(tx, g.lb, p, &placed); err != nil {
			return err
		}
		s.decide(tx, g.d, m)
	}
	hm := s.monitorOf(tx, p.ID)
	if hm == nil {
		return nil
	}
	if err := g.d.monitor(hm); err != nil {
		return err
	}
	decided, changed := *hm, *p
	g.d.nextMonitor(tx, &changed, &decided, true)
	s.HealthMonitors.Put(tx, &decided)
	s.LBPools.Put(tx, &changed)
	return nil
}
