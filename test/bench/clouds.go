// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/spf13/cobra"

	"github.com/kuryr-go/kuryr/test/openstack"
	"github.com/kuryr-go/kuryr/test/rig"
)

// cloudsCommand measures the embedded OpenStack beside the real one.
func cloudsCommand() *cobra.Command {
	var calls int
	cmd := &cobra.Command{
		Use: "clouds", Short: "Measure the embedded OpenStack beside the real one", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return compareClouds(cmd.Context(), calls) },
	}
	cmd.Flags().IntVar(&calls, "calls", 20, "calls of each kind")
	return cmd
}

// bulks are the sizes of bulk creates; listed is how many ports a list shows.
var bulks = []int{10, 50}

const listed = 50

// figures are one cloud's times by what was measured, in the order of names.
type figures map[string][]time.Duration

func compareClouds(ctx context.Context, calls int) error {
	var names []string
	all := make([]figures, 2)
	for i, o := range []openstack.Options{{}, {Embedded: true}} {
		o.Nodes = 2
		f := figures{}
		order, err := measureCloud(ctx, o, calls, f)
		if err != nil {
			return err
		}
		names, all[i] = order, f
	}
	fmt.Printf("%-44s %12s %12s %8s\n", fmt.Sprintf("median of up to %d calls, ms", calls), "real", "embedded", "ratio")
	for _, name := range names {
		real, embedded := all[0][name], all[1][name]
		fmt.Printf("%-44s %12.1f %12.1f %8.1f\n", name, ms(quantile(real, .5)), ms(quantile(embedded, .5)), ratio(real, embedded))
	}
	return nil
}

// measureCloud brings a cloud up, measures it in a project of its own, and
// takes it down unless it was up before.
func measureCloud(ctx context.Context, o openstack.Options, calls int, f figures) (names []string, err error) {
	dir := openstack.DefaultDir()
	if o.Embedded {
		dir = openstack.EmbeddedDir()
	}
	before := openstack.IsUp(dir)
	c, err := openstack.Up(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() {
		c.Close()
		if !before {
			err = errors.Join(err, c.Down(context.WithoutCancel(ctx)))
		}
	}()
	project, err := c.MakeProject(ctx, "bench-clouds")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, project.Delete(context.WithoutCancel(ctx))) }()
	tenant, err := rig.NewTenant(ctx, project)
	if err != nil {
		return nil, err
	}
	m := &cloudBench{Tenant: tenant, cloud: c, calls: calls, into: f}
	return m.all(ctx)
}

type cloudBench struct {
	*rig.Tenant
	cloud *openstack.Cloud
	calls int
	net   rig.Network
	into  figures
	names []string
}

// measure times a step of calls; off the clock, undo makes room for the next.
func (m *cloudBench) measure(name string, calls int, step, undo func() error) error {
	m.names = append(m.names, name)
	for range calls {
		times, err := series(1, step)
		if err == nil && undo != nil {
			err = undo()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		m.into[name] = append(m.into[name], times...)
	}
	return nil
}

func (m *cloudBench) all(ctx context.Context) (_ []string, err error) {
	if m.net, err = m.Network(ctx, "bench", "10.92.0.0/20"); err != nil {
		return nil, err
	}
	var made []string
	undo := func() error {
		for _, id := range made {
			if err := ports.Delete(ctx, m.Client, id).ExtractErr(); err != nil {
				return err
			}
		}
		made = nil
		return nil
	}
	if err := m.measure("port create", m.calls, func() error {
		p, err := m.Port(ctx, "one", m.net)
		if err == nil {
			made = append(made, p.ID)
		}
		return err
	}, undo); err != nil {
		return nil, err
	}
	for _, n := range bulks {
		if err := m.measure(fmt.Sprintf("bulk create of %d ports", n), max(1, m.calls/n), func() (err error) {
			made, err = m.bulk(ctx, n)
			return err
		}, undo); err != nil {
			return nil, err
		}
	}
	if err := m.list(ctx); err != nil {
		return nil, err
	}
	return m.names, m.packets(ctx)
}

// bulk makes ports in one request, which gophercloud cannot.
func (m *cloudBench) bulk(ctx context.Context, n int) ([]string, error) {
	wanted := make([]map[string]any, n)
	for i := range wanted {
		wanted[i] = map[string]any{"network_id": m.net.ID, "name": "bulk-" + strconv.Itoa(i)}
	}
	var answer struct{ Ports []struct{ ID string } }
	if _, err := m.Client.Post(ctx, m.Client.ServiceURL("ports"), map[string]any{"ports": wanted}, &answer, nil); err != nil {
		return nil, err
	}
	var ids []string
	for _, p := range answer.Ports {
		ids = append(ids, p.ID)
	}
	return ids, nil
}

func (m *cloudBench) list(ctx context.Context) error {
	if _, err := m.bulk(ctx, listed); err != nil {
		return err
	}
	return m.measure(fmt.Sprintf("list of %d ports of a network", listed), m.calls, func() error {
		_, err := ports.List(m.Client, ports.ListOpts{NetworkID: m.net.ID}).AllPages(ctx)
		return err
	}, nil)
}

// packets measures how long after the request for a rule a connection passes
// that the rule lets in, and the claim of a port by its chassis.
func (m *cloudBench) packets(ctx context.Context) (err error) {
	group, err := m.Group(ctx, "bench")
	if err != nil {
		return err
	}
	var vms []*openstack.VM
	defer func() {
		for _, vm := range vms {
			err = errors.Join(err, vm.Delete(context.WithoutCancel(ctx)))
		}
	}()
	for i, node := range m.cloud.Nodes()[:2] {
		p, err := m.Port(ctx, "vm", m.net, group)
		if err != nil {
			return err
		}
		if err := m.measure("plug a bound port until it is ACTIVE", 1, func() error {
			vm, err := node.BootVM(ctx, fmt.Sprintf("bench-%d", i), p.ID)
			if err == nil {
				vms = append(vms, vm)
			}
			return err
		}, nil); err != nil {
			return err
		}
	}
	m.names = m.names[:len(m.names)-1] // both VMs' are one row
	if err := rig.Serve(ctx, vms[1].Netns(), "bench", 80); err != nil {
		return err
	}
	var rule string
	return m.measure("rule added, until a connection passes", m.calls, func() (err error) {
		if rule, err = m.Rule(ctx, group, rig.Let{Protocol: "tcp", Port: 80}); err != nil {
			return err
		}
		return knock(ctx, vms[0].Netns(), netip.AddrPortFrom(vms[1].Address(), 80))
	}, func() error { return m.DeleteRule(ctx, rule) })
}

// knockEvery is how long one attempt to connect waits for its answer, and so
// how fine the measurement is.
const knockEvery = 5 * time.Millisecond

// knock connects again and again until it succeeds.
func knock(ctx context.Context, from openstack.Netns, to netip.AddrPort) error {
	for ctx.Err() == nil {
		attempt, cancel := context.WithTimeout(ctx, knockEvery)
		conn, err := from.DialContext(attempt, "tcp", to.String())
		cancel()
		if err == nil {
			return conn.Close()
		}
		var late net.Error
		if !errors.As(err, &late) || !late.Timeout() {
			return err
		}
	}
	return ctx.Err()
}
