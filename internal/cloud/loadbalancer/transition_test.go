// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"context"
	"net/http"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// small is a load balancer with a listener and a pool with a member.
func small(c *octavia, more ref) (lb, listener, pool, member string) {
	c.t.Helper()
	body := ref{"vip_subnet_id": subnet4}
	for name, v := range more {
		body[name] = v
	}
	lb = c.make("", "/loadbalancers", "loadbalancer", body)
	algorithm := "SOURCE_IP_PORT"
	if body["provider"] == providerAmphora {
		algorithm = "ROUND_ROBIN"
	}
	listener = c.make(lb, "/listeners", "listener", ref{"loadbalancer_id": lb, "protocol": "TCP", "protocol_port": 80})
	pool = c.make(lb, "/pools", "pool", ref{"listener_id": listener, "protocol": "TCP", "lb_algorithm": algorithm})
	member = c.make(lb, "/pools/"+pool+"/members", "member", ref{"address": "10.77.0.30", "protocol_port": 8080})
	return lb, listener, pool, member
}

func TestWhileALoadBalancerIsPendingNothingInItCanBeChanged(t *testing.T) {
	c := start(t, quick())
	lb, listener, pool, member := small(c, nil)
	hm := c.make(lb, "/healthmonitors", "healthmonitor", ref{"pool_id": pool, "type": "TCP", "delay": 5, "timeout": 3, "max_retries": 2})
	c.gate.close()
	defer c.gate.open()
	if a := c.send("member", "PUT /v2.0/lbaas/loadbalancers/"+lb, ref{"loadbalancer": ref{"name": "new"}}); a.text("loadbalancer.provisioning_status") != pendingUpdate {
		t.Fatalf("it is not PENDING_UPDATE: %v", a.body)
	}
	state := "Invalid state PENDING_UPDATE of loadbalancer resource " + lb
	locked := "Load Balancer " + lb + " is immutable and cannot be updated."
	for _, x := range []struct {
		call  string
		body  ref
		fault string
	}{
		{"PUT /loadbalancers/" + lb, ref{"loadbalancer": ref{"name": "x"}}, state},
		{"DELETE /loadbalancers/" + lb + "?cascade=true", nil, state},
		{"POST /listeners", ref{"listener": ref{"loadbalancer_id": lb, "protocol": "TCP", "protocol_port": 81}}, locked},
		{"PUT /listeners/" + listener, ref{"listener": ref{"name": "x"}}, locked},
		{"DELETE /listeners/" + listener, nil, locked},
		{"POST /pools", ref{"pool": ref{"loadbalancer_id": lb, "protocol": "TCP", "lb_algorithm": "SOURCE_IP_PORT"}}, locked},
		{"PUT /pools/" + pool, ref{"pool": ref{"name": "x"}}, locked},
		{"DELETE /pools/" + pool, nil, locked},
		{"POST /pools/" + pool + "/members", ref{"member": ref{"address": "10.77.0.31", "protocol_port": 1}}, locked},
		{"PUT /pools/" + pool + "/members", ref{"members": []any{}}, locked},
		{"PUT /pools/" + pool + "/members/" + member, ref{"member": ref{"name": "x"}}, locked},
		{"DELETE /pools/" + pool + "/members/" + member, nil, locked},
		{"PUT /healthmonitors/" + hm, ref{"healthmonitor": ref{"delay": 9}}, locked},
		{"DELETE /healthmonitors/" + hm, nil, locked},
		{"POST /l7policies", ref{"l7policy": ref{"listener_id": listener, "action": "REJECT"}}, locked},
	} {
		c.refused(x.call, x.body, http.StatusConflict, x.fault)
	}
}

func TestAChangeOfAPartMakesWhatItIsInPending(t *testing.T) {
	c := start(t, quick())
	lb, listener, pool, member := small(c, nil)
	c.gate.close()
	defer c.gate.open()
	c.send("member", "DELETE /v2.0/lbaas/pools/"+pool+"/members/"+member, nil)
	for path, want := range map[string]string{
		"/loadbalancers/" + lb: pendingUpdate, "/listeners/" + listener: pendingUpdate, "/pools/" + pool: pendingUpdate,
		"/pools/" + pool + "/members/" + member: pendingDelete,
	} {
		for _, object := range c.get(path).body.(ref) {
			if got := object.(ref)["provisioning_status"]; got != want {
				t.Errorf("%s is %s, want %s", path, got, want)
			}
		}
	}
}

func TestWhatIsMadeWithinATreeIsAllPendingCreate(t *testing.T) {
	c := start(t, quick())
	c.gate.close()
	a := c.send("member", "POST /v2.0/lbaas/loadbalancers", ref{"loadbalancer": ref{"vip_subnet_id": subnet4, "listeners": []any{ref{
		"protocol": "TCP", "protocol_port": 80, "default_pool": ref{
			"name": "p", "protocol": "TCP", "lb_algorithm": "SOURCE_IP_PORT",
			"members": []any{ref{"address": "10.77.0.30", "protocol_port": 80}}, "healthmonitor": ref{"type": "TCP", "delay": 5, "timeout": 3, "max_retries": 2},
		},
	}}}})
	for _, path := range []string{"loadbalancer", "loadbalancer.listeners.0", "loadbalancer.pools.0", "loadbalancer.pools.0.members.0"} {
		if got := a.text(path + ".provisioning_status"); got != pendingCreate {
			t.Errorf("%s is %q", path, got)
		}
	}
	c.gate.open()
	lb := a.text("loadbalancer.id")
	c.settled(lb)
	for path, want := range map[string]string{"": online, ".listeners.0": online, ".listeners.0.pools.0": online} {
		status := c.get("/loadbalancers/" + lb + "/status")
		if p, o := status.text("statuses.loadbalancer"+path+".provisioning_status"), status.text("statuses.loadbalancer"+path+".operating_status"); p != active || o != want {
			t.Errorf("%s is %s and %s", path, p, o)
		}
	}
}

