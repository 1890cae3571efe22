// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// Physnet is the provider network's name for Neutron; every hypervisor maps
// it to its bridge br-ex.
const Physnet = "physnet1"

// Node is a hypervisor: an Open vSwitch under ovn-controller in a network
// namespace of its own.
type Node struct {
	// Name is what binding:host_id must say; it is also the chassis's system-id.
	Name   string
	number int
	cloud  *Cloud
}

// Part is one of a hypervisor's programs.
type Part string

// The parts.
const (
	OVSDB      Part = "ovsdb"
	Vswitchd   Part = "vswitchd"
	Controller Part = "controller"
)

func (c *Cloud) node(number int) *Node {
	return &Node{Name: "node" + strconv.Itoa(number), number: number, cloud: c}
}

// Netns is the hypervisor's network namespace.
func (n *Node) Netns() Netns { return Netns{n.cloud.rec.Prefix + "-n" + strconv.Itoa(n.number)} }

// Management is its address on the network of the APIs, Tunnel the one that carries geneve.
func (n *Node) Management() netip.Addr { return nth(managementNet, 10+n.number).Addr() }

// Tunnel is its address on the underlay of the tenant networks.
func (n *Node) Tunnel() netip.Addr { return nth(tunnelNet, 10+n.number).Addr() }

// OVSDB is the address of its Open vSwitch database, as ovs-vsctl's --db takes it.
func (n *Node) OVSDB() string { return "unix:" + n.file("db.sock") }

func (n *Node) file(name string) string { return n.cloud.path(n.Name, name) }

// Service is the name of a part among Status's.
func (n *Node) Service(p Part) string { return n.Name + "-" + string(p) }

// Vsctl runs ovs-vsctl on the hypervisor and gives its output.
func (n *Node) Vsctl(ctx context.Context, args ...string) (string, error) {
	return tool(ctx, "ovs-vsctl", append([]string{"--db=" + n.OVSDB()}, args...)...)
}

// Command prepares a command with what Open vSwitch's own tools (ovs-ofctl,
// ovs-appctl) need to find this hypervisor's switch. Start it with Netns().Start.
func (n *Node) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program(name), args...)
	cmd.Env = environment(n.env()...)
	return cmd
}

// Stop ends a part in the orderly way. It stays so until Start or Up.
func (n *Node) Stop(ctx context.Context, p Part) error { return n.cloud.Stop(ctx, n.Service(p)) }

// Start starts a part and waits until it does its work.
func (n *Node) Start(ctx context.Context, p Part) error { return n.cloud.Start(ctx, n.Service(p)) }

// Kill ends a part with SIGKILL.
func (n *Node) Kill(ctx context.Context, p Part) error { return n.cloud.Kill(ctx, n.Service(p)) }

// RestartOVSDB kills the hypervisor's ovsdb-server and starts it again. The
// packets of what is bound go on; sessions of its clients break.
func (n *Node) RestartOVSDB(ctx context.Context) error {
	if err := n.Kill(ctx, OVSDB); err != nil {
		return err
	}
	return n.Start(ctx, OVSDB)
}

// env keeps Open vSwitch's and OVN's programs in the node's directory.
func (n *Node) env() []string {
	dir := n.file("")
	return []string{
		"OVS_RUNDIR=" + dir, "OVS_LOGDIR=" + dir, "OVS_DBDIR=" + dir, "OVS_SYSCONFDIR=" + dir,
		"OVN_RUNDIR=" + dir, "OVN_DBDIR=" + dir,
	}
}

func (n *Node) services() []service {
	all := []service{
		{name: n.Service(OVSDB), after: n.identify, ready: accepts(n.file("db.sock")), argv: []string{
			"ovsdb-server",
			"--unixctl=" + n.file("ovsdb.ctl"), "--remote=punix:" + n.file("db.sock"), n.file("conf.db"),
		}},
		{name: n.Service(Vswitchd), after: n.bridge, argv: []string{"ovs-vswitchd", "--unixctl=" + n.file("vswitchd.ctl"), n.OVSDB()}},
		{name: n.Service(Controller), after: n.enrol, argv: []string{"ovn-controller", n.OVSDB()}},
	}
	for i := range all {
		all[i].argv = append(all[i].argv, ovsLog...)
		all[i].env, all[i].netns, all[i].grace = n.env(), n.Netns(), 2*time.Second
	}
	return all
}

