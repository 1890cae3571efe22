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

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var dir string
	var keep bool
	cmd := &cobra.Command{
		Use:   "quickstart",
		Short: "Two containers on two nodes of a real OpenStack, each with a Neutron port",
		Args:  cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return show(cmd.Context(), dir, keep) },
	}
	cmd.Flags().StringVar(&dir, "dir", openstack.DefaultDir(), "state of the test cloud")
	cmd.Flags().BoolVar(&keep, "keep", false, "leave the cloud running (stop it with make cloud-down)")
	if err := cmd.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		return 1
	}
	return 0
}

var began = time.Now()

func say(format string, args ...any) {
	fmt.Printf("%6.1fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
}

// show does it all, and takes it down again.
func show(ctx context.Context, dir string, keep bool) (err error) {
	if os.Geteuid() != 0 {
		return errors.New("network namespaces need root: run it with sudo")
	}
	running, _ := openstack.Attach(dir)
	say("a real OpenStack: Keystone, Neutron, Octavia, OVN and two hypervisors, in namespaces of their own")
	r, err := rig.New(ctx, rig.Options{Options: openstack.Options{Dir: dir, Nodes: 2, Progress: func(_ time.Duration, step string) { say("  %s", step) }}})
	if err != nil {
		return err
	}
	defer func() {
		ctx := context.WithoutCancel(ctx)
		err = errors.Join(err, r.Close())
		if running != nil || keep {
			say("the cloud runs on; stop it with: make cloud-down")
			return
		}
		say("the cloud stops; its data stays for a faster start")
		err = errors.Join(err, r.Cloud.Down(ctx))
	}()
	return tour(ctx, r)
}

// tour shows the containers on a cloud that is up.
func tour(ctx context.Context, r *rig.Rig) (err error) {
	project, err := r.Cloud.MakeProject(ctx, "quickstart")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, project.Delete(context.WithoutCancel(ctx))) }()
	tenant, err := rig.NewTenant(ctx, project)
	if err != nil {
		return err
	}
	network, err := tenant.Network(ctx, "quickstart", "10.88.0.0/24", "fd00:88::/64")
	if err != nil {
		return err
	}
	if _, err := tenant.OpenGroup(ctx, "quickstart"); err != nil {
		return err
	}
	say("a tenant network %s with %s and %s", network.Name, network.Subnets[0].CIDR, network.Subnets[1].CIDR)
	var containers []*container
	defer func() {
		for _, c := range containers {
			err = errors.Join(err, c.leave(context.WithoutCancel(ctx)))
		}
	}()
	for i, node := range r.Cloud.Nodes()[:2] {
		c, err := enter(ctx, r, node, fmt.Sprintf("web-%d", i+1), project.ID)
		if err != nil {
			return err
		}
		containers = append(containers, c)
	}
	if err := talk(ctx, containers[0], containers[1]); err != nil {
		return err
	}
	return table(ctx, tenant, containers)
}
