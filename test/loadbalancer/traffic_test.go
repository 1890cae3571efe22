// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package loadbalancer

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/kuryr-go/kuryr/test/openstack"
)

func TestALoadBalancerSpreadsOverItsMembersFromEveryNode(t *testing.T) {
	l := newLab(t)
	one, two, three := l.member("node1"), l.member("node2"), l.member("node2")
	near, far := l.client("node1"), l.client("node2")
	b := l.balance(l.subnet, "TCP")
	b.addAll(one, two)
	for _, from := range []openstack.Netns{near, far} {
		l.wantAnswers(from, "tcp", b.vip(), one, two)
	}
	b.addAll(three)
	for _, from := range []openstack.Netns{near, far} {
		l.wantAnswers(from, "tcp", b.vip(), one, two, three)
	}
	b.remove(one)
	for _, from := range []openstack.Netns{near, far} {
		l.wantAnswers(from, "tcp", b.vip(), two, three)
	}
}

func TestADrainedMemberKeepsItsConnectionsAndGetsNoOthers(t *testing.T) {
	embeddedOnly(t, "ovn-octavia-provider 3.0.0 heeds no weights")
	l := newLab(t)
	one, two, from := l.member("node1"), l.member("node2"), l.client("node1")
	b := l.balance(l.subnet, "TCP")
	b.addAll(one, two)
	var all []conversation
	for range questions {
		c, err := dial(from, "tcp", b.vip(), "", patience)
		l.ok(err)
		defer func() { _ = c.Close() }()
		all = append(all, c)
	}
	with := map[*server]conversation{one: b.conversationWith(one, all), two: b.conversationWith(two, all)}
	still := func(s *server) {
		t.Helper()
		if name, _, err := with[s].ask(patience); err != nil || name != s.Name {
			t.Errorf("the connection to %s: %q, %v", s.Name, name, err)
		}
	}
	b.weigh(one, 0)
	l.wantAnswers(from, "tcp", b.vip(), two)
	still(one)
	b.weigh(two, 0)
	l.wantSilence(from, "tcp", b.vip())
	still(one)
	still(two)
	b.weigh(one, 5)
	l.wantAnswers(from, "tcp", b.vip(), one)
}

func TestUDPIsSpreadOverTheMembers(t *testing.T) {
	l := newLab(t)
	var members []*server
	for _, node := range []string{"node1", "node2"} {
		members = append(members, l.serve(l.vm(node, l.network, ports.IP{SubnetID: l.subnet}), "udp"))
	}
	from := l.client("node1")
	b := l.balance(l.subnet, "UDP")
	b.addAll(members...)
	l.wantAnswers(from, "udp", b.vip(), members...)
	b.remove(members[0])
	l.wantAnswers(from, "udp", b.vip(), members[1])
}

func TestAMemberMayCallItsOwnVIP(t *testing.T) {
	l := newLab(t)
	one, two := l.member("node1"), l.member("node2")
	b := l.balance(l.subnet, "TCP")
	b.addAll(one, two)
	l.wantAnswers(one.Netns(), "tcp", b.vip(), one, two)
	b.remove(two)
	name, seen, err := askOnce(one.Netns(), "tcp", b.vip(), "", patience)
	if err != nil || name != one.Name || seen != b.VipAddress {
		t.Errorf("%s calls its own VIP: %s answers, who saw %s, %v", one.Name, name, seen, err)
	}
}

func TestAClientStaysWithItsMember(t *testing.T) {
	embeddedOnly(t, "ovn-octavia-provider 3.0.0 heeds no session persistence")
	l := newLab(t)
	one, two := l.member("node1"), l.member("node2")
	var fixed []ports.IP
	for i := range 8 {
		fixed = append(fixed, ports.IP{SubnetID: l.subnet, IPAddress: fmt.Sprintf("10.8.1.%d", 200+i)})
	}
	clients := l.vm("node1", l.network, fixed...)
	b := l.balance(l.subnet, "TCP", persistent)
	b.addAll(one, two)
	used := map[string]bool{}
	for _, f := range fixed {
		mine := ""
		for range 5 {
			name, _, err := askOnce(clients.Netns(), "tcp", b.vip(), f.IPAddress, patience)
			l.ok(err)
			if mine == "" {
				mine = name
			}
			if name != mine {
				t.Errorf("client %s is with %s and then with %s", f.IPAddress, mine, name)
			}
		}
		used[mine] = true
	}
	if len(used) != 2 {
		t.Errorf("all %d clients are with one member", len(fixed))
	}
}

