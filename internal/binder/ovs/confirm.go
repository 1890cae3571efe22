// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"fmt"

	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/fault"
)

// Confirm waits until the switch has taken what an earlier Bind of the same
// request made, as that Bind did or would have done. Errors: NotFound when the
// switch has nothing of it, Unavailable as from Bind.
func (b *Binder) Confirm(ctx context.Context, r binder.Request) error {
	if err := b.confirm(ctx, &r); err != nil {
		return fmt.Errorf("ovs: confirm port %s: %w", r.Lease.PortID, err)
	}
	return nil
}

func (b *Binder) confirm(ctx context.Context, r *binder.Request) error {
	c, err := b.session.connected(ctx)
	if err != nil {
		return err
	}
	p := plan{req: r, ovn: b.ready(c.theSwitch()) == ReadyOVN}
	for _, in := range c.ofPort(r.Lease.PortID) {
		if in.ExternalIDs[keyAttachment] != r.Attachment {
			continue
		}
		p.host.Name = in.Name
		if in.ExternalIDs[keyWired] != "" {
			if p.wire = c.wireOf(b.owner, r.Lease.PortID); p.wire == nil || !p.wire.fits(&r.Lease) {
				break
			}
		}
		w := b.session.watches.open(in.Name)
		defer w.stop()
		return b.awaitPlugged(ctx, &p, in.UUID, w)
	}
	return fault.New(fault.NotFound, "the switch has no interface of attachment %s on it", r.Attachment)
}
