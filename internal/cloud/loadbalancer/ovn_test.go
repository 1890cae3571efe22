// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"net/http"
	"testing"
)

// cans are the versions of the provider ovn.
var cans = map[string]OVNProvider{"3.0.0": {}, "latest": LatestOVNProvider()}

// TestTheProviderOVNRefusesWhatItsVersionDoes has for each request what either
// version answers; "" is that it accepts.
func TestTheProviderOVNRefusesWhatItsVersionDoes(t *testing.T) {
	const cannot = "Provider 'ovn' does not support a requested option: "
	pool := func(attrs ref) ref {
		p := ref{"protocol": "TCP", "lb_algorithm": "SOURCE_IP_PORT"}
		for name, v := range attrs {
			p[name] = v
		}
		return ref{"vip_subnet_id": subnet4, "pools": []any{p}}
	}
	member := func(attrs ref) ref {
		m := ref{"address": "10.77.0.30", "protocol_port": 80}
		for name, v := range attrs {
			m[name] = v
		}
		return pool(ref{"members": []any{m}})
	}
	listener := func(attrs ref) ref {
		l := ref{"protocol": "TCP", "protocol_port": 80}
		for name, v := range attrs {
			l[name] = v
		}
		return ref{"vip_subnet_id": subnet4, "listeners": []any{l}}
	}
	for _, x := range []struct {
		body        ref
		old, latest string
	}{
		{pool(nil), "", ""},
		{pool(ref{"protocol": "SCTP"}), "", ""},
		{pool(ref{"protocol": "HTTP"}), cannot + "OVN provider does not support HTTP protocol", cannot + "OVN provider does not support HTTP protocol"},
		{pool(ref{"lb_algorithm": "SOURCE_IP"}), cannot + "OVN provider does not support SOURCE_IP algorithm", ""},
		{pool(ref{"lb_algorithm": "ROUND_ROBIN"}), cannot + "OVN provider does not support ROUND_ROBIN algorithm", cannot + "OVN provider does not support ROUND_ROBIN algorithm"},
		{pool(ref{"session_persistence": ref{"type": "SOURCE_IP"}}), "", ""},
		{pool(ref{"session_persistence": ref{"type": "HTTP_COOKIE"}}), "", cannot + "OVN provider does not support HTTP_COOKIE session persistence. Only SOURCE_IP type is supported."},
		{
			pool(ref{"healthmonitor": ref{"type": "PING", "delay": 5, "timeout": 3, "max_retries": 2}}),
			cannot + "OVN provider does not support PING health monitor type. Supported types: UDP-CONNECT, TCP", cannot + "OVN provider does not support PING health monitor type. Supported types: UDP-CONNECT, TCP",
		},
		{listener(ref{"allowed_cidrs": []any{"10.0.0.0/8"}}), cannot + "OVN provider does not support allowed_cidrs option", cannot + "OVN provider does not support allowed_cidrs option"},
		{listener(ref{"protocol": "HTTP"}), cannot + "OVN provider does not support HTTP protocol", cannot + "OVN provider does not support HTTP protocol"},
		{
			listener(ref{"l7policies": []any{ref{"action": "REJECT"}}}),
			"Provider 'ovn' does not support a requested action: This provider does not support creating l7policies.", "Provider 'ovn' does not support a requested action: This provider does not support creating l7policies.",
		},
		{member(ref{"monitor_port": 81}), cannot + "OVN Load Balancer does not support different member monitor address or port.", cannot + "OVN Load Balancer does not support different member monitor address or port."},
		{member(ref{"address": "fd77::30"}), cannot + "OVN provider does not support mixing IPv4/IPv6 configuration within the same Load Balancer.", cannot + "OVN provider does not support mixing IPv4/IPv6 configuration within the same Load Balancer."},
		{member(ref{"address": "192.0.2.1"}), "", ""},
	} {
		for version, can := range cans {
			o := quick()
			o.OVNProvider = can
			c, want := start(t, o), x.old
			if version == "latest" {
				want = x.latest
			}
			a := c.send("member", "POST /v2.0/lbaas/loadbalancers", ref{"loadbalancer": x.body})
			if a.fault != want || (want == "") != (a.status == http.StatusCreated) {
				t.Errorf("%s: %v:\n got %d %q\nwant %q", version, x.body, a.status, a.fault, want)
			}
			if want == "" {
				c.settled(a.text("loadbalancer.id"))
			}
		}
	}
}

