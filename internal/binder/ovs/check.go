// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/binder/sandbox"
	"github.com/kuryr-go/kuryr/internal/fault"
)

// Check compares what Bind made with what is there: the interface in the
// sandbox (up, MAC, MTU, addresses, routes), the host device, the row in the
// switch's database. Errors: Conflict with everything that differs; NotFound
// when the namespace is gone; Unavailable when the database does not answer.
func (b *Binder) Check(ctx context.Context, r binder.Request, made binder.Result) error {
	if err := b.check(ctx, &r, &made); err != nil {
		return fmt.Errorf("ovs: check port %s: %w", r.Lease.PortID, err)
	}
	return nil
}

func (b *Binder) check(ctx context.Context, r *binder.Request, made *binder.Result) error {
	p, err := planInterface(r)
	if err != nil {
		return err
	}
	if made.Container.MTU != 0 {
		p.config.MTU = made.Container.MTU
	}
	box, err := sandbox.Open(r.Netns)
	if err != nil {
		return err
	}
	defer box.Close()
	if err := b.planSwitch(ctx, p); err != nil {
		return err
	}
	differs, err := box.Differences(p.config)
	if err != nil {
		return err
	}
	host, err := b.hostDifferences(p)
	if err != nil {
		return err
	}
	row, err := b.rowDifferences(p)
	if err != nil {
		return err
	}
	if differs = append(append(differs, host...), row...); len(differs) > 0 {
		return fault.New(fault.Conflict, "%s", strings.Join(differs, ", "))
	}
	return nil
}

func (b *Binder) hostDifferences(p *plan) ([]string, error) {
	link, err := b.findLink(p.host.Name)
	switch {
	case err != nil:
		return nil, err
	case link == nil:
		return []string{"host device " + p.host.Name + " is missing"}, nil
	case link.Attrs().Flags&net.FlagUp == 0:
		return []string{"host device " + p.host.Name + " is down"}, nil
	}
	return nil, nil
}

func (b *Binder) rowDifferences(p *plan) ([]string, error) {
	c, err := b.session.current()
	if err != nil {
		return nil, err
	}
	in, ok := c.iface(p.host.Name)
	if !ok {
		return []string{"interface " + p.host.Name + " is missing in the switch's database"}, nil
	}
	var out []string
	if got, want := in.ExternalIDs[keyPort], p.req.Lease.PortID; got != want {
		out = append(out, fmt.Sprintf("interface %s has iface-id %q, not %q", p.host.Name, got, want))
	}
	if in.Error != nil && *in.Error != "" {
		out = append(out, fmt.Sprintf("interface %s has the error %q", p.host.Name, *in.Error))
	}
	return out, nil
}
