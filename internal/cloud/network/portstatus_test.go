// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// hosts are the hypervisors of a site, which come and go.
type hosts struct {
	mu      sync.Mutex
	all     []model.Chassis
	removed []string
}

func (h *hosts) Settle(context.Context, uint64) error { return nil }

func (h *hosts) Chassis() []model.Chassis {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all
}

func (h *hosts) RemoveChassis(_ context.Context, name string) error {
	h.removed = append(h.removed, name)
	return nil
}

func (h *hosts) set(all ...model.Chassis) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = all
}

func host(name string) model.Chassis {
	return model.Chassis{Name: name, Hostname: name, EncapIPs: []string{"192.0.2.1"}, Alive: true, BridgeMappings: map[string]string{"physnet1": "br-ex"}, Seen: time.Now()}
}

func withHosts(h *hosts) func(*network.Options) {
	return func(o *network.Options) { o.Backend = h }
}

// port makes a port on a network of its own.
func (s *site) port(who, more string) string {
	s.Helper()
	n := s.make(who, "/networks", `{"network":{}}`)
	return s.make(who, "/ports", `{"port":{"network_id":"`+n+`"`+more+`}}`)
}

func (s *site) column(collection, id, name string) any {
	s.Helper()
	for _, row := range s.ask("admin", http.MethodGet, "/"+collection+"/"+id, "") {
		return row.(map[string]any)[name]
	}
	return nil
}

func (s *site) want(id, column string, want any) {
	s.Helper()
	if got := s.column("ports", id, column); got != want {
		s.Errorf("%s is %v, want %v", column, got, want)
	}
}

func TestABoundPortIsActiveAfterTheDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, func(o *network.Options) { o.ActiveDelay = func() time.Duration { return 3 * time.Second } })
		id := s.port("admin", `,"binding:host_id":"node1"`)
		time.Sleep(2999 * time.Millisecond)
		s.want(id, "status", "DOWN")
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		s.want(id, "status", "ACTIVE")
		s.want(id, "binding:vif_type", "ovs")
	})
}

func TestAPortThatLeavesItsHostIsDownAndStaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, func(o *network.Options) { o.ActiveDelay = func() time.Duration { return time.Second } })
		id := s.port("admin", `,"binding:host_id":"node1"`)
		s.ask("admin", http.MethodPut, "/ports/"+id, `{"port":{"binding:host_id":""}}`)
		time.Sleep(time.Minute)
		s.want(id, "status", "DOWN")
		s.want(id, "binding:vif_type", "unbound")
		s.want(id, "binding:host_id", "")
	})
}

func TestWhatAnEarlierProcessBeganIsCarriedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := func(o *network.Options) { o.ActiveDelay = func() time.Duration { return time.Hour } }
		s := newSite(t, never)
		bound := s.port("admin", `,"binding:host_id":"node1"`)
		unbound := s.port("admin", "")
		synctest.Wait()
		s.Close()
		time.Sleep(2 * time.Hour)
		s.want(bound, "status", "DOWN")

		var o network.Options
		o.Authenticator = callers{"admin": {ProjectID: adminProject, Roles: []string{"admin"}}}
		o.GeneveRange, o.Now = "1:2000", time.Now
		again, err := network.New(s.Tables, o)
		if err != nil {
			t.Fatal(err)
		}
		s.Service = again
		defer again.Close()
		time.Sleep(time.Second)
		s.want(bound, "status", "ACTIVE")
		s.want(unbound, "status", "DOWN")
	})
}

func TestOVNSaysWhetherAPortIsUp(t *testing.T) {
	h := &hosts{}
	h.set(host("node1"))
	s := newSite(t, withHosts(h))
	id := s.port("admin", `,"binding:host_id":"node1"`)
	s.want(id, "status", "DOWN")
	s.PortUp(id, true)
	s.want(id, "status", "ACTIVE")
	s.PortUp(id, false)
	s.want(id, "status", "DOWN")

	// What is not bound is not up, whatever OVN says; what is gone is no matter.
	unbound := s.port("admin", "")
	s.PortUp(unbound, true)
	s.want(unbound, "status", "DOWN")
	s.ask("admin", http.MethodDelete, "/ports/"+id, "")
	s.PortUp(id, true)
	s.PortUp("none", false)
}

