// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		return 1
	}
	return 0
}

// settings are the flags.
type settings struct {
	dir                     string
	cloud, external         string
	node, ovsdb, lbProvider string
	picture                 string
}

func root() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "quickstart [up|down]",
		Short: "Two containers with Neutron ports, on an OpenStack that is made for it or on yours",
		Args:  cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
	}
	cmd.PersistentFlags().StringVar(&s.dir, "dir", defaultDir(), "where its state is")
	up := &cobra.Command{
		Use: "up", Short: "Show it all, and leave it running", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return show(cmd.Context(), s) },
	}
	f := up.Flags()
	f.StringVar(&s.cloud, "cloud", os.Getenv("CLOUD"), "use this cloud of clouds.yaml instead of the embedded one; this machine must be one of its hypervisors")
	f.StringVar(&s.external, "external-network", "", "with --cloud: the network of routers' gateways (default: the only external one)")
	f.StringVar(&s.node, "node", "", "with --cloud: this machine's name in binding:host_id (default: its host name)")
	f.StringVar(&s.ovsdb, "ovsdb", "unix:/run/openvswitch/db.sock", "with --cloud: this machine's Open vSwitch")
	f.StringVar(&s.lbProvider, "lb-provider", "ovn", "with --cloud: Octavia's provider")
	f.StringVar(&s.picture, "picture", "", "file for the topology as SVG (default: topology.svg in --dir)")
	down := &cobra.Command{
		Use: "down", Short: "Remove everything that up made", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return takeDown(cmd.Context(), s.dir) },
	}
	cmd.AddCommand(up, down, server())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

func defaultDir() string {
	base := os.Getenv("XDG_CACHE_HOME")
	if !filepath.IsAbs(base) {
		base = "/var/cache"
	}
	return filepath.Join(base, "kuryr-quickstart")
}

var began = time.Now()

// heading begins a step: what is done, and why.
func heading(format string, args ...any) { fmt.Printf("\n%s\n", fmt.Sprintf(format, args...)) }

// say tells what was done or seen.
func say(format string, args ...any) {
	fmt.Printf("%6.1fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
}

// needsRoot is the one thing that cannot be helped.
func needsRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("network namespaces need root: run it with sudo")
	}
	return nil
}

// show does it all, and leaves it running.
func show(ctx context.Context, s settings) error {
	if err := needsRoot(); err != nil {
		return err
	}
	st, err := openStage(ctx, s)
	if err != nil {
		return err
	}
	defer st.close()
	t := &tour{stage: st, programs: st.programs}
	if err := t.run(ctx); err != nil {
		return fmt.Errorf("%w\n(make quickstart-down removes what is there; the agents' logs are in %s)", err, filepath.Join(s.dir, "agents"))
	}
	return st.farewell(t)
}
