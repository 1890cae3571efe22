// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
	"github.com/kuryr-go/kuryr/internal/neutron"
)

// Release implements agent.Supply. A port that carries another device_id than
// the lease's is not ours any more, and left alone.
func (d *Direct) Release(ctx context.Context, l lease.Lease) error {
	if l.Adopted != nil {
		return d.giveBack(ctx, l)
	}
	port, err := d.leased(ctx, l)
	if port == nil || err != nil {
		return err
	}
	return d.delete(ctx, port.ID)
}

// leased gives the port of a lease, or nil when there is none any more.
func (d *Direct) leased(ctx context.Context, l lease.Lease) (*neutron.Port, error) {
	ports, err := d.client.Ports(ctx, neutron.PortFilter{IDs: []string{l.PortID}})
	if err != nil || len(ports) == 0 {
		return nil, err
	}
	if ports[0].DeviceID != l.DeviceID {
		d.options.Logger.Warn("port not released: it belongs to somebody else now",
			"port", describePort(ports[0]), "attachment", l.DeviceID)
		return nil, nil
	}
	return &ports[0], nil
}

// giveBack restores an adopted port as it was.
func (d *Direct) giveBack(ctx context.Context, l lease.Lease) error {
	for try := 1; ; try++ {
		port, err := d.leased(ctx, l)
		if port == nil || err != nil {
			return err
		}
		_, err = d.client.UpdatePort(ctx, port.ID, neutron.PortUpdate{
			DeviceID: &l.Adopted.DeviceID, DeviceOwner: &l.Adopted.DeviceOwner, HostID: &l.Adopted.Host, IfRevision: &port.Revision,
		})
		switch {
		case fault.Is(err, fault.NotFound):
			return nil
		case !fault.Is(err, fault.Conflict) || try == maxRaces:
			return err
		}
	}
}

// delete deletes a port of ours; one that is gone is a success.
func (d *Direct) delete(ctx context.Context, id string) error {
	if err := d.client.DeletePort(ctx, id); !fault.Is(err, fault.NotFound) {
		return err
	}
	return nil
}

// Reclaim implements agent.Supply. It finds the ports that this cluster made
// for the attachment; an adopted port is given back by Release.
//
// A create of this process that is still under way is waited for. One that an
// earlier process sent before it was killed cannot be known of: then nothing
// found is final only when the request timeout has passed since.
func (d *Direct) Reclaim(ctx context.Context, attachment string) (found bool, err error) {
	if err := d.creating.settle(ctx, attachment); err != nil {
		return false, err
	}
	ports, err := d.client.Ports(ctx, neutron.PortFilter{DeviceID: attachment, DeviceOwner: OwnerMade})
	if err != nil {
		return false, err
	}
	for _, p := range ports {
		if p.DeviceID != attachment || !strings.HasPrefix(p.Description, mark(d.options.Cluster)) {
			continue
		}
		found = true
		if err := d.delete(ctx, p.ID); err != nil {
			return found, err
		}
	}
	return found, nil
}

// settleTimeout bounds how long Reclaim waits for a create. Its callers have
// other things to do, and come again.
const settleTimeout = 5 * time.Second

// creations are the creates under way, by attachment.
type creations struct {
	mu   sync.Mutex
	done map[string]<-chan struct{} // guarded by mu
}

// add remembers a create, and forgets those that have ended.
func (c *creations) add(attachment string, done <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, ended := range c.done {
		select {
		case <-ended:
			delete(c.done, key)
		default:
		}
	}
	if c.done == nil {
		c.done = map[string]<-chan struct{}{}
	}
	c.done[attachment] = done
}

// settle waits until no create for the attachment is under way.
func (c *creations) settle(ctx context.Context, attachment string) error {
	c.mu.Lock()
	done := c.done[attachment]
	c.mu.Unlock()
	if done == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fault.New(fault.Unavailable, "supply: the port of attachment %s is still being made: %w", attachment, ctx.Err())
	}
}