func TestAMemberElsewhereNeedsItsSubnet(t *testing.T) {
	c := start(t, quick())
	lb, _, pool, member := small(c, nil)
	elsewhere := ref{"address": "10.78.0.30", "protocol_port": 80}
	c.refused("POST /pools/"+pool+"/members", ref{"member": elsewhere}, http.StatusNotImplemented,
		"Provider 'ovn' does not support a requested option: Subnet is required, or Loadbalancer associated with Pool must have a subnet, "+
			"for Member creation with OVN Provider Driver if it is not the same as LB VIP subnet")
	c.refused("PUT /pools/"+pool+"/members", ref{"members": []any{elsewhere}}, http.StatusNotImplemented,
		"Provider 'ovn' does not support a requested option: Subnet is required, or Loadbalancer associated with Pool must have a subnet, "+
			"for Member batch update with OVN Provider Driver if it is not the same as LB VIP subnet")
	elsewhere["subnet_id"] = subnet4b
	far := c.make(lb, "/pools/"+pool+"/members", "member", elsewhere)
	c.do(lb, "PUT /pools/"+pool+"/members/"+far, ref{"member": ref{"weight": 3}})
	c.refused("PUT /pools/"+pool+"/members/"+member, ref{"member": ref{"weight": 3}}, http.StatusInternalServerError, stumble)

	o := quick()
	o.OVNProvider = LatestOVNProvider()
	c = start(t, o)
	lb, _, pool, member = small(c, nil)
	if got := c.do(lb, "PUT /pools/"+pool+"/members/"+member, ref{"member": ref{"weight": 3}}).at("member.weight"); got != 3.0 {
		t.Errorf("its weight is %v", got)
	}
}

// TestAMemberOfAnotherFamilyNeedsAVIPOfEach holds where additional VIPs do.
func TestAMemberOfAnotherFamilyNeedsAVIPOfEach(t *testing.T) {
	o := quick()
	o.OVNProvider = LatestOVNProvider()
	c := start(t, o)
	lb := c.make("", "/loadbalancers", "loadbalancer", ref{"vip_subnet_id": subnet4, "additional_vips": []any{ref{"subnet_id": subnet6}}})
	pool := c.make(lb, "/pools", "pool", ref{"loadbalancer_id": lb, "protocol": "TCP", "lb_algorithm": "SOURCE_IP_PORT"})
	c.make(lb, "/pools/"+pool+"/members", "member", ref{"address": "fd77::30", "protocol_port": 80, "subnet_id": subnet6})
}

func TestAmphoraeAcceptWhatOVNDoesNot(t *testing.T) {
	c := start(t, quick())
	lb := c.make("", "/loadbalancers", "loadbalancer", ref{"vip_subnet_id": subnet4, "provider": "amphora"})
	for _, l := range []ref{
		{"protocol": "HTTP", "protocol_port": 80, "insert_headers": ref{"X-Forwarded-For": "true"}},
		{"protocol": "HTTPS", "protocol_port": 443, "allowed_cidrs": []any{"10.0.0.1/8", "10.0.0.0/8"}},
		{"protocol": "PROMETHEUS", "protocol_port": 9090},
	} {
		l["loadbalancer_id"] = lb
		id := c.make(lb, "/listeners", "listener", l)
		if l["protocol"] == "HTTPS" {
			if got := c.get("/listeners/" + id).at("listener.allowed_cidrs.1"); got != nil {
				t.Errorf("a CIDR is there twice: %v", got)
			}
		}
	}
	c.refused("POST /pools", ref{"pool": ref{"loadbalancer_id": lb, "protocol": "TCP", "lb_algorithm": "SOURCE_IP_PORT"}}, http.StatusNotImplemented,
		"Provider 'amphora' does not support a requested option: Amphora provider does not support SOURCE_IP_PORT algorithm.")
	udp := c.make(lb, "/listeners", "listener", ref{"loadbalancer_id": lb, "protocol": "UDP", "protocol_port": 53})
	pool := c.make(lb, "/pools", "pool", ref{"listener_id": udp, "protocol": "UDP", "lb_algorithm": "SOURCE_IP"})
	c.refused("POST /pools/"+pool+"/members", ref{"member": ref{"address": "fd77::30", "protocol_port": 53}}, http.StatusNotImplemented,
		"Provider 'amphora' does not support a requested option: This provider doesn't support mixing IPv4 and IPv6 addresses for its VIP and members in UDP load balancers.")
	c.make(lb, "/pools/"+pool+"/members", "member", ref{"address": "192.0.2.1", "protocol_port": 53, "monitor_port": 54, "backup": true})
	if a := c.admin("PUT "+api2+"/loadbalancers/"+lb+"/failover", nil, http.StatusAccepted, ""); a.body != nil {
		t.Errorf("a failover answers %v", a.body)
	}
	c.settled(lb)
}
