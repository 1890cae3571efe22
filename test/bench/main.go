// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/kuryr-go/kuryr/test/openstack"
	"github.com/kuryr-go/kuryr/test/rig"
)

// options say how much is measured.
type options struct {
	dir         string
	calls, hold int
}

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	cmd := &cobra.Command{
		Use: "bench [clouds]", Short: "Measure ADD and DEL on a real OpenStack", Args: cobra.NoArgs,
		SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return measure(cmd.Context(), o) },
	}
	cmd.Flags().StringVar(&o.dir, "dir", openstack.DefaultDir(), "state of the test cloud")
	cmd.Flags().IntVar(&o.calls, "calls", 60, "calls of each kind")
	cmd.Flags().IntVar(&o.hold, "hold", 200, "attachments held when the agent's memory is read")
	cmd.AddCommand(cloudsCommand())
	if err := cmd.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func measure(ctx context.Context, o options) (err error) {
	running, _ := openstack.Attach(o.dir)
	r, err := rig.New(ctx, rig.Options{Options: openstack.Options{Dir: o.dir, Nodes: 2}})
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, r.Close())
		if running == nil {
			err = errors.Join(err, r.Cloud.Down(context.WithoutCancel(ctx)))
		}
	}()
	project, err := r.Cloud.MakeProject(ctx, "bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, project.Delete(context.WithoutCancel(ctx))) }()
	tenant, err := rig.NewTenant(ctx, project)
	if err != nil {
		return err
	}
	network, err := tenant.Network(ctx, "bench", "10.90.0.0/20")
	if err != nil {
		return err
	}
	agent, err := r.StartAgent(ctx, r.Cloud.Nodes()[0], rig.AgentOptions{Cluster: "bench"})
	if err != nil {
		return err
	}
	conf := agent.Conf("bench", map[string]any{"name": "bench", "project": project.ID})
	return report(ctx, place{Rig: r, tenant: tenant, network: network}, agent, conf, o)
}

// report measures and prints, part by part.
func report(ctx context.Context, in place, agent *rig.Agent, conf rig.Conf, o options) error {
	if err := printSizes(in.Programs); err != nil {
		return err
	}
	idle, err := residentSet(ctx, agent)
	if err != nil {
		return err
	}
	version, err := series(o.calls, func() error {
		_, err := agent.Plugin(ctx, rig.Call{Command: "VERSION", Stdin: conf.JSON()})
		return err
	})
	if err != nil {
		return err
	}
	reference, err := measureReference(ctx, o.calls)
	if err != nil {
		return err
	}
	ours, err := measureKuryr(ctx, agent, conf, o.calls)
	if err != nil {
		return err
	}
	fmt.Printf("\n%-34s %9s %9s %9s\n", fmt.Sprintf("calls in a row (n = %d), ms", o.calls), "p50", "p99", "max")
	printRow("kuryr-cni VERSION (start alone)", version)
	printRow("kuryr ADD, port made by Neutron", ours.add)
	printRow("kuryr DEL", ours.del)
	printRow("bridge + host-local ADD", reference.add)
	printRow("bridge + host-local DEL", reference.del)
	fmt.Printf("\nratio of the medians, kuryr to bridge + host-local: ADD %.1f, DEL %.2f\n",
		ratio(ours.add, reference.add), ratio(ours.del, reference.del))
	if err := printSteps(agent); err != nil {
		return err
	}
	if in.floor, err = installFloor(agent); err != nil {
		return err
	}
	in.direct, in.reference = ours, reference
	if err := measureLeases(ctx, in, o); err != nil {
		return err
	}
	return holdMany(ctx, agent, conf, o.hold, idle)
}

// pair is the measurement of ADD and DEL.
type pair struct{ add, del []time.Duration }

func measureKuryr(ctx context.Context, agent *rig.Agent, conf rig.Conf, calls int) (pair, error) {
	return pairs(ctx, calls,
		func(s *rig.Sandbox) error { _, err := agent.Add(ctx, s, "eth0", conf); return err },
		func(s *rig.Sandbox) error { return agent.Del(ctx, s, "eth0", conf) },
		// The kernel takes the last device away under the lock that the next needs.
		func() error { return agent.Settled(ctx) })
}

// pairs measures ADD and DEL by turns, each with a sandbox of its own;
// between runs after, off the clock.
func pairs(ctx context.Context, calls int, add, del func(*rig.Sandbox) error, after func() error) (p pair, err error) {
	if err := awaitQuiet(ctx); err != nil {
		return p, err
	}
	for range calls {
		s, err := rig.NewSandbox()
		if err != nil {
			return p, err
		}
		one, err := series(1, func() error { return add(s) })
		if err != nil {
			return p, errors.Join(err, s.Close())
		}
		p.add = append(p.add, one...)
		if one, err = series(1, func() error { return del(s) }); err != nil {
			return p, errors.Join(err, s.Close())
		}
		p.del = append(p.del, one...)
		if err := errors.Join(s.Close(), after()); err != nil {
			return p, err
		}
	}
	return p, nil
}

// series times calls.
func series(calls int, call func() error) ([]time.Duration, error) {
	times := make([]time.Duration, 0, calls)
	for range calls {
		began := time.Now()
		if err := call(); err != nil {
			return nil, err
		}
		times = append(times, time.Since(began))
	}
	return times, nil
}
