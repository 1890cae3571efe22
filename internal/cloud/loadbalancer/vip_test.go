// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// port gives the port of a load balancer's VIP.
func (c *octavia) port(lb string) (port model.Port) {
	c.t.Helper()
	c.s.View(func(r store.Reader) {
		if p := c.s.Ports.Get(r, c.s.LoadBalancers.Get(r, lb).VIPPortID); p != nil {
			port = *p
		}
	})
	return port
}

func (c *octavia) portCount() (n int) {
	c.s.View(func(r store.Reader) { n = c.s.Ports.Len(r) })
	return n
}

func TestTheVIPsPortIsAsEachProviderMakesIt(t *testing.T) {
	c := start(t, quick())
	must(c.s.Update(func(tx *store.Tx) error {
		g := &model.SecurityGroup{IsDefault: true}
		g.ID, g.ProjectID = "default", demo
		c.s.SecurityGroups.Put(tx, g)
		return nil
	}))
	for provider, want := range map[string]func(lb string) model.Port{
		providerOVN: func(lb string) model.Port { return model.Port{Name: "ovn-lb-vip-" + lb, AdminStateUp: true} },
		providerAmphora: func(lb string) model.Port {
			return model.Port{Name: "octavia-lb-" + lb, DeviceID: "lb-" + lb, DeviceOwner: "Octavia"}
		},
	} {
		lb := c.make("", "/loadbalancers", "loadbalancer", ref{"vip_subnet_id": subnet4, "provider": provider})
		p, w := c.port(lb), want(lb)
		w.NetworkID, w.ProjectID, w.PortSecurityEnabled = network, demo, true
		w.SecurityGroups = []string{"default"}
		w.FixedIPs = []model.FixedIP{{SubnetID: subnet4, IPAddress: c.get("/loadbalancers/" + lb).text("loadbalancer.vip_address")}}
		if diff := cmp.Diff(w, p, cmpopts.IgnoreFields(model.Port{}, "ID")); diff != "" {
			t.Errorf("%s: %s", provider, diff)
		}
		c.do(lb, "DELETE /loadbalancers/"+lb, nil)
		if n := c.portCount(); n != 2 {
			t.Errorf("%s: the port is still there", provider)
		}
	}
}

func TestALoadBalancerThatIsRefusedLeavesNoPort(t *testing.T) {
	c := start(t, quick())
	c.refused("POST /loadbalancers", ref{"loadbalancer": ref{"vip_subnet_id": subnet4, "pools": []any{
		ref{"name": "p", "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"},
	}}}, http.StatusNotImplemented, "Provider 'ovn' does not support a requested option: OVN provider does not support ROUND_ROBIN algorithm")
	if n := c.portCount(); n != 2 {
		t.Errorf("there are %d ports", n)
	}
	c.s.View(func(r store.Reader) {
		if n := c.s.LoadBalancers.Len(r) + c.s.LBPools.Len(r); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}

func TestAVIPIsWhereItIsAskedToBe(t *testing.T) {
	for name, x := range map[string]struct{ ask, want ref }{
		"subnet":                     {ref{"vip_subnet_id": subnet4b}, ref{"vip_subnet_id": subnet4b, "vip_address": "10.78.0.2"}},
		"subnet and address":         {ref{"vip_subnet_id": subnet4, "vip_address": "10.77.0.9"}, ref{"vip_subnet_id": subnet4, "vip_address": "10.77.0.9"}},
		"network":                    {ref{"vip_network_id": network}, ref{"vip_subnet_id": subnet4, "vip_address": "10.77.0.2"}},
		"network and address":        {ref{"vip_network_id": network, "vip_address": "fd77::9"}, ref{"vip_subnet_id": subnet6, "vip_address": "fd77::9"}},
		"network and subnet":         {ref{"vip_network_id": network, "vip_subnet_id": subnet6}, ref{"vip_subnet_id": subnet6, "vip_address": "fd77::2"}},
		"port":                       {ref{"vip_port_id": freePort}, ref{"vip_subnet_id": subnet4, "vip_address": "10.77.0.50", "vip_port_id": freePort}},
		"port and subnet":            {ref{"vip_port_id": freePort, "vip_subnet_id": subnet4}, ref{"vip_address": "10.77.0.50"}},
		"port and one of its addrs.": {ref{"vip_port_id": freePort, "vip_address": "10.77.0.50"}, ref{"vip_subnet_id": subnet4}},
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t, quick())
			x.ask["provider"] = "amphora"
			a := c.get("/loadbalancers/" + c.make("", "/loadbalancers", "loadbalancer", x.ask))
			x.want["vip_network_id"] = network
			for attr, want := range x.want {
				if got := a.at("loadbalancer." + attr); got != want {
					t.Errorf("%s is %v, want %v", attr, got, want)
				}
			}
		})
	}
}

