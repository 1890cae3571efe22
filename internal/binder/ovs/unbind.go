// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"errors"
	"fmt"

	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/fault"
)

// Unbind removes the port from the bridge and then the veth. It needs neither
// the namespace nor the interface in it; what is gone already is a success.
// What is not Kuryr's, and what the port was bound to by another attachment
// since, is left alone.
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
		rowErr = b.unplugAll(ctx, c, name, r)
	}
	devErr := traced(ctx, spanDelete, name, func(context.Context) error { return b.deleteVeth(name, r.Attachment) })
	return errors.Join(rowErr, devErr)
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

// unplugAll removes the rows of r: that of the device, and any other with the
// port or the attachment.
func (b *Binder) unplugAll(ctx context.Context, c *conn, name string, r *binder.Ref) error {
	rows := append(c.ifacesWith(keyPort, r.PortID), c.ifacesWith(keyAttachment, r.Attachment)...)
	if in, ok := c.iface(name); ok {
		rows = append(rows, in)
	}
	done := make(map[string]bool)
	var errs []error
	for _, in := range rows {
		id := in.ExternalIDs[keyAttachment]
		if id == "" || done[in.UUID] || (r.Attachment != "" && id != r.Attachment) {
			continue
		}
		done[in.UUID] = true
		errs = append(errs, b.unplug(ctx, c, in))
	}
	return errors.Join(errs...)
}

// unplug removes an interface's port from its bridge.
func (b *Binder) unplug(ctx context.Context, c *conn, in *interfaceRow) error {
	port, ok := c.port(in.Name)
	if !ok {
		return fault.New(fault.Internal, "the database has an interface %s without a port of that name", in.Name)
	}
	return traced(ctx, spanTransact, in.Name, func(ctx context.Context) error {
		return b.session.removePort(ctx, in.Name, port.UUID)
	})
}
