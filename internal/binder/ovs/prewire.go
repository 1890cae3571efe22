// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"fmt"

	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
)

// Prewire makes a port that no sandbox uses yet ready in the switch, so that
// its Bind need not wait for OVN: it returns when OVN's flows are in place. A
// right wire that is there already is kept, any other replaced. done is false
// where there is nothing to gain or nothing to join: without OVN, or while the
// integration bridge lacks.
//
// When the error is not nil the wire is removed again, unless a sandbox hangs
// on it; one that cannot be removed because the database went is in Wires.
// Errors, by class: Conflict (the port is bound without a wire, or something
// of a wire's name is not Kuryr's), Quota (all VLAN tags of the bridge are
// used), Unavailable (no database, or the switch did not take the wire before
// ctx ended).
func (b *Binder) Prewire(ctx context.Context, l lease.Lease) (done bool, err error) {
	if done, err = b.prewire(ctx, &l); err != nil {
		return false, fmt.Errorf("ovs: prewire port %s: %w", l.PortID, err)
	}
	return done, nil
}

func (b *Binder) prewire(ctx context.Context, l *lease.Lease) (bool, error) {
	if l.PortID == "" {
		return false, fault.New(fault.Internal, "lease without a port")
	}
	c, unlock, err := b.holdPort(ctx, l.PortID)
	if err != nil {
		return false, err
	}
	defer unlock()
	bridge := bridgeOf(c, l)
	br, ok := c.bridge(bridge)
	if !ok || b.ready(c.theSwitch()) != ReadyOVN {
		return false, nil
	}
	if err := b.session.awaitSeen(ctx, nearName(l.PortID)); err != nil {
		return false, err
	}
	if err := b.checkFree(c, l); err != nil {
		return false, err
	}
	if err := b.ensureBridge(ctx, br); err != nil {
		return false, err
	}
	w, err := b.keepWire(ctx, c, l, bridge)
	if err == nil && w == nil {
		return b.makeWire(ctx, c, l, bridge)
	}
	if err == nil {
		err = b.awaitWire(ctx, l, w)
	}
	if err != nil {
		return false, b.undoWire(ctx, l, err)
	}
	return true, nil
}

// checkFree refuses what would give OVN two interfaces of one port, or take
// somebody else's.
func (b *Binder) checkFree(c *conn, l *lease.Lease) error {
	for _, in := range c.ofPort(l.PortID) {
		if in.ExternalIDs[keyPort] != "" || !b.owner.marked(in.ExternalIDs) {
			return fault.New(fault.Conflict, "the port is bound already, to interface %s", in.Name)
		}
	}
	in, ok := c.iface(nearName(l.PortID))
	if ok && in.ExternalIDs[keyWire] != l.PortID {
		return fault.New(fault.Conflict, "the database has an interface %s already that is not this port's", in.Name)
	}
	return nil
}

// keepWire gives the port's wire when it is right, and removes one that is
// wrong. The server is asked for what the replica does not hold.
func (b *Binder) keepWire(ctx context.Context, c *conn, l *lease.Lease, bridge string) (*wire, error) {
	w := c.wireOf(b.owner, l.PortID)
	if w == nil {
		return nil, nil
	}
	if w.fits(l) {
		joined, err := b.session.holds(ctx, w.facts(bridge, b.owner.bridge)...)
		if err != nil || joined {
			return w, err
		}
	}
	b.log.InfoContext(ctx, "wire of a port is not right and is replaced", "port", l.PortID)
	return nil, b.dropWire(ctx, w)
}

// makeWire adds a wire to the database and waits for the switch.
func (b *Binder) makeWire(ctx context.Context, c *conn, l *lease.Lease, bridge string) (bool, error) {
	tag, release, err := b.reserveTag(c, l.PortID)
	if err != nil {
		return false, err
	}
	defer release()
	near := newPort{bridge: bridge, name: nearName(l.PortID), ids: b.owner.nearIDs(l), peer: b.owner.farName(tag)}
	far := newPort{bridge: b.owner.bridge, name: b.owner.farName(tag), ids: b.owner.wireIDs(l.PortID), peer: near.name, tag: tag}
	var made []inserted
	err = traced(ctx, spanTransact, near.name, func(ctx context.Context) error {
		made, err = b.session.insertPorts(ctx, near, far)
		return err
	})
	if err == nil {
		err = b.awaitWire(ctx, l, &wire{
			near: &interfaceRow{UUID: made[0].iface, Name: near.name},
			far:  &interfaceRow{UUID: made[1].iface, Name: far.name},
		})
	}
	if err != nil {
		return false, b.undoWire(ctx, l, err, made...)
	}
	return true, nil
}

// undoWire removes the wire of a failed Prewire: the two ports made, or
// else what the replica knows of. One that a sandbox hangs on stays, whole or
// not: it may yet come to life, and is worth no less than none.
func (b *Binder) undoWire(ctx context.Context, l *lease.Lease, cause error, made ...inserted) error {
	c, err := b.session.current()
	if err != nil || len(c.ofPort(l.PortID)) > 0 {
		return cause
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	var ports []portRow
	if w := c.wireOf(b.owner, l.PortID); w != nil {
		ports = w.ports
	}
	if len(made) == 2 {
		ports = []portRow{{UUID: made[0].port, Name: made[0].name}, {UUID: made[1].port, Name: made[1].name}}
	}
	if err := b.session.removePorts(ctx, ports...); err != nil {
		return fmt.Errorf("%w; undoing it failed: %w", cause, err)
	}
	return cause
}
