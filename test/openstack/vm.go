// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/mtu"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// VM is a virtual machine as far as the network can tell: a namespace wired as
// Nova wires one.
type VM struct {
	Name string `json:"name"`
	// ID is the ports' device_id, a UUID.
	ID string `json:"id"`
	// Node is the hypervisor's name.
	Node string `json:"node"`
	NICs []NIC  `json:"nics"`

	cloud *Cloud
}

// NIC is one of a VM's interfaces.
type NIC struct {
	// Name inside the VM ("eth0").
	Name string `json:"name"`
	// Port is the Neutron port's id, Tap the device on the hypervisor's switch.
	Port string `json:"port"`
	Tap  string `json:"tap"`
	MAC  string `json:"mac"`
	// MTU in bytes, the network's.
	MTU int `json:"mtu"`
	// Addresses are the port's, with their subnets' lengths; Gateways those of
	// the subnets that have one.
	Addresses []netip.Prefix `json:"addresses"`
	Gateways  []netip.Addr   `json:"gateways,omitempty"`
}

// Address is the VM's first address.
func (m *VM) Address() netip.Addr { return m.NICs[0].Addresses[0].Addr() }

// Netns is the VM's inside.
func (m *VM) Netns() Netns { return m.cloud.VMNetns(m.Name) }

// VMNetns is the namespace of a VM by its name.
func (c *Cloud) VMNetns(name string) Netns { return Netns{c.rec.Prefix + "-vm-" + name} }

var vmName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// BootVM makes a VM of existing ports, of any project: binds them to this
// hypervisor, makes a namespace with eth0, eth1... that have the ports' MACs
// and addresses, plugs them into the switch, and returns when every
// port is ACTIVE. The first port's gateways become the default routes. Name
// is one to forty lower case letters, digits and hyphens, unique in the cloud.
func (n *Node) BootVM(ctx context.Context, name string, ports ...string) (*VM, error) {
	m, err := n.plan(ctx, name, ports)
	if err != nil {
		return nil, err
	}
	if err := m.write(); err != nil {
		return nil, err
	}
	if err := n.boot(ctx, m); err != nil {
		return nil, errors.Join(err, m.Delete(context.WithoutCancel(ctx)))
	}
	return m, nil
}

// plan reads what is needed of the ports, and changes nothing.
func (n *Node) plan(ctx context.Context, name string, ports []string) (*VM, error) {
	c := n.cloud
	if !vmName.MatchString(name) {
		return nil, fault.InvalidField("name", "%q is not one to forty lower case letters, digits and hyphens", name)
	}
	if c.VMNetns(name).Exists() {
		return nil, fault.InvalidField("name", "VM %s exists", name)
	}
	if len(ports) == 0 {
		return nil, fault.InvalidField("ports", "VM %s needs one at least", name)
	}
	client, err := c.Network(ctx, Admin)
	if err != nil {
		return nil, err
	}
	m := &VM{Name: name, ID: newUUID(), Node: n.Name, cloud: c}
	for i, id := range ports {
		nic, err := planNIC(ctx, client, id)
		if err != nil {
			return nil, fmt.Errorf("openstack: boot VM %s: port %s: %w", name, id, err)
		}
		nic.Name = fmt.Sprintf("eth%d", i)
		m.NICs = append(m.NICs, nic)
	}
	return m, nil
}

func planNIC(ctx context.Context, client *gophercloud.ServiceClient, id string) (NIC, error) {
	p, err := getPort(ctx, client, id)
	if err != nil {
		return NIC{}, err
	}
	// The name is Nova's.
	nic := NIC{Port: id, Tap: "tap" + id[:11], MAC: p.MACAddress}
	var net struct {
		networks.Network
		mtu.NetworkMTUExt
	}
	if err := networks.Get(ctx, client, p.NetworkID).ExtractInto(&net); err != nil {
		return NIC{}, err
	}
	nic.MTU = net.MTU
	for _, ip := range p.FixedIPs {
		sub, err := subnets.Get(ctx, client, ip.SubnetID).Extract()
		if err != nil {
			return NIC{}, err
		}
		cidr, err := netip.ParsePrefix(sub.CIDR)
		if err != nil {
			return NIC{}, err
		}
		addr, err := netip.ParseAddr(ip.IPAddress)
		if err != nil {
			return NIC{}, err
		}
		nic.Addresses = append(nic.Addresses, netip.PrefixFrom(addr, cidr.Bits()))
		if gw, err := netip.ParseAddr(sub.GatewayIP); err == nil {
			nic.Gateways = append(nic.Gateways, gw)
		}
	}
	return nic, nil
}

