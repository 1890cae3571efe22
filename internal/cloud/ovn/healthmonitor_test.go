// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func TestMembersAreAskedForTheirHealthWhereTheyCanBe(t *testing.T) {
	port1, port2, source := aPort("port1", "a", "sub-a 10.0.0.11"), aPort("port2", "a", "sub-a 10.0.0.12"), aSource("a", "sub-a", "10.0.0.2")
	monitored := func(more ...any) []any { return web(append([]any{aMonitor("p"), port1, port2, source}, more...)...) }
	two := tcp + "  vip 10.0.0.100:80=10.0.0.11:8080,10.0.0.12:8080\n"
	ask1, ask2, check := "  ask 10.0.0.11=port1:10.0.0.2\n", "  ask 10.0.0.12=port2:10.0.0.2\n", "  check 10.0.0.100:80\n"
	closed := aSource("a", "sub-a", "10.0.0.2")
	closed.AdminStateUp = false
	provider := &model.Network{Meta: model.Meta{ID: "b"}, PhysicalNetwork: new(string)}
	six := func(lb *model.LoadBalancer) { lb.VIPAddress, lb.VIPSubnetID = "fd00::100", "six-a" }
	for _, c := range []struct {
		name string
		rows []any
		want string
	}{
		{"both", monitored(), two + ask1 + ask2 + onA + check},
		{"no monitor", web(port1, port2, source), two + onA},
		{"monitor disabled", monitored(aMonitor("p", down)), two + onA},
		{"monitor being deleted", monitored(aMonitor("p", provisioning[model.HealthMonitor]("PENDING_DELETE"))), two + onA},
		{"nowhere to ask from", web(aMonitor("p"), port1, port2), two + onA},
		{"a port to ask from that is down", monitored(closed), two + onA},
		{"no listener", monitored(aListener("l", "TCP", 80, "")), tcp + onA},
		{"one drained", monitored(aMember("m2", "p", "10.0.0.12", weight(0))), tcp + "  vip 10.0.0.100:80=10.0.0.11:8080\n" + ask1 + onA + check},
		{"all drained", monitored(aMember("m1", "p", "10.0.0.11", weight(0)), aMember("m2", "p", "10.0.0.12", weight(0))), tcp + "  vip 10.0.0.100:80=\n" + onA},
		{"floating IP", monitored(aFloatingIP("203.0.113.5", "vip", "10.0.0.100")), two + "  vip 203.0.113.5:80=10.0.0.11:8080,10.0.0.12:8080\n" + ask1 + ask2 + onA + check + "  check 203.0.113.5:80\n"},
		{"a port that is gone", monitored(aPort("port2", "a", "sub-a 10.0.0.99")), two + ask1 + onA + check},
		{
			"outside its subnet", monitored(aMember("m2", "p", "192.0.2.7")),
			tcp + "  vip 10.0.0.100:80=10.0.0.11:8080,192.0.2.7:8080\n" + ask1 + "  ask 192.0.2.7=ask-sub-a:10.0.0.2\n" + onA + check,
		},
		{
			"on a provider network, no port", monitored(provider, aMember("m2", "p", "10.0.1.7", in("sub-b"))),
			tcp + "  vip 10.0.0.100:80=10.0.0.11:8080,10.0.1.7:8080\n" + ask1 + "  ask 10.0.1.7=ask-sub-a:10.0.0.2\n" + onA + onB + check,
		},
		{
			"on a second subnet", monitored(aMember("m2", "p", "10.0.1.7", in("sub-b")), aPort("port2", "b", "sub-b 10.0.1.7"), aSource("b", "sub-b", "10.0.1.2")),
			tcp + "  vip 10.0.0.100:80=10.0.0.11:8080,10.0.1.7:8080\n" + ask1 + "  ask 10.0.1.7=port2:10.0.1.2\n" + onA + onB + check,
		},
		{
			"on a second subnet, nowhere to ask from", monitored(aMember("m2", "p", "10.0.1.7", in("sub-b")), aPort("port2", "b", "sub-b 10.0.1.7")),
			tcp + "  vip 10.0.0.100:80=10.0.0.11:8080,10.0.1.7:8080\n" + ask1 + "  ask 10.0.1.7=ask-sub-a:10.0.0.2\n" + onA + onB + check,
		},
		{
			"IPv6", monitored(aBalancer(six), aMember("m3", "p", "fd00::11", in("six-a")), aPort("port3", "a", "six-a fd00::11"), aSource("a", "six-a", "fd00::2")),
			tcp + "  vip [fd00::100]:80=[fd00::11]:8080\n  ask [fd00::11]=port3:[fd00::2]\n" + onA + "  check [fd00::100]:80\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			see(t, func(v view) {
				if diff := cmp.Diff(c.want, told(lbKind().rows(v, "lb"))); diff != "" {
					t.Error(diff)
				}
			}, append(ground(), c.rows...)...)
		})
	}
}

