// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// ovn stands for OVN: it has the hypervisors, and notes what it was made wait for.
type ovn struct {
	mu      sync.Mutex
	settled []uint64
}

func (o *ovn) Settle(_ context.Context, seq uint64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.settled = append(o.settled, seq)
	return nil
}

func (*ovn) RemoveChassis(context.Context, string) error { return nil }

func (*ovn) Chassis() []model.Chassis {
	return []model.Chassis{{Name: "node1", Hostname: "node1", EncapIPs: []string{"192.0.2.1"}, Alive: true, BridgeMappings: map[string]string{"physnet1": "br-ex"}, AvailabilityZones: []string{"az1"}, Seen: time.Now()}}
}

// withOVN gives a site the backend.
func withOVN(o *ovn) func(*network.Options) {
	return func(options *network.Options) { options.Backend = o }
}

// await returns when the tables hold something.
func (s *site) await(what string, holds func(store.Reader) bool) {
	s.Helper()
	changed := make(chan struct{}, 1)
	s.Subscribe(func(store.Commit) {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	giveUp := time.After(30 * time.Second)
	for {
		ok := false
		s.View(func(r store.Reader) { ok = holds(r) })
		if ok {
			return
		}
		select {
		case <-changed:
		case <-giveUp:
			s.Fatalf("still not: %s", what)
		}
	}
}

// trunked is a trunk with a parent and two subports.
func (s *site) trunked() (trunk, parent string, subs [2]string) {
	n := s.make("member", "/networks", `{"network":{}}`)
	port := func() string { return s.make("member", "/ports", `{"port":{"network_id":"`+n+`"}}`) }
	parent, subs = port(), [2]string{port(), port()}
	trunk = s.make("member", "/trunks", fmt.Sprintf(
		`{"trunk":{"port_id":"%s","sub_ports":[{"port_id":"%s","segmentation_type":"vlan","segmentation_id":101},{"port_id":"%s","segmentation_type":"vlan","segmentation_id":102}]}}`,
		parent, subs[0], subs[1]))
	return trunk, parent, subs
}

func (s *site) statuses(r store.Reader, ports ...string) (all []string) {
	for _, id := range ports {
		all = append(all, s.Ports.Get(r, id).Status)
	}
	return all
}

func TestSubportsAreUpWithTheirParent(t *testing.T) {
	s := newSite(t, nil)
	_, parent, subs := s.trunked()
	for _, x := range []struct{ host, status string }{{"node1", "ACTIVE"}, {"", "DOWN"}, {"node1", "ACTIVE"}} {
		s.ask("admin", http.MethodPut, "/ports/"+parent, `{"port":{"binding:host_id":"`+x.host+`"}}`)
		s.await("parent and subports "+x.status, func(r store.Reader) bool {
			for _, status := range s.statuses(r, parent, subs[0], subs[1]) {
				if status != x.status {
					return false
				}
			}
			return true
		})
	}
}

func TestWithOVNASubportIsUpWhenOVNSaysSo(t *testing.T) {
	s := newSite(t, withOVN(&ovn{}))
	_, parent, subs := s.trunked()
	s.ask("admin", http.MethodPut, "/ports/"+parent, `{"port":{"binding:host_id":"node1"}}`)
	s.PortUp(parent, true)
	s.await("the parent is up", func(r store.Reader) bool { return s.statuses(r, parent)[0] == "ACTIVE" })
	s.View(func(r store.Reader) {
		if got := s.statuses(r, subs[:]...); got[0] != "DOWN" || got[1] != "DOWN" {
			t.Errorf("subports are %v before OVN has them", got)
		}
	})
	// A subport is up without a host of its own: its parent's is where it is.
	s.PortUp(subs[0], true)
	s.await("the subport is up", func(r store.Reader) bool { return s.statuses(r, subs[0])[0] == "ACTIVE" })
}

func TestASubportThatLeavesItsTrunkIsDown(t *testing.T) {
	s := newSite(t, withOVN(&ovn{}))
	trunk, parent, subs := s.trunked()
	s.ask("admin", http.MethodPut, "/ports/"+parent, `{"port":{"binding:host_id":"node1"}}`)
	s.PortUp(parent, true)
	s.PortUp(subs[0], true)
	s.await("the subport is up", func(r store.Reader) bool { return s.statuses(r, subs[0])[0] == "ACTIVE" })
	s.ask("member", http.MethodPut, "/trunks/"+trunk+"/remove_subports", `{"sub_ports":[{"port_id":"`+subs[0]+`"}]}`)
	s.View(func(r store.Reader) {
		p := s.Ports.Get(r, subs[0])
		if p.Status != "DOWN" || p.VIFType != "unbound" || p.DeviceOwner != "" || len(p.Profile) != 0 {
			t.Errorf("it is %+v", p)
		}
	})
}

func TestATrunkIsDownWithoutAHost(t *testing.T) {
	s := newSite(t, withOVN(&ovn{}))
	trunk, parent, _ := s.trunked()
	for _, x := range []struct{ host, status string }{{"node1", "ACTIVE"}, {"", "DOWN"}} {
		s.ask("admin", http.MethodPut, "/ports/"+parent, `{"port":{"binding:host_id":"`+x.host+`"}}`)
		got := s.ask("member", http.MethodGet, "/trunks/"+trunk, "")["trunk"].(map[string]any)["status"]
		if got != x.status {
			t.Errorf("on host %q the trunk is %v, not %s", x.host, got, x.status)
		}
	}
}

// TestEveryChangeWaitsForOVN: what a request changed is in effect when it is answered.
func TestEveryChangeWaitsForOVN(t *testing.T) {
	o := &ovn{}
	s := newSite(t, withOVN(o))
	n := s.make("member", "/networks", `{"network":{}}`)
	subnet := s.make("member", "/subnets", `{"subnet":{"network_id":"`+n+`","ip_version":4,"cidr":"10.0.0.0/24"}}`)
	router := s.make("member", "/routers", `{"router":{"external_gateway_info":{"network_id":"`+s.external+`"}}}`)
	group := s.make("member", "/address-groups", `{"address_group":{"addresses":[]}}`)
	policy := s.make("admin", "/qos/policies", `{"policy":{}}`)
	trunk, _, subs := s.trunked()
	for _, x := range []struct{ method, path, body string }{
		{"PUT", "/routers/" + router + "/add_router_interface", `{"subnet_id":"` + subnet + `"}`},
		{"PUT", "/routers/" + router + "/add_extraroutes", `{"router":{"routes":[{"destination":"10.9.0.0/24","nexthop":"10.0.0.9"}]}}`},
		{"PUT", "/routers/" + router + "/remove_extraroutes", `{"router":{"routes":[{"destination":"10.9.0.0/24","nexthop":"10.0.0.9"}]}}`},
		{"PUT", "/routers/" + router + "/remove_router_interface", `{"subnet_id":"` + subnet + `"}`},
		{"PUT", "/address-groups/" + group + "/add_addresses", `{"addresses":["10.0.0.0/8"]}`},
		{"POST", "/qos/policies/" + policy + "/bandwidth_limit_rules", `{"bandwidth_limit_rule":{"max_kbps":10}}`},
		{"PUT", "/trunks/" + trunk + "/remove_subports", `{"sub_ports":[{"port_id":"` + subs[0] + `"}]}`},
	} {
		s.ask("admin", x.method, x.path, x.body)
		o.mu.Lock()
		last := o.settled[len(o.settled)-1]
		o.mu.Unlock()
		if seq := s.Seq(); last != seq {
			t.Errorf("%s %s made commit %d and waited for %d", x.method, x.path, seq, last)
		}
	}
}