func TestAPortThatTheUserBroughtStays(t *testing.T) {
	o := quick()
	o.OVNProvider = LatestOVNProvider()
	c := start(t, o)
	for _, provider := range []string{providerOVN, providerAmphora} {
		lb := c.make("", "/loadbalancers", "loadbalancer", ref{"vip_port_id": freePort, "provider": provider})
		c.do(lb, "DELETE /loadbalancers/"+lb, nil)
		if n := c.portCount(); n != 2 {
			t.Errorf("%s: there are %d ports", provider, n)
		}
	}
}

func TestAdditionalVIPsAreOnPortsAsTheProviderHasThem(t *testing.T) {
	ask := ref{"vip_subnet_id": subnet4, "additional_vips": []any{ref{"subnet_id": subnet6, "ip_address": "fd77::7"}, ref{"subnet_id": subnet4b}}}
	for name, x := range map[string]struct {
		provider string
		can      OVNProvider
		ports    int
		want     []any
	}{
		"ovn 3.0.0":  {providerOVN, OVNProvider{}, 1, []any{"fd77::7", nil}},
		"ovn latest": {providerOVN, LatestOVNProvider(), 3, []any{"fd77::7", "10.78.0.2"}},
		"amphora":    {providerAmphora, OVNProvider{}, 1, []any{"fd77::7", "10.78.0.2"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := quick()
			o.OVNProvider = x.can
			c := start(t, o)
			ask["provider"] = x.provider
			lb := c.make("", "/loadbalancers", "loadbalancer", ask)
			if n := c.portCount() - 2; n != x.ports {
				t.Errorf("there are %d ports", n)
			}
			a := c.get("/loadbalancers/" + lb)
			got := []any{a.at("loadbalancer.additional_vips.0.ip_address"), a.at("loadbalancer.additional_vips.1.ip_address")}
			if diff := cmp.Diff(x.want, got); diff != "" {
				t.Error(diff)
			}
			c.do(lb, "DELETE /loadbalancers/"+lb, nil)
			if n := c.portCount(); n != 2 {
				t.Errorf("%d ports are left", n)
			}
		})
	}
}

func TestWhoDoesNotSeeANetworkCannotHaveAVIPOnIt(t *testing.T) {
	c := start(t, quick())
	c.refused("POST /loadbalancers", ref{"loadbalancer": ref{"vip_network_id": foreign}}, http.StatusBadRequest, "Network "+foreign+" not found.")
	a := c.send("member@stranger", "POST /v2.0/lbaas/loadbalancers", ref{"loadbalancer": ref{"vip_subnet_id": subnet4}})
	if want := "Subnet " + subnet4 + " not found."; a.status != http.StatusBadRequest || a.fault != want {
		t.Errorf("%d %s", a.status, a.fault)
	}
	a = c.send("member@stranger", "POST /v2.0/lbaas/loadbalancers", ref{"loadbalancer": ref{"vip_port_id": freePort}})
	if want := "Port " + freePort + " not found."; a.status != http.StatusBadRequest || a.fault != want {
		t.Errorf("%d %s", a.status, a.fault)
	}
	must(c.s.Update(func(tx *store.Tx) error {
		p := &model.RBACPolicy{ObjectType: "network", ObjectID: network, TargetTenant: "stranger", Action: "access_as_shared"}
		p.ID = "p"
		c.s.RBACPolicies.Put(tx, p)
		return nil
	}))
	if a = c.send("member@stranger", "POST /v2.0/lbaas/loadbalancers", ref{"loadbalancer": ref{"vip_subnet_id": subnet4}}); a.status != http.StatusCreated {
		t.Errorf("on a shared network: %d %s", a.status, a.fault)
	}
	c.settled(a.text("loadbalancer.id"))
}
