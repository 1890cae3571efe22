// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package loadbalancer

import (
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/listeners"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/loadbalancers"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/monitors"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/pools"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
)

// vipPort is that of the listeners.
const vipPort = 80

// balancer is a load balancer with one listener and its pool.
type balancer struct {
	*lab
	*loadbalancers.LoadBalancer
	pool    string
	members map[string]string // their ids, by address
}

// balance makes a load balancer for TCP or UDP.
func (l *lab) balance(subnet, protocol string, change ...func(*pools.CreateOpts)) *balancer {
	l.Helper()
	b := &balancer{lab: l, members: map[string]string{}}
	var err error
	b.LoadBalancer, err = loadbalancers.Create(l.Context(), l.lb, loadbalancers.CreateOpts{VipSubnetID: subnet, Provider: "ovn"}).Extract()
	l.ok(err)
	b.done()
	listener, err := listeners.Create(l.Context(), l.lb, listeners.CreateOpts{
		LoadbalancerID: b.ID, Protocol: listeners.Protocol(protocol), ProtocolPort: vipPort,
	}).Extract()
	l.ok(err)
	b.done()
	o := pools.CreateOpts{ListenerID: listener.ID, Protocol: pools.Protocol(protocol), LBMethod: "SOURCE_IP_PORT"}
	for _, f := range change {
		f(&o)
	}
	p, err := pools.Create(l.Context(), l.lb, o).Extract()
	l.ok(err)
	b.pool = p.ID
	b.done()
	return b
}

// done returns when the load balancer is ACTIVE and the hypervisors have followed.
func (b *balancer) done() {
	b.Helper()
	b.eventually("load balancer ACTIVE", func() error {
		lb, err := loadbalancers.Get(b.Context(), b.lb, b.ID).Extract()
		if err == nil && lb.ProvisioningStatus != "ACTIVE" {
			err = fmt.Errorf("it is %s", lb.ProvisioningStatus)
		}
		return err
	})
	b.followed()
}

// vip is where the listener is.
func (b *balancer) vip() string { return net.JoinHostPort(b.VipAddress, strconv.Itoa(vipPort)) }

// add makes a member of an address on a subnet.
func (b *balancer) add(address, subnet string) {
	b.Helper()
	m, err := pools.CreateMember(b.Context(), b.lb, b.pool, pools.CreateMemberOpts{Address: address, ProtocolPort: port, SubnetID: subnet}).Extract()
	b.ok(err)
	b.members[address] = m.ID
	b.done()
}

// addAll makes members of servers on the lab's network.
func (b *balancer) addAll(servers ...*server) {
	b.Helper()
	for _, s := range servers {
		b.add(s.address(), b.subnet)
	}
}

func (b *balancer) weigh(s *server, weight int) {
	b.Helper()
	b.ok(pools.UpdateMember(b.Context(), b.lb, b.pool, b.members[s.address()], pools.UpdateMemberOpts{Weight: &weight}).Err)
	b.done()
}

func (b *balancer) remove(s *server) {
	b.Helper()
	b.ok(pools.DeleteMember(b.Context(), b.lb, b.pool, b.members[s.address()]).ExtractErr())
	b.done()
}

// monitor has the members asked every second. On the real cloud Neutron makes the
// ports from which they are only where it serves metadata; here it does not.
func (b *balancer) monitor(kind string, subnets ...string) {
	b.Helper()
	if !b.cloud.Embedded() {
		for _, id := range subnets {
			b.monitorPort(id)
		}
	}
	o := monitors.CreateOpts{PoolID: b.pool, Type: kind, Delay: 1, Timeout: 1, MaxRetries: 1, MaxRetriesDown: 1}
	if kind == monitors.TypeUDPConnect {
		o.Delay = 3 // the least that Octavia allows
	}
	b.ok(monitors.Create(b.Context(), b.lb, o).Err)
	b.done()
}

func (b *balancer) monitorPort(subnet string) {
	b.Helper()
	admin, err := b.cloud.Network(b.Context(), "admin")
	b.ok(err)
	b.ok(ports.Create(b.Context(), admin, ports.CreateOpts{
		NetworkID: b.network, FixedIPs: []ports.IP{{SubnetID: subnet}}, DeviceOwner: "network:distributed", ProjectID: b.project.ID,
	}).Err)
}

// wantHealth waits until the API tells of a member, and of the load balancer, and the
// hypervisors have followed.
func (b *balancer) wantHealth(address, member, whole string) {
	b.Helper()
	b.eventually(fmt.Sprintf("member %s is %s, load balancer %s", address, member, whole), func() error {
		m, err := pools.GetMember(b.Context(), b.lb, b.pool, b.members[address]).Extract()
		if err != nil {
			return err
		}
		lb, err := loadbalancers.Get(b.Context(), b.lb, b.ID).Extract()
		if err == nil && (m.OperatingStatus != member || lb.OperatingStatus != whole) {
			err = fmt.Errorf("member %s, load balancer %s", m.OperatingStatus, lb.OperatingStatus)
		}
		return err
	})
	b.followed()
}

// persistent keeps clients at their members.
func persistent(o *pools.CreateOpts) { o.Persistence = &pools.SessionPersistence{Type: "SOURCE_IP"} }

// conversationWith opens connections until one is with a server.
func (b *balancer) conversationWith(s *server, all []conversation) conversation {
	b.Helper()
	i := slices.IndexFunc(all, func(c conversation) bool {
		name, _, err := c.ask(patience)
		b.ok(err)
		return name == s.Name
	})
	if i < 0 {
		b.Fatalf("none of %d connections is with %s", len(all), s.Name)
	}
	return all[i]
}