func TestAFloatingIPOfTheVIPLeadsToTheMembers(t *testing.T) {
	l := newLab(t)
	one, two, inside := l.member("node1"), l.member("node2"), l.client("node1")
	b := l.balance(l.subnet, "TCP")
	b.addAll(one, two)
	id, address := l.floating(b.VipPortID)
	l.published(b, address)
	to := net.JoinHostPort(address, strconv.Itoa(vipPort))
	l.wantAnswers(l.cloud.Outside(), "tcp", to, one, two)
	l.wantAnswers(inside, "tcp", b.vip(), one, two)
	l.ok(floatingips.Delete(t.Context(), l.net, id).ExtractErr())
	l.withdrawn(b, address)
	l.wantSilence(l.cloud.Outside(), "tcp", to)
	l.wantAnswers(inside, "tcp", b.vip(), one, two)
}

func TestALoadBalancerFollowsTheRoutersOfItsNetworks(t *testing.T) {
	l := newLab(t)
	network, subnet := l.newNetwork("10.8.2.0/24")
	one := l.member("node1")
	two := l.serve(l.vm("node2", network, ports.IP{SubnetID: subnet}), "tcp")
	near, there := l.client("node1"), l.vm("node1", network, ports.IP{SubnetID: subnet}).Netns()
	b := l.balance(l.subnet, "TCP")
	b.addAll(one)
	l.join(subnet)
	l.attached(b, network, true)
	l.wantAnswers(there, "tcp", b.vip(), one)
	b.add(two.address(), subnet)
	l.wantAnswers(near, "tcp", b.vip(), one, two)
	l.wantAnswers(there, "tcp", b.vip(), one, two)
	b.remove(two)
	l.leave(subnet)
	l.attached(b, network, false)
	l.wantSilence(there, "tcp", b.vip())
	l.wantAnswers(near, "tcp", b.vip(), one)
}

func TestAVIPOfIPv6LeadsToItsMembers(t *testing.T) {
	l := newLab(t)
	six := func(node string) *openstack.VM { return l.vm(node, l.network, ports.IP{SubnetID: l.six}) }
	one, two := l.serve(six("node1"), "tcp"), l.serve(six("node2"), "tcp")
	from := six("node1").Netns()
	b := l.balance(l.six, "TCP")
	for _, s := range []*server{one, two} {
		b.add(s.address(), l.six)
	}
	l.wantAnswers(from, "tcp", b.vip(), one, two)
	l.wantAnswers(two.Netns(), "tcp", b.vip(), one, two)
}

// published waits until a floating IP is a VIP of a load balancer, withdrawn until it is none.
func (l *lab) published(b *balancer, address string) { l.isVIP(b, address, true) }
func (l *lab) withdrawn(b *balancer, address string) { l.isVIP(b, address, false) }

// isVIP waits: the API's answer does not, on the real cloud.
func (l *lab) isVIP(b *balancer, address string, want bool) {
	l.Helper()
	l.eventually(address+" is a VIP", func() error {
		out, err := l.northbound("--bare", "--columns=vips", "find", "Load_Balancer", "name="+b.ID)
		if err == nil && strings.Contains(out, address) != want {
			err = fmt.Errorf("VIPs: %s", out)
		}
		return err
	})
	l.followed()
}

// attached waits until a load balancer is known on a network, or no longer.
func (l *lab) attached(b *balancer, network string, want bool) {
	l.Helper()
	l.eventually("the load balancer is on the network", func() error {
		ids, err := l.northbound("--bare", "--columns=_uuid", "find", "Load_Balancer", "name="+b.ID)
		if err != nil {
			return err
		}
		on, err := l.northbound("--bare", "--columns=load_balancer", "find", "Logical_Switch", "name=neutron-"+network)
		if err == nil && strings.Contains(on, strings.TrimSpace(ids)) != want {
			err = fmt.Errorf("there are: %s", on)
		}
		return err
	})
	l.followed()
}

func (l *lab) northbound(args ...string) (string, error) {
	return l.cloud.Control().Output(l.Context(), "ovn-nbctl", append([]string{"--db=" + l.cloud.NBDB(), "--timeout=60"}, args...)...)
}
