// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// plainPorts makes ports without looking for addresses. Subnet "full" has none.
type plainPorts struct{ tables *model.Tables }

func (a plainPorts) AllocatePort(tx *store.Tx, p model.Port) (*model.Port, error) {
	if p.FixedIPs[0].SubnetID == "full" {
		return nil, errors.New("no more addresses")
	}
	p.ID = "port of " + p.Name
	a.tables.Ports.Put(tx, &p)
	return &p, nil
}

func (a plainPorts) ReleasePort(tx *store.Tx, id string) { a.tables.Ports.Delete(tx, id) }

// monitoring is a service with a load balancer whose two pools have members on
// its VIP's subnet and on another one.
func monitoring(t *testing.T) *Service {
	t.Helper()
	tables := model.New()
	s, err := New(tables, Options{Ports: plainPorts{tables}})
	if err != nil {
		t.Fatal(err)
	}
	update(t, s, func(tx *store.Tx) {
		for _, id := range []string{"near", "far", "full"} {
			tables.Subnets.Put(tx, &model.Subnet{Meta: model.Meta{ID: id}, NetworkID: "net"})
		}
		tables.LoadBalancers.Put(tx, &lbRow{LBMeta: model.LBMeta{ID: "lb", ProvisioningStatus: active}, Provider: providerOVN, VIPSubnetID: "near", VIPNetworkID: "net"})
		for _, p := range []string{"p1", "p2"} {
			tables.LBPools.Put(tx, &poolRow{LBMeta: model.LBMeta{ID: p, ProvisioningStatus: active}, LoadBalancerID: "lb"})
		}
		putMonitored(s, tx, "m1", "p1", "", "10.0.0.1")
		putMonitored(s, tx, "m2", "p1", "far", "10.0.1.1")
		putMonitored(s, tx, "m3", "p2", "", "10.0.0.1")
	})
	return s
}

// putMonitored puts a member and the port that has its address.
func putMonitored(s *Service, tx *store.Tx, id, pool, subnet, address string) *memberRow {
	m := &memberRow{LBMeta: model.LBMeta{ID: id, AdminStateUp: true, ProvisioningStatus: active}, PoolID: pool, Address: address}
	on := "near"
	if subnet != "" {
		m.SubnetID, on = &subnet, subnet
	}
	s.Members.Put(tx, m)
	s.Ports.Put(tx, &model.Port{Meta: model.Meta{ID: on + address}, FixedIPs: []model.FixedIP{{SubnetID: on, IPAddress: address}}})
	return m
}

func update(t *testing.T, s *Service, change func(tx *store.Tx)) {
	t.Helper()
	if _, err := s.Update(func(tx *store.Tx) error { change(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}

// monitor makes a pool's health monitor, and tells its next operating status.
func (s *Service) monitor(t *testing.T, pool string) (next string) {
	t.Helper()
	update(t, s, func(tx *store.Tx) {
		p, hm := *s.LBPools.Get(tx, pool), &monitorRow{LBMeta: model.LBMeta{ID: "hm-" + pool, AdminStateUp: true, ProvisioningStatus: active}, PoolID: pool}
		s.drivers[providerOVN].nextMonitor(tx, &p, hm, true)
		next = hm.Next
		s.HealthMonitors.Put(tx, hm)
	})
	return next
}

// unmonitor deletes a pool's health monitor.
func (s *Service) unmonitor(t *testing.T, pool string) {
	t.Helper()
	update(t, s, func(tx *store.Tx) {
		pend(s, tx, s.HealthMonitors, "hm-"+pool, pendingDelete)
		pend(s, tx, s.LoadBalancers, "lb", pendingUpdate)
		s.finish(tx, "lb")
	})
}

// askedFrom gives the subnets with a port from which members are asked.
func askedFrom(s *Service) (subnets []string) {
	s.View(func(r store.Reader) {
		for p := range s.Ports.By(r, s.Index.PortByOwner, model.OwnerDistributed) {
			subnets = append(subnets, p.FixedIPs[0].SubnetID)
		}
	})
	slices.Sort(subnets)
	return subnets
}

func TestMembersAreAskedFromAPortOnTheirSubnetAsLongAsAnyIsAsked(t *testing.T) {
	s := monitoring(t)
	want := func(subnets ...string) {
		t.Helper()
		if diff := cmp.Diff(subnets, askedFrom(s)); diff != "" {
			t.Error(diff)
		}
	}
	want()
	if next := s.monitor(t, "p1"); next != online {
		t.Errorf("the monitor will be %s", next)
	}
	want("far", "near")
	s.monitor(t, "p2")
	want("far", "near")
	s.unmonitor(t, "p1")
	want("near")
	s.unmonitor(t, "p2")
	want()
}

func TestAMonitorThatCannotAskIsInError(t *testing.T) {
	s := monitoring(t)
	update(t, s, func(tx *store.Tx) { putMonitored(s, tx, "m4", "p2", "full", "10.0.2.1") })
	if next := s.monitor(t, "p2"); next != failed {
		t.Errorf("a monitor with no room for its port will be %s", next)
	}
	update(t, s, func(tx *store.Tx) { s.Ports.Delete(tx, "far10.0.1.1") })
	if next := s.monitor(t, "p1"); next != failed {
		t.Errorf("a monitor of a member without a port will be %s", next)
	}
}

func TestAMemberOfAMonitoredPoolBringsThePortToAskItFrom(t *testing.T) {
	s := monitoring(t)
	s.monitor(t, "p2")
	update(t, s, func(tx *store.Tx) {
		m := putMonitored(s, tx, "m4", "p2", "far", "10.0.1.4")
		s.decide(tx, s.drivers[providerOVN], m)
	})
	if diff := cmp.Diff([]string{"far", "near"}, askedFrom(s)); diff != "" {
		t.Error(diff)
	}
	update(t, s, func(tx *store.Tx) {
		pend(s, tx, s.Members, "m4", pendingDelete)
		pend(s, tx, s.LoadBalancers, "lb", pendingUpdate)
		s.finish(tx, "lb")
	})
	if diff := cmp.Diff([]string{"near"}, askedFrom(s)); diff != "" {
		t.Error(diff)
	}
}

func TestAPortThatIsOnEveryHypervisorAlreadyServesToAskFrom(t *testing.T) {
	s := monitoring(t)
	update(t, s, func(tx *store.Tx) {
		s.Ports.Put(tx, &model.Port{
			Meta: model.Meta{ID: "metadata"}, DeviceOwner: model.OwnerDistributed, AdminStateUp: true, FixedIPs: []model.FixedIP{{SubnetID: "near"}},
		})
	})
	s.monitor(t, "p2")
	s.unmonitor(t, "p2")
	if diff := cmp.Diff([]string{"near"}, askedFrom(s)); diff != "" {
		t.Error(diff)
	}
}
