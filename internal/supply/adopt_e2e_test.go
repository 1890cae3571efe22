// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package supply

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
	"github.com/kuryr-go/kuryr/internal/neutron"
)

// userPort makes a port as a user would.
func (b *bench) userPort(t *testing.T, spec neutron.PortCreate) neutron.Port {
	t.Helper()
	spec.NetworkID, spec.ProjectID = b.network, b.ID
	p, err := b.Admin.CreatePort(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAUsersPortIsAdoptedAndGivenBackUntouched(t *testing.T) {
	for _, host := range []int{-1, 1} {
		b := newBench(t)
		spec := neutron.PortCreate{Name: "mine", Description: "keep", SecurityGroups: []string{}}
		if host >= 0 {
			spec.HostID = b.Hosts[host]
		}
		before := b.userPort(t, spec)
		var prepared []lease.Lease
		o := orderFor(attachment1, lease.Demand{Port: "mine", Network: "net"})
		o.Prepared = func(l lease.Lease) error {
			if p := b.port(t, before.ID); p.DeviceID != "" || p.DeviceOwner != "" || *p.HostID != spec.HostID {
				t.Errorf("the port was changed before the order was told: %+v", p)
			}
			prepared = append(prepared, l)
			return nil
		}
		l, err := b.direct.Acquire(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		taken := b.port(t, before.ID)
		if taken.DeviceID != attachment1 || taken.DeviceOwner != OwnerAdopted || *taken.HostID != b.Hosts[0] || taken.Description != "keep" {
			t.Errorf("taken: %+v", taken)
		}
		if l.PortID != before.ID || l.Adopted == nil || l.Adopted.Host != spec.HostID || l.VIFType != "ovs" || l.Host != b.Hosts[0] || l.DeviceID != attachment1 || len(l.Addresses) != 2 {
			t.Errorf("lease %+v", l)
		}
		if len(prepared) != 1 || prepared[0].PortID != before.ID || *prepared[0].Adopted != *l.Adopted || prepared[0].DeviceID != attachment1 {
			t.Errorf("prepared %+v", prepared)
		}
		b.refuse(t, b.direct, lease.Demand{Port: before.ID}, fault.Conflict, "port", "in use", attachment1)
		if found, err := b.direct.Reclaim(t.Context(), attachment1); found || err != nil {
			t.Errorf("an adopted port was reclaimed: %t, %v", found, err)
		}
		for range 2 { // what Prepared told is enough, and a second time does no harm
			if err := b.direct.Release(t.Context(), prepared[0]); err != nil {
				t.Fatal(err)
			}
		}
		after := b.port(t, before.ID)
		if after.DeviceID != "" || after.DeviceOwner != "" || *after.HostID != spec.HostID || after.Name != "mine" || after.Description != "keep" || !slices.Equal(after.FixedIPs, before.FixedIPs) {
			t.Errorf("given back: %+v", after)
		}
	}
}

func TestAPortInUseIsNotAdopted(t *testing.T) {
	b := newBench(t)
	vm := b.userPort(t, neutron.PortCreate{Name: "vm", DeviceID: "server-1", DeviceOwner: "compute:nova"})
	b.refuse(t, b.direct, lease.Demand{Port: "vm"}, fault.Conflict, "port", "compute:nova", "server-1", vm.ID)
	down := false
	off := b.userPort(t, neutron.PortCreate{Name: "off", AdminStateUp: &down})
	b.refuse(t, b.direct, lease.Demand{Port: off.ID}, fault.Conflict, "port", "admin_state_up", "--enable")
	b.Network(t, "elsewhere", "")
	b.userPort(t, neutron.PortCreate{Name: "free"})
	b.refuse(t, b.direct, lease.Demand{Port: "free", Network: "elsewhere"}, fault.Invalid, "port", b.network, "elsewhere")
	b.userPort(t, neutron.PortCreate{Name: "twin"})
	b.userPort(t, neutron.PortCreate{Name: "twin"})
	b.refuse(t, b.direct, lease.Demand{Port: "twin"}, fault.Invalid, "port", "2 ports", "use the id")
}

func TestAnOrderThatCannotBePreparedChangesNothing(t *testing.T) {
	b := newBench(t)
	before := b.userPort(t, neutron.PortCreate{Name: "mine"})
	o := orderFor(attachment1, lease.Demand{Port: "mine"})
	broken := errors.New("journal is full")
	o.Prepared = func(lease.Lease) error { return broken }
	if _, err := b.direct.Acquire(t.Context(), o); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if after := b.port(t, before.ID); after.Revision != before.Revision {
		t.Errorf("changed: %+v", after)
	}
}

func TestAPortTakenByAnotherMeanwhileIsAConflict(t *testing.T) {
	b := newBench(t)
	port := b.userPort(t, neutron.PortCreate{Name: "mine"})
	o := orderFor(attachment1, lease.Demand{Port: "mine"})
	thief := "server-1"
	o.Prepared = func(lease.Lease) error {
		_, err := b.Admin.UpdatePort(t.Context(), port.ID, neutron.PortUpdate{DeviceID: &thief})
		return err
	}
	_, err := b.direct.Acquire(t.Context(), o)
	if f, ok := fault.As(err); !ok || f.Class != fault.Conflict || f.Field != "port" || !strings.Contains(err.Error(), thief) {
		t.Errorf("got %v", err)
	}
	if after := b.port(t, port.ID); after.DeviceID != thief {
		t.Errorf("%+v", after)
	}
}

func TestAPortThatOnlyChangedMeanwhileIsAdopted(t *testing.T) {
	b := newBench(t)
	port := b.userPort(t, neutron.PortCreate{Name: "mine"})
	o := orderFor(attachment1, lease.Demand{Port: port.ID})
	renamed, times := "renamed", 0
	o.Prepared = func(lease.Lease) error {
		if times++; times > 1 {
			return nil
		}
		_, err := b.Admin.UpdatePort(t.Context(), port.ID, neutron.PortUpdate{Name: &renamed})
		return err
	}
	l, err := b.direct.Acquire(t.Context(), o)
	if err != nil || l.PortName != renamed || times != 2 {
		t.Errorf("%+v, prepared %d times, %v", l, times, err)
	}
}

func TestAnAdoptedPortThatCannotBeBoundIsGivenBack(t *testing.T) {
	b := newBench(t)
	port := b.userPort(t, neutron.PortCreate{Name: "mine"})
	d := b.supply(t, b.Admin, Options{Node: "no-such-host"})
	b.refuse(t, d, lease.Demand{Port: "mine"}, fault.Unavailable, "", `host "no-such-host"`)
	if after := b.port(t, port.ID); after.DeviceID != "" || after.DeviceOwner != "" || *after.HostID != "" {
		t.Errorf("%+v", after)
	}
}
