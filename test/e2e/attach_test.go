// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	types100 "github.com/containernetworking/cni/pkg/types/100"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/portsbinding"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/kuryr-go/kuryr/test/openstack"
	"github.com/kuryr-go/kuryr/test/rig"
)

func TestAFixedAddressIsHadAndHadAgainAfterDEL(t *testing.T) {
	tn, ctx := tenant(t), within(t, stateTime)
	must[rig.Network](t)(tn.Network(ctx, "net", "10.7.0.0/24"))
	agent := world.agents[0]
	conf := agent.Conf("net", map[string]any{"project": tn.Project, "fixedIPs": []string{"10.7.0.77"}, "mac": "fa:16:3e:77:77:77"})
	want := netip.MustParseAddr("10.7.0.77")
	for range 3 {
		s := sandbox(t)
		out, err := agent.Add(ctx, s, "eth0", conf)
		ok(t, err)
		link := must[rig.Link](t)(s.Link("eth0"))
		if link.MAC != "fa:16:3e:77:77:77" || len(link.Addresses) != 1 || link.Addresses[0].Addr() != want {
			t.Errorf("interface %+v, result %s", link, out)
		}
		// At once again: the next ADD asks for what is just being given back.
		ok(t, agent.Del(ctx, s, "eth0", conf))
	}
	ok(t, agent.Settled(within(t, stateTime)))
}

func TestAUsersPortIsAdoptedAndGivenBackUntouched(t *testing.T) {
	tn, ctx := tenant(t), within(t, stateTime)
	net := must[rig.Network](t)(tn.Network(ctx, "net", "10.8.0.0/24"))
	open := must[string](t)(tn.OpenGroup(ctx, "open"))
	mine := must[*ports.Port](t)(tn.Port(ctx, "precious", net, open))
	before := adminPort(t, mine.ID)
	agent := world.agents[0]
	s := sandbox(t)
	conf := agent.Conf("net", map[string]any{"project": tn.Project, "port": "precious"})
	must[[]byte](t)(agent.Add(ctx, s, "eth0", conf))
	link := must[rig.Link](t)(s.Link("eth0"))
	if link.MAC != mine.MACAddress || link.Addresses[0].Addr().String() != mine.FixedIPs[0].IPAddress {
		t.Errorf("interface %+v is not port %s %v", link, mine.MACAddress, mine.FixedIPs)
	}
	pings(t, boot(t, tn, world.agents[1].Node, net, open).Netns(), link.Addresses[0].Addr())
	if _, err := agent.Add(ctx, sandbox(t), "eth0", conf); err == nil {
		t.Error("a port in use was adopted a second time")
	} else {
		t.Logf("second adoption: %v", err)
	}
	ok(t, agent.Del(ctx, s, "eth0", conf))
	ok(t, agent.Settled(within(t, stateTime)))
	if after := adminPort(t, mine.ID); !reflect.DeepEqual(before, after) {
		t.Errorf("the port changed:\nbefore %+v\nafter  %+v", before, after)
	}
}

// kept is what of a port must be as before when it is given back.
type kept struct {
	Name, DeviceID, DeviceOwner, MAC, Host, Project string
	Up                                              bool
	FixedIPs                                        []ports.IP
	Groups, Tags                                    []string
}

func adminPort(t *testing.T, id string) kept {
	t.Helper()
	ctx := within(t, stateTime)
	client, err := world.Cloud.Network(ctx, openstack.Admin)
	ok(t, err)
	var p struct {
		ports.Port
		portsbinding.PortsBindingExt
	}
	ok(t, ports.Get(ctx, client, id).ExtractInto(&p))
	return kept{p.Name, p.DeviceID, p.DeviceOwner, p.MACAddress, p.HostID, p.ProjectID, p.AdminStateUp, p.FixedIPs, p.SecurityGroups, p.Tags}
}

