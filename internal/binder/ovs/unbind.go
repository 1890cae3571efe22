// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/kuryr-go/kuryr/internal/binder"
)

// Unbind removes the port from the switch, with the wire it hung on unless that
// is to be kept, and then the veth. It needs neither the namespace nor the interface in it; what is
// gone already is a success, so it may follow Unplug at any time. What is not
// Kuryr's, and what the port was bound to by another attachment or prewired
// for since, is left alone.
//
// Without a connection the veth is removed all the same and the error is
// Unavailable: the caller asks again for the rest.
func (b *Binder) Unbind(ctx context.Context, r binder.Ref) error {
	if err := b.unbind(ctx, &r); err != nil {
		return fmt.Errorf("ovs: unbind port %s of attachment %s: %w", r.PortID, r.Attachment, err)
	}
	return nil
}

func (b *Binder) unbind(ctx context.Context, r *binder.Ref) error {
	c, noConn := b.session.connected(ctx)
	name := deviceOf(c, r)
	if name == "" {
		return noConn
	}
	unlock, err := b.ports.lock(ctx, name)
	if err != nil {
		return fmt.Errorf("wait for another operation on the port: %w", err)
	}
	defer unlock()
	// The row first: ovs-vswitchd then lets go of the device instead of
	// finding it dead, and logging so. It is all done in a millisecond.
	rowErr := noConn
	if c != nil {
		rowErr = b.takeOut(ctx, c, name, r, false)
	}
	devErr := traced(ctx, spanDelete, name, func(context.Context) error { return b.deleteVeth(name, r.Attachment) })
	return errors.Join(rowErr, devErr)
}

// Unplug is the quick first half of Unbind, after which nothing passes any
// more and the port may be used again: it removes the port from the switch,
// and its wire too, though no sandbox hung on it, unless that is to be kept. The veth stays until Unbind,
// or until a Bind needs its place. What is gone already is a success. Without
// a connection the error is Unavailable and nothing was done.
func (b *Binder) Unplug(ctx context.Context, r binder.Ref) error {
	if err := b.unplug(ctx, &r); err != nil {
		return fmt.Errorf("ovs: unplug port %s of attachment %s: %w", r.PortID, r.Attachment, err)
	}
	return nil
}

func (b *Binder) unplug(ctx context.Context, r *binder.Ref) error {
	c, err := b.session.connected(ctx)
	if err != nil {
		return err
	}
	name := deviceOf(c, r)
	if name == "" {
		return nil
	}
	unlock, err := b.ports.lock(ctx, name)
	if err != nil {
		return fmt.Errorf("wait for another operation on the port: %w", err)
	}
	defer unlock()
	return b.takeOut(ctx, c, name, r, true)
}

// deviceOf is the host device of r; "" when nothing tells, and so nothing is
// there. c may be nil.
func deviceOf(c *conn, r *binder.Ref) string {
	if r.HostInterface != "" {
		return r.HostInterface
	}
	if r.PortID != "" {
		return hostName(r.PortID)
	}
	if c != nil {
		for _, in := range c.ifacesWith(keyAttachment, r.Attachment) {
			return in.Name
		}
	}
	return ""
}

// takeOut removes in one transaction the rows of r: that of the device, any
// other with the port or the attachment, and the wire that one of them hung
// on; with idle also a wire that none did.
func (b *Binder) takeOut(ctx context.Context, c *conn, name string, r *binder.Ref, idle bool) error {
	rows := append(c.ofPort(r.PortID), c.ifacesWith(keyAttachment, r.Attachment)...)
	if in, ok := c.iface(name); ok {
		rows = append(rows, in)
	}
	out := make(map[string]portRow)
	wires := make(map[string]bool)
	if idle && r.PortID != "" {
		wires[r.PortID] = true
	}
	var errs []error
	for _, in := range rows {
		id := in.ExternalIDs[keyAttachment]
		if id == "" {
			continue
		}
		if r.Attachment != "" && id != r.Attachment {
			// Whoever has the port now may hang on its wire.
			wires[portOf(in.ExternalIDs)] = false
			continue
		}
		port, err := c.portOfInterface(in)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out[port.UUID] = *port
		if _, known := wires[in.ExternalIDs[keyWired]]; !known {
			wires[in.ExternalIDs[keyWired]] = true
		}
	}
	if r.KeepWire {
		clear(wires)
	}
	ports := append(slices.Collect(maps.Values(out)), c.wirePorts(b.owner, wires)...)
	errs = append(errs, b.removeAll(ctx, name, ports))
	return errors.Join(errs...)
}

// wirePorts are the ports of the wires that are to go.
func (c *conn) wirePorts(o owner, toGo map[string]bool) []portRow {
	var out []portRow
	for portID, goes := range toGo {
		if w := c.wireOf(o, portID); goes && w != nil {
			out = append(out, w.ports...)
		}
	}
	return out
}

// removeAll removes ports from their bridges, if there are any.
func (b *Binder) removeAll(ctx context.Context, device string, ports []portRow) error {
	if len(ports) == 0 {
		return nil
	}
	return traced(ctx, spanTransact, device, func(ctx context.Context) error {
		return b.session.removePorts(ctx, ports...)
	})
}
