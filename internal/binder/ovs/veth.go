// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kuryr-go/kuryr/internal/binder/sandbox"
	"github.com/kuryr-go/kuryr/internal/fault"
)

// hostMAC makes the host end's MAC. Nothing needs to know it, and the
// container must not (see closeHost), so it is random behind the highest
// locally administered byte, which keeps it from becoming the bridge's own
// (OVS takes the lowest of its ports; libvirt does likewise).
func hostMAC() net.HardwareAddr {
	mac := make(net.HardwareAddr, 6)
	_, _ = rand.Read(mac)
	mac[0] = 0xfe
	return mac
}

// createVeth makes the host end, up, with its peer in the sandbox, and marks
// it. A host end of the same name that is Kuryr's is replaced. When the error
// is not nil nothing is left.
//
// One at a time: the kernel's RTNL lock lets no two through anyway, and those
// that write disable_ipv6 meanwhile do not sleep for it but spin.
func (b *Binder) createVeth(p *plan, box *sandbox.Sandbox) error {
	b.creating.Lock()
	defer b.creating.Unlock()
	err := b.addVeth(p, box)
	for _, makeRoom := range []func() error{
		func() error { return b.clearDevice(p.host.Name) },
		func() error { return b.clearUnplugged(p.config.Name, box) },
	} {
		if !errors.Is(err, unix.EEXIST) {
			break
		}
		if err = makeRoom(); err == nil {
			err = b.addVeth(p, box)
		}
	}
	switch {
	case errors.Is(err, unix.EEXIST):
		return fault.New(fault.Conflict, "the sandbox has an interface %s already", p.config.Name)
	case errors.Is(err, unix.EPERM):
		e := fault.New(fault.Internal, "create veth %s: %w", p.host.Name, err)
		e.Hint = "the agent needs CAP_NET_ADMIN here and CAP_SYS_ADMIN in the sandbox"
		return e
	case err != nil:
		return fmt.Errorf("create veth %s with peer %s: %w", p.host.Name, p.config.Name, err)
	}
	if err := b.prepareHost(p); err != nil {
		_ = b.deleteVeth(p.host.Name, "")
		return err
	}
	return nil
}

func (b *Binder) addVeth(p *plan, box *sandbox.Sandbox) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = p.host.Name
	attrs.MTU = p.host.MTU
	attrs.HardwareAddr = p.hostMAC
	attrs.Group = b.owner.group
	attrs.Flags = net.FlagUp
	veth := netlink.NewVeth(attrs)
	veth.PeerName = p.config.Name
	veth.PeerHardwareAddr = p.config.MAC
	veth.PeerMTU = uint32(p.config.MTU)
	veth.PeerNamespace = netlink.NsFd(box.FD())
	err := b.host.LinkAdd(veth)
	p.hostIndex = veth.Index
	return err
}

// prepareHost does to the host end what its creation cannot.
func (b *Binder) prepareHost(p *plan) error {
	link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: p.host.Name, Index: p.hostIndex}}
	if err := b.host.LinkSetAlias(link, aliasPrefix+p.req.Attachment); err != nil {
		return fmt.Errorf("set alias of %s: %w", p.host.Name, err)
	}
	if err := closeHost(p.host.Name); err != nil {
		b.log.Warn("the node itself answers on a host device", "interface", p.host.Name, "error", err)
	}
	return nil
}

// closeHost keeps the node's own IP stack off a host device. The kernel
// datapath does that by itself; the userspace datapath only listens beside
// it, and a container could reach the node past all security groups. So the
// device answers no ARP, takes nothing that is not for its MAC, which it never
// shows, and speaks no IPv6.
func closeHost(name string) error {
	var errs []error
	for _, s := range []struct{ dir, key, value string }{
		{"ipv6", "disable_ipv6", "1"},
		{"ipv4", "arp_ignore", "8"},
		{"ipv4", "drop_unicast_in_l2_multicast", "1"},
	} {
		path := filepath.Join("/proc/sys/net", s.dir, "conf", name, s.key)
		if err := os.WriteFile(path, []byte(s.value), 0); err != nil && (s.dir != "ipv6" || !errors.Is(err, os.ErrNotExist)) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// clearDevice removes a host device that stands in the way. Errors: Conflict
// when it is not Kuryr's.
func (b *Binder) clearDevice(name string) error {
	link, err := b.findLink(name)
	if link == nil {
		return err
	}
	if !b.owner.owns(link, "") {
		return fault.New(fault.Conflict, "the node has a device %s already that is not Kuryr's (%s)", name, link.Type())
	}
	return b.deleteVeth(name, "")
}

// clearUnplugged removes the sandbox's interface of a name when it is the end
// of a veth that was unplugged and still waits for its Unbind. Anything else
// is left alone: the name stays taken.
func (b *Binder) clearUnplugged(name string, box *sandbox.Sandbox) error {
	var inside netlink.Link
	err := box.Do(func(h *netlink.Handle) (err error) {
		inside, err = linkByName(h, name)
		return err
	})
	if err != nil || inside == nil || inside.Type() != "veth" {
		return err
	}
	host, err := b.host.LinkByIndex(inside.Attrs().ParentIndex)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look up the other end of %s: %w", name, err)
	}
	// Indexes are a namespace's own: the device of that index is the other end
	// only if it says the same.
	a := host.Attrs()
	if a.ParentIndex != inside.Attrs().Index || a.Group != b.owner.group || !b.owner.owns(host, "") || b.isPlugged(a.Name) {
		return nil
	}
	// By its index: its name may be another's by now.
	if err := b.host.LinkDel(host); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("delete %s: %w", a.Name, err)
	}
	return nil
}

// isPlugged tells whether a device is in a bridge, as far as is known, or a
// Bind is just about to put it there.
func (b *Binder) isPlugged(name string) bool {
	if _, soon := b.wiring.Load(name); soon {
		return true
	}
	c, err := b.session.current()
	if err != nil {
		return true
	}
	_, ok := c.iface(name)
	return ok && !b.session.removals.isUnseen(name)
}

// deleteVeth removes a host device, and with it its peer, if it is Kuryr's
// and, unless attachment is empty, that attachment's. Anything else is left
// alone; a device that is gone is a success.
//
// The kernel answers when all its CPUs have let go of the device, some 20 ms.
// Many can wait for that together, each on a socket of its own.
func (b *Binder) deleteVeth(name, attachment string) error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer h.Close()
	link, err := linkByName(h, name)
	if link == nil {
		return err
	}
	if !b.owner.owns(link, attachment) {
		b.log.Debug("device is not this attachment's, left alone", "interface", name, "attachment", attachment)
		return nil
	}
	if err := h.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return nil
}

// owns reports whether a device is a host end of Kuryr's and, unless
// attachment is empty, of that attachment. One without an alias is of a Bind
// that was cut short right after it made it.
func (o owner) owns(link netlink.Link, attachment string) bool {
	if link.Type() != "veth" {
		return false
	}
	a := link.Attrs()
	if a.Alias == "" {
		return a.Group == o.group
	}
	id := attachmentOf(a.Alias)
	return id != "" && (attachment == "" || id == attachment)
}

// findLink looks a device of the node up; nil without an error when there is none.
func (b *Binder) findLink(name string) (netlink.Link, error) {
	return linkByName(b.host, name)
}

func linkByName(h *netlink.Handle, name string) (netlink.Link, error) {
	link, err := h.LinkByName(name)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up device %s: %w", name, err)
	}
	return link, nil
}