func TestTwoSubnetsGiveTwoAddressesAndTheirRoutes(t *testing.T) {
	tn, ctx := tenant(t), within(t, stateTime)
	net := must[rig.Network](t)(tn.Network(ctx, "net", "10.9.0.0/24", "10.9.1.0/24"))
	agent := world.agents[0]
	at := attach(t, agent, agent.Conf("net", map[string]any{"project": tn.Project, "subnets": []string{net.Subnets[0].Name, net.Subnets[1].ID}}))
	link := must[rig.Link](t)(at.Link("eth0"))
	for _, sub := range net.Subnets {
		if !slices.ContainsFunc(link.Addresses, func(p netip.Prefix) bool { return sub.CIDR.Contains(p.Addr()) && p.Bits() == sub.CIDR.Bits() }) {
			t.Errorf("no address of %s in %v", sub.CIDR, link.Addresses)
		}
	}
	if len(link.Addresses) != 2 {
		t.Errorf("addresses %v, want two", link.Addresses)
	}
}

func TestAContainerHasTwoInterfacesOnTwoNetworks(t *testing.T) {
	tn, ctx := tenant(t), within(t, stateTime)
	blue := must[rig.Network](t)(tn.Network(ctx, "blue", "10.10.0.0/24"))
	red := must[rig.Network](t)(tn.Network(ctx, "red", "10.11.0.0/24"))
	open := must[string](t)(tn.OpenGroup(ctx, "open"))
	agent := world.agents[0]
	more := map[string]any{"project": tn.Project, "securityGroups": []string{open}}
	s := sandbox(t)
	// Both at once, as Mesos does.
	results := make(chan error, 2)
	confs := map[string]rig.Conf{"eth0": agent.Conf("blue", more, map[string]any{"name": "blue"}), "eth1": agent.Conf("red", more, map[string]any{"name": "red"})}
	for ifname, conf := range confs {
		go func() { _, err := agent.Add(ctx, s, ifname, conf); results <- err }()
	}
	ok(t, <-results)
	ok(t, <-results)
	for i, n := range []rig.Network{blue, red} {
		ifname := fmt.Sprintf("eth%d", i)
		link := must[rig.Link](t)(s.Link(ifname))
		if !n.Subnets[0].CIDR.Contains(link.Addresses[0].Addr()) {
			t.Errorf("%s has %v, not of %s", ifname, link.Addresses, n.Name)
		}
		pings(t, boot(t, tn, world.agents[1].Node, n, open).Netns(), link.Addresses[0].Addr())
	}
	def := must[string](t)(s.Output(ctx, "ip", "route", "get", "198.51.100.1"))
	if want := "dev eth0"; !strings.Contains(def, want) {
		t.Errorf("the world is reached by %q, want %s", def, want)
	}
	ok(t, agent.Del(ctx, s, "eth1", confs["eth1"]))
	if _, err := s.Link("eth0"); err != nil {
		t.Errorf("eth0 went with eth1: %v", err)
	}
	ok(t, agent.Del(ctx, s, "eth0", confs["eth0"]))
	ok(t, agent.Settled(within(t, stateTime)))
}

func TestTheSameADDAgainAnswersTheSameAlsoAfterAKill(t *testing.T) {
	tn, ctx := tenant(t), within(t, stateTime)
	must[rig.Network](t)(tn.Network(ctx, "net", "10.12.0.0/24"))
	agent := newAgent(t, world.agents[0].Node, rig.AgentOptions{Cluster: "again"})
	conf := agent.Conf("net", map[string]any{"project": tn.Project})
	s := sandbox(t)
	first := must[[]byte](t)(agent.Add(ctx, s, "eth0", conf))
	second := must[[]byte](t)(agent.Add(ctx, s, "eth0", conf))
	ok(t, agent.Kill())
	ok(t, agent.Start(ctx))
	third := must[[]byte](t)(agent.Add(ctx, s, "eth0", conf))
	for _, again := range [][]byte{second, third} {
		if !sameJSON(t, first, again) {
			t.Errorf("answers differ:\n%s\n%s", first, again)
		}
	}
	ok(t, agent.Check(ctx, s, "eth0", conf.With(map[string]any{"prevResult": json.RawMessage(first)})))
	if n := len(must[[]ports.Port](t)(tn.Ports(ctx))); n != 1 {
		t.Errorf("%d ports for one attachment", n)
	}
	// The container's namespace dies, and it is started again under the same id.
	ok(t, s.Close())
	reborn := sandbox(t)
	reborn.ID = s.ID
	fourth := must[[]byte](t)(agent.Add(ctx, reborn, "eth0", conf))
	if a, b := result(t, first).IPs[0].Address.IP, result(t, fourth).IPs[0].Address.IP; !a.Equal(b) {
		t.Errorf("the restarted container has %s, it had %s", b, a)
	}
	// DEL without CNI_NETNS, twice, and of what never was.
	for range 2 {
		_, err := agent.Plugin(ctx, rig.Call{Command: "DEL", ContainerID: s.ID, IfName: "eth0", Stdin: conf.JSON()})
		ok(t, err)
	}
	_, err := agent.Plugin(ctx, rig.Call{Command: "DEL", ContainerID: "never-was", IfName: "eth0", Stdin: conf.JSON()})
	ok(t, err)
	ok(t, agent.Settled(within(t, stateTime)))
	if n := len(must[[]ports.Port](t)(tn.Ports(ctx))); n != 0 {
		t.Errorf("%d ports left", n)
	}
}