func TestABindingFailsWithoutItsHost(t *testing.T) {
	h := &hosts{}
	s := newSite(t, withHosts(h))
	id := s.port("admin", `,"binding:host_id":"node1"`)
	s.want(id, "binding:vif_type", "binding_failed")

	// A host that is there now has it with the next change of the port.
	h.set(host("node1"))
	s.ask("admin", http.MethodPut, "/ports/"+id, `{"port":{"name":"again"}}`)
	s.want(id, "binding:vif_type", "ovs")

	dead := host("node1")
	dead.Alive = false
	h.set(dead)
	s.ask("admin", http.MethodPut, "/ports/"+id, `{"port":{"name":"more"}}`)
	s.want(id, "binding:vif_type", "ovs")
	if again := s.port("admin", `,"binding:host_id":"node1"`); s.column("ports", again, "binding:vif_type") != "binding_failed" {
		t.Error("a port is bound on a dead host")
	}

	// A host without the physical network has no port of it.
	plain := host("node2")
	plain.BridgeMappings = nil
	h.set(plain)
	other := s.make("admin", "/ports", `{"port":{"network_id":"`+s.external+`","binding:host_id":"node2"}}`)
	s.want(other, "binding:vif_type", "binding_failed")
}

func TestAKindOfPortThatOVNDoesNotBind(t *testing.T) {
	s := newSite(t, nil)
	for kind, want := range map[string]string{
		"normal": "ovs", "direct": "binding_failed", "macvtap": "binding_failed", "baremetal": "binding_failed",
		"remote-managed": "ovs", "vdpa": "ovs", "accelerator-direct": "binding_failed", "smart-nic": "binding_failed",
	} {
		id := s.port("admin", `,"binding:host_id":"node1","binding:vnic_type":"`+kind+`"`)
		s.want(id, "binding:vnic_type", kind)
		s.want(id, "binding:vif_type", want)
	}
	able := s.port("admin", `,"binding:host_id":"node1","binding:vnic_type":"direct","binding:profile":{"capabilities":["switchdev"]}`)
	s.want(able, "binding:vif_type", "ovs")
}

// TestBoundPortsAnswerAsNeutronsDid replays what Neutron answered with hypervisors node1 and node2.
func TestBoundPortsAnswerAsNeutronsDid(t *testing.T) {
	h := &hosts{}
	h.set(host("node1"), host("node2"))
	files, err := filepath.Glob("testdata/hosts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			play(newSite(t, withHosts(h)), string(text))
		})
	}
}

func TestHypervisorsAreAgents(t *testing.T) {
	h := &hosts{}
	s := newSite(t, withHosts(h))
	gateway := host("node1")
	gateway.AvailabilityZones, gateway.Options = []string{"az1"}, []string{"enable-chassis-as-gw"}
	dead := host("node2")
	dead.Alive, dead.BridgeMappings = false, nil
	h.set(gateway, dead)
	all := s.ask("admin", http.MethodGet, "/agents", "")["agents"].([]any)
	if len(all) != 2 {
		t.Fatalf("%v", all)
	}
	for i, want := range []map[string]any{
		{"host": "node1", "alive": true, "binary": "ovn-controller", "availability_zone": "az1"},
		{"host": "node2", "alive": false, "binary": "ovn-controller"},
	} {
		for key, value := range want {
			if got := all[i].(map[string]any)[key]; got != value {
				t.Errorf("%s of %s is %v", key, want["host"], got)
			}
		}
	}
	if some := s.ask("admin", http.MethodGet, "/agents?host=node2", "")["agents"].([]any); len(some) != 1 {
		t.Errorf("%v", some)
	}
	if none := s.ask("member", http.MethodGet, "/agents", "")["agents"].([]any); len(none) != 0 {
		t.Errorf("a member sees %v", none)
	}
}

// active holds when a port is.
func (s *site) active(id string) func(store.Reader) bool {
	return func(r store.Reader) bool { return s.Ports.Get(r, id).Status == "ACTIVE" }
}

func TestAnAgentGoesWithItsHypervisor(t *testing.T) {
	h := &hosts{}
	h.set(host("node1"))
	s := newSite(t, withHosts(h))
	s.ask("admin", http.MethodGet, "/agents/node1", "")
	s.refuse("member", http.MethodGet, "/agents/node1", "", 404, "HTTPNotFound", "The resource could not be found.")
	s.refuse("admin", http.MethodGet, "/agents/node2", "", 404, "AgentNotFound", "Agent node2 could not be found.")
	s.refuse("admin", http.MethodPut, "/agents/node1", `{"agent":{"admin_state_up":false}}`, 400, "BadRequest", "Bad agent request: OVN agent status cannot be updated.")
	s.ask("admin", http.MethodDelete, "/agents/node1", "")
	s.refuse("admin", http.MethodDelete, "/agents/node2", "", 404, "AgentNotFound", "Agent node2 could not be found.")
	if fmt.Sprint(h.removed) != "[node1]" {
		t.Errorf("removed: %v", h.removed)
	}
}
