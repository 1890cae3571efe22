// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/ovn-kubernetes/libovsdb/mapper"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"

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
	row, err := b.rowDifferences(ctx, p)
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

func (b *Binder) rowDifferences(ctx context.Context, p *plan) ([]string, error) {
	in, err := b.session.readInterface(ctx, p.host.Name)
	if err != nil {
		return nil, err
	}
	if in == nil {
		return []string{"interface " + p.host.Name + " is missing in the switch's database"}, nil
	}
	var out []string
	if got, want := portOf(in.ExternalIDs), p.req.Lease.PortID; got != want {
		out = append(out, fmt.Sprintf("interface %s has iface-id %q, not %q", p.host.Name, got, want))
	}
	if in.failure() != "" {
		out = append(out, fmt.Sprintf("interface %s has the error %q", p.host.Name, in.failure()))
	}
	if in.ExternalIDs[keyWired] == "" {
		return out, nil
	}
	wire, err := b.wireDifferences(ctx, p)
	return append(out, wire...), err
}

// wireDifferences are those of the wire that the sandbox hangs on.
func (b *Binder) wireDifferences(ctx context.Context, p *plan) ([]string, error) {
	c, err := b.session.connected(ctx)
	if err != nil {
		return nil, err
	}
	w := c.wireOf(b.owner, p.req.Lease.PortID)
	if w == nil || !w.fits(&p.req.Lease) {
		return []string{fmt.Sprintf("the wire from %s to bridge %s is broken", nearName(p.req.Lease.PortID), p.bridge)}, nil
	}
	port, ok := c.port(p.host.Name)
	if !ok {
		return nil, nil
	}
	facts := append(w.facts(p.bridge, b.owner.bridge), inBridge(port.UUID, b.owner.bridge), tagged(p.host.Name, w.tag))
	joined, err := b.session.holds(ctx, facts...)
	if err != nil || joined {
		return nil, err
	}
	return []string{fmt.Sprintf("the wire does not join %s to bridge %s", p.host.Name, p.bridge)}, nil
}

// readInterface asks the server for an interface's external_ids and error: a
// check must not miss what the replica has not heard of yet. It is nil when
// there is none of that name.
func (s *session) readInterface(ctx context.Context, name string) (*interfaceRow, error) {
	c, err := s.current()
	if err != nil {
		return nil, err
	}
	results, err := s.transact(ctx, ovsdb.Operation{
		Op: ovsdb.OperationSelect, Table: tableInterface, Columns: []string{columnExternal, columnError},
		Where: []ovsdb.Condition{ovsdb.NewCondition(columnName, ovsdb.ConditionEqual, name)},
	})
	if err != nil || len(results[0].Rows) == 0 {
		return nil, err
	}
	in := &interfaceRow{Name: name}
	schema := c.client.Schema()
	info, err := mapper.NewInfo(tableInterface, schema.Table(tableInterface), in)
	if err != nil {
		return nil, fmt.Errorf("read interface %s: %w", name, err)
	}
	if err := mapper.NewMapper(schema).GetRowData(&results[0].Rows[0], info); err != nil {
		return nil, fmt.Errorf("read interface %s: %w", name, err)
	}
	return in, nil
}