func TestAMemberIsAliveAsItsHealthCheckSays(t *testing.T) {
	disabled := aPort("port2", "a", "sub-a 10.0.0.12")
	disabled.AdminStateUp = false
	base := web(aMonitor("p"), aPort("port1", "a", "sub-a 10.0.0.11"), aPort("port2", "a", "sub-a 10.0.0.12"), aSource("a", "sub-a", "10.0.0.2"))
	first, second := asked{"port1", "10.0.0.11", "tcp", 8080}, asked{"port2", "10.0.0.12", "tcp", 8080}
	for _, c := range []struct {
		name  string
		more  []any
		found map[asked]string
		want  map[string]bool
	}{
		{"nothing known", nil, nil, map[string]bool{}},
		{"one of each", nil, map[asked]string{first: "online", second: "offline"}, map[string]bool{"m1": true, "m2": false}},
		{"an error", nil, map[asked]string{first: "error", second: ""}, map[string]bool{"m1": false}},
		{"another protocol", nil, map[asked]string{{"port1", "10.0.0.11", "udp", 8080}: "online"}, map[string]bool{}},
		{"no monitor", []any{aMonitor("p", down)}, map[asked]string{first: "online"}, map[string]bool{}},
		{"a port that is gone", []any{aPort("port2", "a", "sub-a 10.0.0.99")}, map[asked]string{first: "online", second: "online"}, map[string]bool{"m1": true, "m2": false}},
		{"a port that is down", []any{disabled}, map[asked]string{first: "online", second: "online"}, map[string]bool{"m1": true, "m2": false}},
		{"outside", []any{aMember("m2", "p", "192.0.2.7")}, map[asked]string{first: "online"}, map[string]bool{"m1": true}},
		{"drained", []any{aMember("m2", "p", "10.0.0.12", weight(0))}, map[asked]string{first: "online", second: "online"}, map[string]bool{"m1": true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			see(t, func(v view) {
				got := map[string]bool{}
				for m, online := range findBalancer(v, "lb").verdicts(c.found) {
					got[m.ID] = online
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Error(diff)
				}
			}, append(append(ground(), base...), c.more...)...)
		})
	}
}

// statuses remembers what was told of members last.
type statuses struct {
	mu      sync.Mutex
	members map[string]bool
}

func (*statuses) PortUp(string, bool) {}

func (s *statuses) MemberStatus(id string, online bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members[id] = online
}

func (s *statuses) wait(t *testing.T, want map[string]bool) {
	t.Helper()
	eventually(t, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !maps.Equal(s.members, want) {
			return fmt.Errorf("told: %v, want %v", s.members, want)
		}
		return nil
	})
}

func TestWhatOVNSaysOfMembersIsTold(t *testing.T) {
	c := startCentral(t)
	tables, told := model.New(), &statuses{members: map[string]bool{}}
	b := c.backend(tables, told)
	settled(t, b)
	commit(t, tables, b, func(tx *store.Tx) {
		for _, row := range append(ground(), web(aMonitor("p"), aPort("port1", "a", "sub-a 10.0.0.11"), aPort("port2", "a", "sub-a 10.0.0.12"), aSource("a", "sub-a", "10.0.0.2"))...) {
			put(tables, tx, row)
		}
	})
	told.wait(t, map[string]bool{})
	for i, status := range []string{"online", "offline"} {
		c.sbctl("create", "Service_Monitor", fmt.Sprintf("ip=10.0.0.1%d", i+1), fmt.Sprintf("logical_port=port%d", i+1), "protocol=tcp", "port=8080", "status="+status)
	}
	told.wait(t, map[string]bool{"m1": true, "m2": false})

	// Another pool's members are told of when OVN knows them already.
	commit(t, tables, b, func(tx *store.Tx) {
		for _, row := range []any{aListener("l9", "TCP", 90, "p9"), aPool("p9", "TCP"), aMonitor("p9"), aMember("m9", "p9", "10.0.0.12")} {
			put(tables, tx, row)
		}
	})
	told.wait(t, map[string]bool{"m1": true, "m2": false, "m9": false})

	// One whose port goes is dead, whatever was last said of it.
	commit(t, tables, b, func(tx *store.Tx) { tables.Ports.Delete(tx, "port1") })
	told.wait(t, map[string]bool{"m1": false, "m2": false, "m9": false})

	// What is told again is what has changed while nobody listened.
	c.kill("sb")
	eventually(t, func() error {
		if b.Healthy() == nil {
			return errors.New("the loss was not seen")
		}
		return nil
	})
	c.startDB("sb")
	c.sbctl("set", "Service_Monitor", c.sbctl("--bare", "--columns=_uuid", "find", "Service_Monitor", "logical_port=port2"), "status=online")
	told.wait(t, map[string]bool{"m1": false, "m2": true, "m9": true})
}