// bubble runs a test in time that does not pass by itself.
func bubble(t *testing.T, o Options, test func(c *octavia)) {
	synctest.Test(t, func(t *testing.T) {
		tables := model.New()
		seed(tables)
		c := direct(t, tables, o)
		defer c.stop()
		test(c)
	})
}

func (c *octavia) status(lb string) string {
	c.t.Helper()
	return c.get("/loadbalancers/" + lb).text("loadbalancer.provisioning_status")
}

func TestALoadBalancerIsPendingForTheDelay(t *testing.T) {
	o := quick()
	o.Delay = func() time.Duration { return time.Minute }
	bubble(t, o, func(c *octavia) {
		lb := c.send("member", "POST /v2.0/lbaas/loadbalancers", ref{"loadbalancer": ref{"vip_subnet_id": subnet4}}).text("loadbalancer.id")
		time.Sleep(time.Minute - 1)
		synctest.Wait()
		if got := c.status(lb); got != pendingCreate {
			t.Errorf("it is %s before the delay is over", got)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got := c.status(lb); got != active {
			t.Errorf("it is %s when the delay is over", got)
		}
	})
}

func TestAmphoraeTakeLonger(t *testing.T) {
	bubble(t, Options{}, func(c *octavia) {
		lb := c.send("member", "POST /v2.0/lbaas/loadbalancers", ref{"loadbalancer": ref{"vip_subnet_id": subnet4, "provider": "amphora"}}).text("loadbalancer.id")
		for _, step := range []struct {
			call string
			body any
			took time.Duration
		}{
			{"", nil, 3 * time.Second},
			{"PUT /v2.0/lbaas/loadbalancers/" + lb, ref{"loadbalancer": ref{"name": "x"}}, 300 * time.Millisecond},
		} {
			if step.call != "" {
				c.send("member", step.call, step.body)
			}
			time.Sleep(step.took - 1)
			synctest.Wait()
			if got := c.status(lb); got == active {
				t.Errorf("%s: it is ACTIVE too early", step.call)
			}
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			if got := c.status(lb); got != active {
				t.Errorf("%s: it is %s", step.call, got)
			}
		}
	})
}

// stuck is an OVN that never follows.
type stuck struct{}

func (stuck) Settle(ctx context.Context, _ uint64) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestAnOVNThatDoesNotFollowHoldsALoadBalancerUpForATimeOnly(t *testing.T) {
	o := quick()
	o.Backend = stuck{}
	bubble(t, o, func(c *octavia) {
		lb := c.send("member", "POST /v2.0/lbaas/loadbalancers", ref{"loadbalancer": ref{"vip_subnet_id": subnet4}}).text("loadbalancer.id")
		time.Sleep(settleTimeout - 1)
		if got := c.status(lb); got != pendingCreate {
			t.Errorf("it is %s before", got)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got := c.status(lb); got != active {
			t.Errorf("it is %s after", got)
		}
	})
}

// TestWhatIsPendingIsCarriedOnByTheNextProcess ends an Octavia while load
// balancers are being made, changed and deleted.
func TestWhatIsPendingIsCarriedOnByTheNextProcess(t *testing.T) {
	file := filepath.Join(t.TempDir(), "store")
	open := func() *octavia {
		tables := model.New()
		if err := tables.Open(file); err != nil {
			t.Fatal(err)
		}
		return serveTables(t, tables, quick())
	}
	c := open()
	seed(c.s.Tables)
	changed, listener, _, _ := small(c, nil)
	deleted, _, _, _ := small(c, nil)
	c.gate.close()
	made := c.send("member", "POST /v2.0/lbaas/loadbalancers", ref{"loadbalancer": ref{"vip_subnet_id": subnet4}}).text("loadbalancer.id")
	c.send("member", "DELETE /v2.0/lbaas/listeners/"+listener, nil)
	c.send("member", "DELETE /v2.0/lbaas/loadbalancers/"+deleted+"?cascade=true", nil)
	for lb, want := range map[string]string{made: pendingCreate, changed: pendingUpdate, deleted: pendingDelete} {
		if got := c.status(lb); got != want {
			t.Fatalf("%s is %s, want %s", lb, got, want)
		}
	}
	c.stop()
	if err := c.s.Tables.Close(); err != nil {
		t.Fatal(err)
	}

	c = open()
	defer func() { _ = c.s.Tables.Close() }()
	defer c.stop()
	for _, lb := range []string{made, changed, deleted} {
		c.settled(lb)
	}
	if a := c.get("/loadbalancers/" + made); a.text("loadbalancer.operating_status") != online {
		t.Errorf("what was being made is %v", a.body)
	}
	c.refused("GET /listeners/"+listener, nil, http.StatusNotFound, "Listener "+listener+" not found.")
	c.refused("GET /loadbalancers/"+deleted, nil, http.StatusNotFound, "Load Balancer "+deleted+" not found.")
	c.s.View(func(r store.Reader) { c.consistent(r) })
}
