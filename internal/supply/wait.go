// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"context"
	"time"

	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
)

// The pauses between two looks at a port's status: short at first, since
// Neutron needs some 200 ms, and then longer.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 2 * time.Second
)

// WaitActive implements agent.Supply. It is for nodes whose switch does not
// tell by itself that a port is wired.
func (d *Direct) WaitActive(ctx context.Context, l lease.Lease) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	status := "unknown"
	for pause := firstPause; ; pause = min(pause*3/2, lastPause) {
		select {
		case <-ctx.Done():
			e := fault.New(fault.Unavailable, "supply: port %s is not wired in time (status %s): %w", l.PortID, status, ctx.Err())
			e.Hint = "the OVN controller or Neutron agent of host " + d.options.Node + " must be alive, and see the interface"
			return e
		case <-timer.C:
		}
		port, err := d.client.Port(ctx, l.PortID)
		if err == nil {
			status = port.Status
		} else if !fault.Retryable(err) {
			return err
		}
		switch status {
		case "ACTIVE":
			return nil
		case "ERROR":
			return fault.New(fault.Unavailable, "supply: port %s has status ERROR: Neutron could not wire it", l.PortID)
		}
		timer.Reset(pause)
	}
}
