// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"context"
	"net/netip"
	"net/url"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// FloatingIP is a Neutron floating IP (extension router).
type FloatingIP struct {
	ID                string     `json:"id"`
	FloatingIPAddress netip.Addr `json:"floating_ip_address"`
	// FixedIPAddress is the port's address that it stands for; the zero Addr
	// when it is attached to none.
	FixedIPAddress netip.Addr `json:"fixed_ip_address"`
	// PortID is the port it is attached to; empty: none.
	PortID string `json:"port_id"`
	// Revision grows with every change (extension standard-attr-revisions).
	Revision int `json:"revision_number"`
}

// FloatingIPFilter selects floating IPs on the server's side.
type FloatingIPFilter struct {
	// PortIDs are the ports they are attached to, as many as there are. Empty:
	// nothing is selected.
	PortIDs []string
}

// FloatingIPs lists the floating IPs that match. A cloud without routers has
// none.
func (c *Client) FloatingIPs(ctx context.Context, f FloatingIPFilter) ([]FloatingIP, error) {
	// Without this an empty list would select everybody's.
	if len(f.PortIDs) == 0 {
		return nil, nil
	}
	found, err := list[FloatingIP](ctx, c, floatingKind, url.Values{"port_id": f.PortIDs}, 0)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	return found, err
}

// DetachFloatingIP takes a floating IP off its port; it stays the project's. A
// floating IP that is gone is NotFound.
func (c *Client) DetachFloatingIP(ctx context.Context, id string) error {
	change := struct {
		PortID *string `json:"port_id"`
	}{}
	_, err := update[FloatingIP](ctx, c, floatingKind, id, change, nil)
	return err
}
