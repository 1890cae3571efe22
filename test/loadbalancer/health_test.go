// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package loadbalancer

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/monitors"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/kuryr-go/kuryr/test/openstack"
)

func TestAHealthMonitorTakesADeadMemberOutAndBack(t *testing.T) {
	for _, c := range []struct{ protocol, monitor string }{{"TCP", monitors.TypeTCP}, {"UDP", monitors.TypeUDPConnect}} {
		t.Run(c.protocol, func(t *testing.T) {
			l, network := newLab(t), strings.ToLower(c.protocol)
			serve := func(node string) *server {
				return l.serve(l.vm(node, l.network, ports.IP{SubnetID: l.subnet}), network)
			}
			one, two, from := serve("node1"), serve("node2"), l.client("node1")
			b := l.balance(l.subnet, c.protocol)
			b.addAll(one, two)
			b.monitor(c.monitor, l.subnet)
			l.asked(one, two)
			l.wantAnswers(from, network, b.vip(), one, two)
			one.stop()
			b.wantHealth(one.address(), "ERROR", "DEGRADED")
			l.wantAnswers(from, network, b.vip(), two)
			two.stop()
			b.wantHealth(two.address(), "ERROR", "ERROR")
			l.wantSilence(from, network, b.vip())
			one.start()
			b.wantHealth(one.address(), "ONLINE", "DEGRADED")
			l.wantAnswers(from, network, b.vip(), one)
			two.start()
			b.wantHealth(two.address(), "ONLINE", "ONLINE")
			l.wantAnswers(from, network, b.vip(), one, two)
		})
	}
}

func TestAMemberThatIsUnpluggedOrDeletedIsTakenOut(t *testing.T) {
	embeddedOnly(t, "ovn-octavia-provider 3.0.0 leaves a member out for good whose port has gone and come again")
	l := newLab(t)
	one, two, three, from := l.member("node1"), l.member("node2"), l.member("node2"), l.client("node1")
	b := l.balance(l.subnet, "TCP")
	b.addAll(one, two, three)
	b.monitor(monitors.TypeTCP, l.subnet)
	l.asked(one, two, three)
	l.ok(two.Delete(context.WithoutCancel(t.Context())))
	b.wantHealth(two.address(), "ERROR", "DEGRADED")
	l.wantAnswers(from, "tcp", b.vip(), one, three)
	l.ok(three.Delete(context.WithoutCancel(t.Context())))
	l.ok(ports.Delete(t.Context(), l.net, three.NICs[0].Port).ExtractErr())
	b.wantHealth(three.address(), "ERROR", "DEGRADED")
	l.wantAnswers(from, "tcp", b.vip(), one)
}

func TestAMemberOutsideIsServedThoughItCannotBeAsked(t *testing.T) {
	embeddedOnly(t, "ovn-octavia-provider 3.0.0 takes every member out when one is no port of Neutron")
	l := newLab(t)
	one, two, from := l.member("node1"), l.member("node2"), l.client("node1")
	outside := &server{VM: &openstack.VM{Name: "outside"}}
	t.Cleanup(serveIn(l, l.cloud.Outside(), "tcp", outside.Name))
	b := l.balance(l.subnet, "TCP")
	b.addAll(one, two)
	b.add(openstack.ProviderGateway.String(), l.subnet)
	b.monitor(monitors.TypeTCP, l.subnet)
	l.asked(one, two)
	l.wantAnswers(from, "tcp", b.vip(), one, two, outside)
	one.stop()
	b.eventually("the dead one is out", func() error { return l.status(one, "offline") })
	l.followed()
	l.wantAnswers(from, "tcp", b.vip(), two, outside)
}

// asked waits until OVN has found servers alive.
func (l *lab) asked(servers ...*server) {
	l.Helper()
	for _, s := range servers {
		l.eventually(s.Name+" is asked", func() error { return l.status(s, "online") })
	}
	l.followed()
}

// status is content when OVN's health checks say so of a server.
func (l *lab) status(s *server, want string) error {
	out, err := l.cloud.Control().Output(l.Context(), "ovn-sbctl", "--db="+l.cloud.SBDB(), "--timeout=60", "--bare", "--columns=status",
		"find", "Service_Monitor", "logical_port="+s.NICs[0].Port)
	if got := strings.TrimSpace(out); err == nil && got != want {
		err = fmt.Errorf("%s is %q", s.Name, got)
	}
	return err
}