// start makes the hypervisor's namespace and cables and starts its programs,
// as far as they are missing.
func (n *Node) start(ctx context.Context) error {
	if err := os.MkdirAll(n.file(""), 0o755); err != nil {
		return fmt.Errorf("openstack: start %s: %w", n.Name, err)
	}
	if err := n.Netns().Make(); err != nil {
		return err
	}
	for dev, bridge := range map[string]string{"mgmt0": bridgeManagement, "ul0": bridgeTunnel, "ex0": bridgeProvider} {
		if err := n.cloud.cable(n.Netns(), dev, bridge, bridge+strconv.Itoa(n.number)); err != nil {
			return err
		}
	}
	if err := n.Netns().setAddress("mgmt0", nth(managementNet, 10+n.number)); err != nil {
		return err
	}
	if err := createDatabase(ctx, n.file("conf.db"), "/usr/share/openvswitch/vswitch.ovsschema"); err != nil {
		return err
	}
	for _, s := range n.services() {
		if err := n.cloud.start(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// identify tells the database what ovn-controller needs to know.
func (n *Node) identify(ctx context.Context) error {
	if _, err := n.Vsctl(ctx, "--no-wait", "init"); err != nil {
		return err
	}
	set := []string{"--no-wait", "set", "Open_vSwitch", "."}
	for k, v := range map[string]string{
		"system-id":                   n.Name,
		"hostname":                    n.Name,
		"ovn-remote":                  n.cloud.SBDB(),
		"ovn-encap-type":              "geneve",
		"ovn-encap-ip":                n.Tunnel().String(),
		"ovn-bridge-datapath-type":    "netdev",
		"ovn-bridge-mappings":         Physnet + ":br-ex",
		"ovn-cms-options":             "enable-chassis-as-gw",
		"ovn-monitor-all":             "true",
		"ovn-openflow-probe-interval": "0",
	} {
		set = append(set, fmt.Sprintf("external-ids:%s=%q", k, v))
	}
	_, err := n.Vsctl(ctx, set...)
	return err
}

// bridge makes the bridges; ovs-vsctl returns when ovs-vswitchd has made them
// too. The userspace tunnels' own address must be on a bridge's local port,
// and goes with ovs-vswitchd.
func (n *Node) bridge(ctx context.Context) error {
	if _, err := n.Vsctl(ctx,
		"--may-exist", "add-br", "br-ul", "--", "set", "Bridge", "br-ul", "datapath_type=netdev", "fail_mode=standalone",
		"--", "--may-exist", "add-br", "br-ex", "--", "set", "Bridge", "br-ex", "datapath_type=netdev", "fail_mode=standalone",
		"--", "--may-exist", "add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev", "fail_mode=secure",
		"other-config:disable-in-band=true",
		"--", "--may-exist", "add-port", "br-ul", "ul0", "--", "--may-exist", "add-port", "br-ex", "ex0"); err != nil {
		return err
	}
	// Not told by ovs-vsctl, whose wait counts configurations: after a restart
	// nothing in the database changes.
	if err := await(ctx, "br-ul of "+n.Name, func(context.Context) error { return n.hasLink("br-ul") }); err != nil {
		return err
	}
	return n.Netns().setAddress("br-ul", nth(tunnelNet, 10+n.number))
}

func (n *Node) hasLink(name string) error {
	h, err := n.Netns().handle()
	if err != nil {
		return err
	}
	defer h.Close()
	_, err = h.LinkByName(name)
	return err
}

// enrol waits for the chassis's record and copies into it what Debian's
// Neutron looks for at the place of older versions of OVN: without the mapping,
// flat and vlan ports do not bind; without the option, no gateway is put here.
func (n *Node) enrol(ctx context.Context) error {
	if _, err := n.cloud.sbctl(ctx, "wait-until", "Chassis", n.Name, "name="+n.Name); err != nil {
		return err
	}
	if n.cloud.rec.Embedded {
		return nil
	}
	_, err := n.cloud.sbctl(ctx, "set", "Chassis", n.Name,
		"external_ids:ovn-bridge-mappings="+Physnet+":br-ex",
		"external_ids:ovn-cms-options=enable-chassis-as-gw",
		"external_ids:datapath-type=netdev")
	return err
}

// AddNode starts one more hypervisor, with the smallest free number, and
// returns when Neutron takes it for alive.
func (c *Cloud) AddNode(ctx context.Context) (*Node, error) {
	var n *Node
	err := c.locked(ctx, func() error {
		if err := c.refresh(); err != nil {
			return err
		}
		number := 1
		for slices.Contains(c.rec.Nodes, number) {
			number++
		}
		if number > MaxNodes {
			return fault.New(fault.Quota, "openstack: add a hypervisor: there are %d", MaxNodes)
		}
		if err := c.setNodes(append(slices.Clone(c.rec.Nodes), number)); err != nil {
			return err
		}
		n = c.node(number)
		if err := n.start(ctx); err != nil {
			return err
		}
		return c.followChassis(ctx)
	})
	return n, err
}

// Remove takes the hypervisor out of the cloud: its programs, its chassis, its
// namespace and its files. VMs on it lose their network; delete them before.
func (n *Node) Remove(ctx context.Context) error {
	c := n.cloud
	return c.locked(ctx, func() error {
		if err := c.refresh(); err != nil {
			return err
		}
		if err := n.stop(ctx); err != nil {
			return err
		}
		if err := c.forgetChassis(ctx, n.Name); err != nil {
			return err
		}
		if err := c.forgetAgent(ctx, n.Name); err != nil {
			return err
		}
		if err := c.discard(ctx, n.Netns()); err != nil {
			return err
		}
		if err := os.RemoveAll(n.file("")); err != nil {
			return fmt.Errorf("openstack: remove %s: %w", n.Name, err)
		}
		return c.setNodes(slices.DeleteFunc(slices.Clone(c.rec.Nodes), func(i int) bool { return i == n.number }))
	})
}

// stop ends the hypervisor's programs, the last started first.
func (n *Node) stop(ctx context.Context) error {
	all := n.services()
	slices.Reverse(all)
	for _, s := range all {
		if err := n.cloud.procs.stop(ctx, s.name, s.grace); err != nil {
			return err
		}
	}
	return nil
}

// refresh reads the hypervisors that another process has added or removed.
func (c *Cloud) refresh() error {
	rec, err := readRecord(c.dir)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rec.Nodes, c.rec.Ready = rec.Nodes, rec.Ready
	return nil
}

func (c *Cloud) setNodes(numbers []int) error {
	slices.Sort(numbers)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rec.Nodes = numbers
	return c.rec.write(c.dir)
}

// unixctl finds the control socket of a part, for ovs-appctl's -t.
func (n *Node) unixctl(p Part) (string, error) {
	if p != Controller {
		return n.file(string(p) + ".ctl"), nil
	}
	leaders, err := n.cloud.procs.leaders()
	if err != nil {
		return "", err
	}
	return filepath.Join(n.file(""), fmt.Sprintf("ovn-controller.%d.ctl", leaders[n.Service(p)])), nil
}

// Appctl runs ovs-appctl on a part ("dpctl/dump-conntrack" on Vswitchd).
func (n *Node) Appctl(ctx context.Context, p Part, args ...string) (string, error) {
	ctl, err := n.unixctl(p)
	if err != nil {
		return "", err
	}
	return tool(ctx, "ovs-appctl", append([]string{"-t", ctl}, args...)...)
}
