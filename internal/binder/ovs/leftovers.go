// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"fmt"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// clear makes way for a port: rows and devices of the same port that an
// earlier crash or a reboot left are removed. (A device without a row is
// found when the new one is made.) Errors: Conflict when a row is not Kuryr's.
func (b *Binder) clear(ctx context.Context, p *plan) error {
	c, err := b.session.connected(ctx)
	if err != nil {
		return err
	}
	rows := c.ofPort(p.req.Lease.PortID)
	if in, ok := c.iface(p.host.Name); ok && portOf(in.ExternalIDs) != p.req.Lease.PortID {
		rows = append(rows, in)
	}
	for _, in := range rows {
		if in.ExternalIDs[keyAttachment] == "" {
			return fault.New(fault.Conflict, "the database has an interface %s of port %q already that is not Kuryr's",
				in.Name, portOf(in.ExternalIDs))
		}
		if err := b.removeLeftover(ctx, c, in); err != nil {
			return fmt.Errorf("remove leftover %s: %w", in.Name, err)
		}
	}
	return b.session.awaitSeen(ctx, p.host.Name, nearName(p.req.Lease.PortID))
}

// removeLeftover waits for ovs-vswitchd even where the removal alone would
// not need it: the name comes back at once.
func (b *Binder) removeLeftover(ctx context.Context, c *conn, in *interfaceRow) error {
	b.log.InfoContext(ctx, "leftover of an earlier attachment is replaced",
		"interface", in.Name, "attachment", in.ExternalIDs[keyAttachment])
	port, err := c.portOfInterface(in)
	if err != nil {
		return err
	}
	if err := b.removeAll(ctx, in.Name, []portRow{*port}); err != nil {
		return err
	}
	if err := b.session.awaitSeen(ctx, in.Name); err != nil {
		return err
	}
	return b.clearDevice(in.Name)
}
