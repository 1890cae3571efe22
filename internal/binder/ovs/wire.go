// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/kuryr-go/kuryr/internal/lease"
)

// wire is a port made ready before any sandbox needs it: two patch ports,
// joined to each other. The near end, in the integration bridge, has the
// port's iface-id, so OVN's flows are about it. The far end, in the owner's
// own bridge, is an access port of a VLAN that nothing else is in. A sandbox's
// interface becomes the VLAN's second port, and nobody needs to be asked.
type wire struct {
	near, far *interfaceRow
	// tag is the far end's VLAN.
	tag int
	// ports are the rows to remove, whatever is there of the two.
	ports []portRow
	// listed tells that the rows are the replica's, not inserted just now.
	listed bool
}

// holdPort keeps others off a port until unlock is called, and gives the
// connection to ovsdb-server.
func (b *Binder) holdPort(ctx context.Context, portID string) (c *conn, unlock func(), err error) {
	if unlock, err = b.ports.lock(ctx, hostName(portID)); err != nil {
		return nil, nil, fmt.Errorf("wait for another operation on the port: %w", err)
	}
	if c, err = b.session.connected(ctx); err != nil {
		unlock()
		return nil, nil, err
	}
	return c, unlock, nil
}

// nearName is the near end's name.
func nearName(portID string) string { return "kp" + shortID(portID) }

// farName is the far end's name. It is made of the tag, not of the port: so
// the database itself refuses a second far end with the same tag.
func (o owner) farName(tag int) string { return fmt.Sprintf("%s%d", o.prefix, tag) }

// wireOf finds what there is of a port's wire; nil: nothing. An end that
// another agent left, before cluster or node were renamed, is among the ports
// to remove and else counts for nothing.
func (c *conn) wireOf(o owner, portID string) *wire {
	w := wire{listed: true}
	for _, in := range c.ifacesWith(keyWire, portID) {
		port, ok := c.port(in.Name)
		if !ok {
			continue
		}
		w.ports = append(w.ports, *port)
		switch {
		case !o.made(in.ExternalIDs):
		case in.Name == nearName(portID):
			w.near = in
		case port.Tag != nil && in.Name == o.farName(*port.Tag):
			w.far, w.tag = in, *port.Tag
		}
	}
	if len(w.ports) == 0 {
		return nil
	}
	return &w
}

// whole reports whether both ends are there, and nothing is wrong with them.
func (w *wire) whole() bool {
	return len(w.ports) == 2 && w.near != nil && w.far != nil && w.near.failure() == "" && w.far.failure() == ""
}

// fits reports whether the wire is whole and l's.
func (w *wire) fits(l *lease.Lease) bool {
	return w.whole() && w.near.ExternalIDs[keyPort] == l.PortID && w.near.ExternalIDs[keyMAC] == l.MAC
}

// wires are the ports of o that have a wire, or one end of it.
func (c *conn) wires(o owner) []string {
	found := make(map[string]bool)
	for _, in := range interfaceRows(c.cache.Table(tableInterface).RowsShallow()) {
		if id := in.ExternalIDs[keyWire]; id != "" && o.made(in.ExternalIDs) {
			found[id] = true
		}
	}
	return slices.Collect(maps.Keys(found))
}

// findWire gives the plan the port's wire. One that cannot be used is removed:
// OVN must not find two interfaces of one port.
func (b *Binder) findWire(ctx context.Context, p *plan) error {
	c, err := b.session.connected(ctx)
	if err != nil {
		return err
	}
	w := c.wireOf(b.owner, p.req.Lease.PortID)
	switch {
	case w == nil:
		return nil
	case p.ovn && w.fits(&p.req.Lease):
		p.wire = w
		return nil
	}
	b.log.InfoContext(ctx, "wire of a port cannot be used and is removed", "port", p.req.Lease.PortID)
	return b.dropWire(ctx, w)
}

// dropWire removes what there is of a wire and waits until ovs-vswitchd has
// seen it.
func (b *Binder) dropWire(ctx context.Context, w *wire) error {
	if err := b.session.removePorts(ctx, w.ports...); err != nil {
		return fmt.Errorf("remove wire: %w", err)
	}
	for _, p := range w.ports {
		if err := b.session.awaitSeen(ctx, p.Name); err != nil {
			return err
		}
	}
	return nil
}

// awaitWire waits until both ends of a wire are taken and the port's flows are
// in place.
func (b *Binder) awaitWire(ctx context.Context, l *lease.Lease, w *wire) error {
	for _, a := range []awaited{
		{lease: l, name: w.far.Name, row: w.far.UUID, seen: w.listed},
		{lease: l, name: w.near.Name, row: w.near.UUID, seen: w.listed, ovn: true},
	} {
		if in, _ := b.look(a.name, a.row); in != nil && in.taken(a.ovn) {
			continue
		}
		poked := b.session.watches.open(a.name)
		err := b.awaitSwitch(ctx, a, poked)
		poked.stop()
		if err != nil {
			return err
		}
	}
	return nil
}
