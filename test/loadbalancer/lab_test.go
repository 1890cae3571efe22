// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package loadbalancer

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"github.com/kuryr-go/kuryr/test/openstack"
)

// stateTime bounds the wait for any one state. It is generous because the real
// services are several times slower on a busy machine, and the provider's agent
// handles one event after the other.
const stateTime = 4 * time.Minute

// lab is a project with a network and a router to the world outside.
type lab struct {
	*testing.T
	cloud   *openstack.Cloud
	project *openstack.Project
	net, lb *gophercloud.ServiceClient
	// network has subnet, 10.8.1.0/24, and six, fd08:1::/64.
	network, subnet, six string
	router, group        string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{T: t, cloud: openstack.Shared(t)}
	l.project = l.cloud.NewProject(t)
	var err error
	l.net, err = l.project.Network(t.Context())
	l.ok(err)
	l.lb, err = l.project.LoadBalancer(t.Context())
	l.ok(err)
	g, err := groups.Create(t.Context(), l.net, groups.CreateOpts{Name: "open"}).Extract()
	l.ok(err)
	l.group = g.ID
	for _, family := range []rules.RuleEtherType{rules.EtherType4, rules.EtherType6} {
		l.ok(rules.Create(t.Context(), l.net, rules.CreateOpts{SecGroupID: g.ID, Direction: rules.DirIngress, EtherType: family}).Err)
	}
	r, err := routers.Create(t.Context(), l.net, routers.CreateOpts{GatewayInfo: &routers.GatewayInfo{NetworkID: l.cloud.External().NetworkID}}).Extract()
	l.ok(err)
	l.router = r.ID
	l.network, l.subnet = l.newNetwork("10.8.1.0/24")
	l.six = l.newSubnet(l.network, "fd08:1::/64")
	l.join(l.subnet)
	l.join(l.six)
	return l
}

func (l *lab) ok(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l *lab) newNetwork(cidr string) (network, subnet string) {
	l.Helper()
	n, err := networks.Create(l.Context(), l.net, networks.CreateOpts{Name: cidr}).Extract()
	l.ok(err)
	return n.ID, l.newSubnet(n.ID, cidr)
}

func (l *lab) newSubnet(network, cidr string) string {
	l.Helper()
	o := subnets.CreateOpts{NetworkID: network, IPVersion: gophercloud.IPv4, CIDR: cidr}
	if strings.Contains(cidr, ":") {
		o.IPVersion = gophercloud.IPv6
	}
	s, err := subnets.Create(l.Context(), l.net, o).Extract()
	l.ok(err)
	return s.ID
}

// join gives the router an interface on a subnet, leave takes it away.
func (l *lab) join(subnet string) {
	l.Helper()
	l.ok(routers.AddInterface(l.Context(), l.net, l.router, routers.AddInterfaceOpts{SubnetID: subnet}).Err)
}

func (l *lab) leave(subnet string) {
	l.Helper()
	l.ok(routers.RemoveInterface(l.Context(), l.net, l.router, routers.RemoveInterfaceOpts{SubnetID: subnet}).Err)
}

// vm boots a machine with addresses on a network.
func (l *lab) vm(node, network string, fixed ...ports.IP) *openstack.VM {
	l.Helper()
	p, err := ports.Create(l.Context(), l.net, ports.CreateOpts{NetworkID: network, FixedIPs: fixed, SecurityGroups: &[]string{l.group}}).Extract()
	l.ok(err)
	name := "lb-" + strings.ToLower(rand.Text()[:10])
	m, err := l.cloud.Node(node).BootVM(l.Context(), name, p.ID)
	l.ok(err)
	l.Cleanup(func() { l.ok(m.Delete(context.WithoutCancel(l.Context()))) })
	return m
}

// member boots a machine on the lab's network that serves on TCP port 8080.
func (l *lab) member(node string) *server {
	l.Helper()
	return l.serve(l.vm(node, l.network, ports.IP{SubnetID: l.subnet}), "tcp")
}

// client boots a machine on the lab's network.
func (l *lab) client(node string) openstack.Netns {
	l.Helper()
	return l.vm(node, l.network, ports.IP{SubnetID: l.subnet}).Netns()
}

// followed returns when every hypervisor does what the northbound database says.
func (l *lab) followed() {
	l.Helper()
	if _, err := l.cloud.Control().Output(l.Context(), "ovn-nbctl", "--db="+l.cloud.NBDB(), "--timeout=60", "--wait=hv", "sync"); err != nil {
		l.Fatal(err)
	}
}

// floating gives a port a floating IP.
func (l *lab) floating(port string) (id, address string) {
	l.Helper()
	f, err := floatingips.Create(l.Context(), l.net, floatingips.CreateOpts{FloatingNetworkID: l.cloud.External().NetworkID, PortID: port}).Extract()
	l.ok(err)
	return f.ID, f.FloatingIP
}

// eventually waits for a state.
func (l *lab) eventually(what string, check func() error) {
	l.Helper()
	var err error
	for end := time.Now().Add(stateTime); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	l.Fatalf("%s: not after %s: %v", what, stateTime, err)
}