// boot does what Nova and its VIF driver do.
func (n *Node) boot(ctx context.Context, m *VM) error {
	client, err := n.cloud.Network(ctx, Admin)
	if err != nil {
		return err
	}
	for _, nic := range m.NICs {
		if err := bindPort(ctx, client, nic.Port, n.Name, m.ID); err != nil {
			return fmt.Errorf("openstack: boot VM %s: %w", m.Name, err)
		}
	}
	if err := m.Netns().Make(); err != nil {
		return err
	}
	for i, nic := range m.NICs {
		if err := n.wire(m.Netns(), nic, i == 0); err != nil {
			return err
		}
		if err := n.plug(ctx, m, nic); err != nil {
			return err
		}
	}
	for _, nic := range m.NICs {
		// The switch tells when the flows are there; then Neutron is asked until it has heard.
		if _, err := n.Vsctl(ctx, "wait-until", "Interface", nic.Tap, "external_ids:ovn-installed=true"); err != nil {
			return fmt.Errorf("openstack: boot VM %s: wait for %s: %w", m.Name, nic.Tap, err)
		}
		if err := await(ctx, "port "+nic.Port, func(ctx context.Context) error { return portActive(ctx, client, nic.Port) }); err != nil {
			return err
		}
	}
	return nil
}

// plug adds the tap to the integration bridge with what ovn-controller looks for.
func (n *Node) plug(ctx context.Context, m *VM, nic NIC) error {
	_, err := n.Vsctl(ctx, "--may-exist", "add-port", "br-int", nic.Tap, "--", "set", "Interface", nic.Tap,
		"external_ids:iface-id="+nic.Port, "external_ids:iface-status=active",
		fmt.Sprintf("external_ids:attached-mac=%q", nic.MAC), "external_ids:vm-uuid="+m.ID)
	return err
}

// Delete removes the VM and unbinds its ports, which stay. What is gone
// already is no error.
func (m *VM) Delete(ctx context.Context) error {
	c := m.cloud
	if n := c.Node(m.Node); n != nil && n.Netns().Exists() {
		for _, nic := range m.NICs {
			if _, err := n.Vsctl(ctx, "--if-exists", "del-port", "br-int", nic.Tap); err != nil {
				return err
			}
			if err := n.Netns().deleteLink(nic.Tap); err != nil {
				return err
			}
		}
	}
	if err := c.discard(ctx, m.Netns()); err != nil {
		return err
	}
	client, err := c.Network(ctx, Admin)
	if err != nil {
		return err
	}
	for _, nic := range m.NICs {
		if err := bindPort(ctx, client, nic.Port, "", ""); err != nil && !gophercloud.ResponseCodeIs(err, 404) {
			return fmt.Errorf("openstack: delete VM %s: %w", m.Name, err)
		}
	}
	if err := os.Remove(m.file()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("openstack: delete VM %s: %w", m.Name, err)
	}
	return nil
}

func (m *VM) file() string { return m.cloud.path("vms", m.Name+".json") }

func (m *VM) write() error {
	if err := os.MkdirAll(m.cloud.path("vms"), 0o755); err != nil {
		return fmt.Errorf("openstack: boot VM %s: %w", m.Name, err)
	}
	return writeJSON(m.file(), m)
}

// VM finds a VM by its name, whichever process has booted it.
func (c *Cloud) VM(name string) (*VM, error) {
	m := &VM{Name: name, cloud: c}
	b, err := os.ReadFile(m.file())
	if errors.Is(err, os.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "openstack: no VM %q", name)
	}
	if err == nil {
		err = json.Unmarshal(b, m)
	}
	if err != nil {
		return nil, fmt.Errorf("openstack: find VM %s: %w", name, err)
	}
	return m, nil
}