// newAgent starts an agent of the test's own, which ends with it.
func newAgent(t *testing.T, node *openstack.Node, o rig.AgentOptions) *rig.Agent {
	t.Helper()
	// The usual address of the metrics is the shared agent's.
	if o.Config == nil {
		o.Config = map[string]map[string]any{}
	}
	if o.Config["metrics"] == nil {
		o.Config["metrics"] = map[string]any{"address": ""}
	}
	a, err := world.StartAgent(within(t, stateTime), node, o)
	ok(t, err)
	t.Cleanup(func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("agent's log, its end:\n%s", logTail(a))
		}
	})
	return a
}

// logTail is the end of an agent's log, for a test that failed: the file goes
// with the test.
func logTail(a *rig.Agent) []byte {
	const size = 16 << 10
	b, err := os.ReadFile(a.LogFile())
	if err != nil {
		return []byte(err.Error())
	}
	return b[max(0, len(b)-size):]
}

func result(t *testing.T, b []byte) types100.Result {
	t.Helper()
	var r types100.Result
	ok(t, json.Unmarshal(b, &r))
	return r
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	ok(t, json.Unmarshal(a, &x))
	ok(t, json.Unmarshal(b, &y))
	return reflect.DeepEqual(x, y)
}

func TestOneOfTheLeastPrivilegeMayDoAllThatTheAgentNeeds(t *testing.T) {
	tn, ctx := tenant(t), within(t, stateTime)
	net := must[rig.Network](t)(tn.Network(ctx, "net", "10.13.0.0/24"))
	open := must[string](t)(tn.OpenGroup(ctx, "open"))
	must[*ports.Port](t)(tn.Port(ctx, "precious", net, open))
	agent := newAgent(t, world.agents[0].Node, rig.AgentOptions{Cloud: openstack.Least, Cluster: "least"})
	for name, more := range map[string]map[string]any{
		"plain":   {"securityGroups": []string{open}},
		"special": {"securityGroups": []string{open}, "fixedIPs": []string{"10.13.0.200"}, "mac": "fa:16:3e:00:13:00", "allowedAddressPairs": []any{map[string]any{"ipAddress": "10.13.0.201"}}},
		"open":    {"securityGroups": []string{}, "portSecurity": false},
		"adopted": {"port": "precious"},
	} {
		t.Run(name, func(t *testing.T) {
			s := sandbox(t)
			conf := agent.Conf("net", map[string]any{"project": tn.Project}, more)
			must[[]byte](t)(agent.Add(ctx, s, "eth0", conf))
			ok(t, agent.Del(ctx, s, "eth0", conf))
			ok(t, agent.Settled(within(t, stateTime)))
		})
	}
	member := newAgent(t, world.agents[0].Node, rig.AgentOptions{Cloud: openstack.Member, Cluster: "member"})
	_, err := member.Add(ctx, sandbox(t), "eth0", member.Conf(net.ID))
	if err == nil {
		t.Fatal("a plain member made a port on another project's network")
	}
	t.Logf("a plain member reads: %v", err)
}