// embeddedOnly skips what the real provider cannot do.
func embeddedOnly(t *testing.T, why string) {
	t.Helper()
	if !openstack.Shared(t).Embedded() {
		t.Skip(why)
	}
}

const (
	port = 8080 // of the members
	// patience is how long an answer may take that must come, impatience how
	// long one is waited for that must not.
	patience, impatience = 10 * time.Second, time.Second
)

// server answers every message with its name and where it saw it come from.
type server struct {
	*openstack.VM
	lab     *lab
	network string
	stop    func()
}

func (l *lab) serve(m *openstack.VM, network string) *server {
	l.Helper()
	s := &server{VM: m, lab: l, network: network}
	s.start()
	l.Cleanup(func() { s.stop() })
	return s
}

func (s *server) start() {
	s.lab.Helper()
	s.stop = serveIn(s.lab, s.Netns(), s.network, s.Name)
}

func (s *server) address() string { return s.Address().String() }

// serveIn serves in a namespace until the returned function is called.
func serveIn(l *lab, in openstack.Netns, network, name string) (stop func()) {
	l.Helper()
	answer := func(from net.Addr) []byte { return []byte(name + " " + host(from) + "\n") }
	if network == "udp" {
		var c net.PacketConn
		l.ok(in.Do(func() (err error) {
			c, err = new(net.ListenConfig).ListenPacket(l.Context(), network, fmt.Sprintf(":%d", port))
			return err
		}))
		go func() {
			b := make([]byte, 100)
			for {
				_, from, err := c.ReadFrom(b)
				if err != nil {
					return
				}
				_, _ = c.WriteTo(answer(from), from)
			}
		}()
		return func() { _ = c.Close() }
	}
	listener, err := in.Listen(l.Context(), network, fmt.Sprintf(":%d", port))
	l.ok(err)
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				b := make([]byte, 100)
				for {
					if _, err := c.Read(b); err != nil {
						return
					}
					_, _ = c.Write(answer(c.RemoteAddr()))
				}
			}()
		}
	}()
	return func() { _ = listener.Close() }
}

func host(a net.Addr) string {
	h, _, _ := net.SplitHostPort(a.String())
	return h
}

// conversation is a connection over which a server may be asked again and again.
type conversation struct{ net.Conn }

// udpPort is the last source port of a question over UDP. A port that is used
// again goes on with the conversation that it had before, as far as OVN can tell.
var udpPort atomic.Int32

func init() { udpPort.Store(20_000) }

// dial connects from inside a namespace, from an address when one is given.
func dial(from openstack.Netns, network, to, source string, within time.Duration) (conversation, error) {
	d := net.Dialer{Timeout: within}
	switch ip := net.ParseIP(source); {
	case network == "udp":
		d.LocalAddr = &net.UDPAddr{IP: ip, Port: int(udpPort.Add(1))}
	case ip != nil:
		d.LocalAddr = &net.TCPAddr{IP: ip}
	}
	var c net.Conn
	err := from.Do(func() (err error) { c, err = d.Dial(network, to); return err })
	return conversation{c}, err
}

// ask gives the server's name, and from where it saw the question come.
func (c conversation) ask(within time.Duration) (name, source string, err error) {
	_ = c.SetDeadline(time.Now().Add(within))
	if _, err := c.Write([]byte("who?")); err != nil {
		return "", "", err
	}
	b := make([]byte, 200)
	n, err := c.Read(b)
	name, source, _ = strings.Cut(strings.TrimSpace(string(b[:n])), " ")
	return name, source, err
}

// askOnce asks over a connection of its own.
func askOnce(from openstack.Netns, network, to, source string, within time.Duration) (name, seen string, err error) {
	c, err := dial(from, network, to, source, within)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = c.Close() }()
	return c.ask(within)
}

// questions is how often is asked to see all who answer: that one of two never
// does has a chance of one in 2^39.
const questions = 40

// answers asks over as many connections, and counts who answers. Each has to be answered.
func (l *lab) answers(from openstack.Netns, network, to string) map[string]int {
	l.Helper()
	count := map[string]int{}
	for range questions {
		name, _, err := askOnce(from, network, to, "", patience)
		if err != nil {
			l.Fatalf("%s from %s after %v: %v", to, from.Name, count, err)
		}
		count[name]++
	}
	return count
}

// wantAnswers fails unless just these servers answer, and each of them.
func (l *lab) wantAnswers(from openstack.Netns, network, to string, servers ...*server) {
	l.Helper()
	count := l.answers(from, network, to)
	for _, s := range servers {
		if count[s.Name] == 0 {
			l.Errorf("%s from %s: %s never answers: %v", to, from.Name, s.Name, count)
		}
		delete(count, s.Name)
	}
	if len(count) > 0 {
		l.Errorf("%s from %s: others answer: %v", to, from.Name, count)
	}
}

// wantSilence fails when anybody answers.
func (l *lab) wantSilence(from openstack.Netns, network, to string) {
	l.Helper()
	if name, _, err := askOnce(from, network, to, "", impatience); err == nil {
		l.Errorf("%s from %s: %s answers", to, from.Name, name)
	}
}
