// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"testing"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// are checks operating statuses: "lb listener pool member...".
func (c *octavia) are(when string, want ...string) {
	c.t.Helper()
	var got []string
	c.s.View(func(r store.Reader) {
		for x := range c.s.LoadBalancers.All(r) {
			got = append(got, x.OperatingStatus)
		}
		for x := range c.s.Listeners.All(r) {
			got = append(got, x.OperatingStatus)
		}
		for x := range c.s.LBPools.All(r) {
			got = append(got, x.OperatingStatus)
		}
		for x := range c.s.HealthMonitors.All(r) {
			got = append(got, x.OperatingStatus)
		}
		for x := range c.s.Members.All(r) {
			got = append(got, x.OperatingStatus)
		}
	})
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			c.t.Errorf("%s: %v, want %v", when, got, want)
			return
		}
	}
}

// withPorts makes ports in Neutron at addresses, for members.
func (c *octavia) withPorts(addresses ...string) {
	must(c.s.Update(func(tx *store.Tx) error {
		for _, a := range addresses {
			p := &model.Port{NetworkID: network, FixedIPs: []model.FixedIP{{SubnetID: subnet4, IPAddress: a}}}
			p.ID = a
			c.s.Ports.Put(tx, p)
		}
		return nil
	}))
}

func monitorOfPool(c *octavia, lb, pool string) string {
	c.t.Helper()
	return c.make(lb, "/healthmonitors", "healthmonitor", ref{"pool_id": pool, "type": "TCP", "delay": 5, "timeout": 3, "max_retries": 2})
}

func TestWhatOVNReportsOfMembersGoesUpToTheLoadBalancer(t *testing.T) {
	c := start(t, quick())
	c.withPorts("10.77.0.30", "10.77.0.31")
	lb, _, pool, first := small(c, nil)
	c.are("without a monitor", online, online, online, noMonitor)
	second := c.make(lb, "/pools/"+pool+"/members", "member", ref{"address": "10.77.0.31", "protocol_port": 8080})
	c.s.MemberStatus(first, false)
	c.are("reported without a monitor", online, online, online, noMonitor, noMonitor)
	hm := monitorOfPool(c, lb, pool)
	c.are("with one", online, online, online, online, online, online)
	c.s.MemberStatus(first, false)
	c.are("one failed", degraded, degraded, degraded, online)
	c.s.MemberStatus(second, false)
	c.are("all failed", failed, failed, failed, online, failed, failed)
	c.do(lb, "PUT /loadbalancers/"+lb, ref{"loadbalancer": ref{"name": "x"}})
	c.are("renamed", failed, failed, failed, online, failed, failed)
	c.s.MemberStatus(first, true)
	c.s.MemberStatus(second, true)
	c.are("all well", online, online, online, online, online, online)
	c.do(lb, "DELETE /healthmonitors/"+hm, nil)
	c.s.MemberStatus(nobody, true) // that is none of ours
}

func TestAMonitorOfAMemberThatNeutronDoesNotKnowIsInError(t *testing.T) {
	c := start(t, quick())
	lb, _, pool, _ := small(c, nil)
	hm := monitorOfPool(c, lb, pool)
	a := c.get("/healthmonitors/" + hm)
	if p, o := a.text("healthmonitor.provisioning_status"), a.text("healthmonitor.operating_status"); p != failed || o != failed {
		t.Errorf("the monitor is %s and %s", p, o)
	}
	if got := c.status(lb); got != active {
		t.Errorf("the load balancer is %s", got)
	}
	c.do(lb, "DELETE /healthmonitors/"+hm, nil)
}

func TestWhatIsDisabledIsOffline(t *testing.T) {
	down := func(key string) ref { return ref{key: ref{"admin_state_up": false}} }
	for _, provider := range []string{providerOVN, providerAmphora} {
		t.Run(provider, func(t *testing.T) {
			c := start(t, quick())
			lb, listener, pool, _ := small(c, ref{"provider": provider})
			c.are("enabled", online, online, online, noMonitor)
			c.do(lb, "PUT /pools/"+pool, down("pool"))
			c.are("no pool", online, online, offline)
			c.do(lb, "PUT /listeners/"+listener, down("listener"))
			c.are("no listener", online, offline, offline)
			c.do(lb, "PUT /loadbalancers/"+lb, down("loadbalancer"))
			c.are("no load balancer", offline, offline, offline)
		})
	}
}

func TestAmphoraeReportWhatFollowsFromHowThingsAre(t *testing.T) {
	c := start(t, quick())
	lb, _, pool, first := small(c, ref{"provider": providerAmphora})
	member := func(attrs ref) { c.do(lb, "PUT /pools/"+pool+"/members/"+first, ref{"member": attrs}) }
	c.are("without a monitor", online, online, online, noMonitor)
	member(ref{"weight": 0})
	c.are("drained", online, online, online, draining)
	member(ref{"weight": 1})
	monitorOfPool(c, lb, pool)
	c.are("monitored", online, online, online, online, online)
	c.s.MemberStatus(first, false)
	c.are("failed", failed, online, failed, online, failed)
	c.s.MemberStatus(first, true)
	c.are("well", online, online, online, online, online)
	member(ref{"admin_state_up": false})
	c.are("disabled", online, online, online, online, offline)
}

func TestAPoolOfOVNWithoutMembersIsOfflineUntilItHasSome(t *testing.T) {
	c := start(t, quick())
	lb := c.make("", "/loadbalancers", "loadbalancer", ref{"vip_subnet_id": subnet4})
	pool := c.make(lb, "/pools", "pool", ref{"loadbalancer_id": lb, "protocol": "TCP", "lb_algorithm": "SOURCE_IP_PORT"})
	c.are("new", online, offline)
	member := c.make(lb, "/pools/"+pool+"/members", "member", ref{"address": "10.77.0.30", "protocol_port": 1})
	c.are("with a member", online, online, noMonitor)
	c.do(lb, "DELETE /pools/"+pool+"/members/"+member, nil)
	c.are("without", online, offline)
}
