// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
)

// awaited is an interface that the switch shall take.
type awaited struct {
	lease *lease.Lease
	// name is the interface's, row its UUID.
	name, row string
	// ovn: not before ovn-controller says ovn-installed.
	ovn bool
	// seen tells that the replica had the row before.
	seen bool
}

// awaitSwitch returns when the switch has taken an interface: ovs-vswitchd
// gave it an ofport and, where asked for, ovn-controller says ovn-installed.
// It does not mind when the connection goes and comes back meanwhile. Errors
// are Unavailable.
func (b *Binder) awaitSwitch(ctx context.Context, a awaited, w *watch) error {
	name := spanOpened
	if a.ovn {
		name = spanInstalled
	}
	return traced(ctx, name, a.name, func(ctx context.Context) error {
		for {
			in, known := b.look(a.name, a.row)
			switch {
			case in == nil && known && a.seen:
				return fault.New(fault.Unavailable, "interface %s was removed from the database by somebody else", a.name)
			case in == nil:
			case in.failure() != "":
				return fault.New(fault.Unavailable, "ovs-vswitchd: %s", in.failure())
			case in.taken(a.ovn):
				return nil
			default:
				a.seen = true
			}
			select {
			case <-w.C:
			case <-ctx.Done():
				return b.explain(ctx, &a, in)
			}
		}
	})
}

// look reads an interface's row, if it is the one with that UUID and not one
// of the same name before or after it. known is false without a connection.
func (b *Binder) look(name, row string) (in *interfaceRow, known bool) {
	c, err := b.session.current()
	if err != nil {
		return nil, false
	}
	if in, ok := c.iface(name); ok && in.UUID == row {
		return in, true
	}
	return nil, true
}

func (in *interfaceRow) taken(ovn bool) bool {
	return in.OfPort != nil && *in.OfPort > 0 && (!ovn || in.ExternalIDs[keyInstalled] == "true")
}

// failure is why ovs-vswitchd cannot use the interface; "" when it can.
func (in *interfaceRow) failure() string {
	if in.Error == nil {
		return ""
	}
	return *in.Error
}

// explain says what was seen of a port that the switch did not take in time.
func (b *Binder) explain(ctx context.Context, a *awaited, in *interfaceRow) error {
	cause := context.Cause(ctx)
	c, err := b.session.current()
	if err != nil {
		return fault.New(fault.Unavailable, "port %s was not wired in time: %w", a.lease.PortID, errors.Join(err, cause))
	}
	if in == nil || !in.taken(false) {
		return notTaken(a.name, cause)
	}
	ids := c.theSwitch().ExternalIDs
	e := fault.New(fault.Unavailable,
		"ovn-controller did not wire port %s in time: interface %s has ofport %d, ovn-installed=%q (chassis %s, ovn-remote %s): %w",
		a.lease.PortID, a.name, *in.OfPort, in.ExternalIDs[keyInstalled], ids["system-id"], ids["ovn-remote"], cause)
	e.Hint = hint(a.lease.Host, ids)
	return e
}

// hint guesses why ovn-controller is silent.
func hint(boundTo string, ids map[string]string) string {
	if boundTo != "" && boundTo != ids["hostname"] && boundTo != ids["system-id"] {
		return fmt.Sprintf("the port's binding:host_id is %s, this node is %s (system-id %s)", boundTo, ids["hostname"], ids["system-id"])
	}
	if strings.TrimSpace(ids["ovn-remote"]) == "" {
		return "external_ids:ovn-remote is not set"
	}
	return "is ovn-controller running and connected to ovn-remote, and is the port bound to this node?"
}

// notTaken is for a device that ovs-vswitchd did not look at.
func notTaken(name string, cause error) error {
	e := fault.New(fault.Unavailable, "ovs-vswitchd did not take note of interface %s in time: %w", name, cause)
	e.Hint = "is ovs-vswitchd running?"
	return e
}
