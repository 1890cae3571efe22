// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"fmt"
	"slices"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// Unwire removes a port's wire, before the port is given back; one that is
// gone is a success. One that a sandbox hangs on stays: no order of events may
// cut a running container off; its Unbind removes both. Errors: Conflict then,
// Unavailable without a connection.
func (b *Binder) Unwire(ctx context.Context, portID string) error {
	if err := b.unwire(ctx, portID); err != nil {
		return fmt.Errorf("ovs: unwire port %s: %w", portID, err)
	}
	return nil
}

func (b *Binder) unwire(ctx context.Context, portID string) error {
	c, unlock, err := b.holdPort(ctx, portID)
	if err != nil {
		return err
	}
	defer unlock()
	w := c.wireOf(b.owner, portID)
	if w == nil {
		return nil
	}
	if on := c.ofPort(portID); len(on) > 0 {
		return fault.New(fault.Conflict, "interface %s of a sandbox hangs on the wire", on[0].Name)
	}
	return b.removeAll(ctx, nearName(portID), w.ports)
}

// Wires lists the ports that have a wire of this cluster and node, sorted by
// id, whether a sandbox hangs on it or not. Errors: Unavailable without a connection.
func (b *Binder) Wires(ctx context.Context) ([]string, error) {
	c, err := b.session.connected(ctx)
	if err != nil {
		return nil, fmt.Errorf("ovs: list wires: %w", err)
	}
	ids := c.wires(b.owner)
	slices.Sort(ids)
	return ids, nil
}
