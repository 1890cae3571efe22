// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/kuryr-go/kuryr/internal/cloud"
	"github.com/kuryr-go/kuryr/internal/cloud/faults"
)

// defaultAdmin is where the cloud serves its health, faults and request log.
const defaultAdmin = "127.0.0.1:9877"

// cloudFlags are the command line of `kuryr cloud`.
type cloudFlags struct {
	options    cloud.Options
	seed       string
	faults     string
	cloudsYAML string
	check      bool
	level      choice
	format     choice
}

func newCloud() *cobra.Command {
	var f cloudFlags
	c := &cobra.Command{
		Use:   "cloud [--store FILE] [--seed FILE] [--ovn-nb ADDRESS --ovn-sb ADDRESS] [flags]",
		Short: "Run an OpenStack in one process, for trying and testing",
		Long: `Runs Keystone, Neutron and Octavia, as far as Kuryr and its users' tools call them, in one process.
It runs in the foreground, logs to standard error and ends at SIGTERM or SIGINT; with --store it
goes on where it was, also after kill -9.

With OVN's databases (--ovn-nb, --ovn-sb) packets, security groups, routers, floating IPs and load
balancers are real: it does for OVN what Neutron's OVN driver does. Without them it is a simulator,
in which ports and load balancers become ACTIVE by themselves.

It is not for production: there is no TLS, and one process serves all. docs/cloud.md describes the
seed file and the faults.`,
		Example: `  kuryr cloud --clouds-yaml clouds.yaml
  kuryr cloud --store cloud.db --ovn-nb tcp:127.0.0.1:6641 --ovn-sb tcp:127.0.0.1:6642
  kuryr cloud --seed seed.yaml --check-seed
  kuryr cloud faults set -f slow.yaml
  kuryr cloud requests --counts`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.read(); err != nil {
				return err
			}
			if f.check {
				return checkSeed(cmd.Context(), cmd.OutOrStdout(), &f)
			}
			f.options.Logger = newLogger(cmd.ErrOrStderr(), f.level.value, f.format.value)
			return runCloud(cmd.Context(), cmd.OutOrStdout(), &f)
		},
	}
	f.flags(c)
	manual{Files: cloudFiles, Exit: `  0  ended by a signal; or, with --check-seed, no problem found
  1  failure; standard error says which
  2  a command line that cannot be understood`}.annotate(c)
	c.AddCommand(newCloudStatus(), newCloudFaults(), newCloudRequests())
	return c
}

const cloudFiles = `  /run/ovn/ovnnb_db.sock, /run/ovn/ovnsb_db.sock
        the usual sockets of OVN's databases, for --ovn-nb and --ovn-sb`

func (f *cloudFlags) flags(c *cobra.Command) {
	o, set, ports := &f.options, c.Flags(), cloud.DefaultPorts()
	set.SortFlags = false
	set.StringVar(&o.Address, "address", "127.0.0.1", "the `host` or IP address on which the APIs are served")
	set.StringVar(&o.PublicHost, "public-host", "", "the `host` in the catalogue's URLs (default that of --address)")
	set.IntVar(&o.Ports.Identity, "identity-port", ports.Identity, "the TCP `port` of Keystone; 0 is any free one")
	set.IntVar(&o.Ports.Network, "network-port", ports.Network, "the TCP `port` of Neutron")
	set.IntVar(&o.Ports.LoadBalancer, "load-balancer-port", ports.LoadBalancer, "the TCP `port` of Octavia")
	set.StringVar(&o.OVNNB, "ovn-nb", "", "the `address` of OVN's northbound database, unix:PATH or tcp:HOST:PORT (default none)")
	set.StringVar(&o.OVNSB, "ovn-sb", "", "the `address` of OVN's southbound database (default none)")
	set.StringVar(&o.Store, "store", "", "the `file` that holds everything (default memory alone)")
	set.StringVar(&f.seed, "seed", "", "the YAML `file` with users, policy and networks to begin with")
	set.StringVar(&f.faults, "faults", "", "the YAML or JSON `file` with the faults of the beginning")
	set.StringVar(&f.cloudsYAML, "clouds-yaml", "", "write a clouds.yaml with the seed's users to this `file`")
	set.BoolVar(&f.check, "check-seed", false, "tell whether seed and faults are right, and end")
	set.DurationVar(&o.Grace, "shutdown-timeout", 2*time.Second, "what requests under way get to finish at the end")
	f.level, f.format = newChoice("level", "info", "debug", "warn", "error"), newChoice("format", "text", "json")
	f.level.flag(c, "log-level", "", "the least grave level that is logged")
	f.format.flag(c, "log-format", "", "format of the log")
	set.StringVar(&o.AdminAddress, "admin-address", defaultAdmin,
		"the `address` where health, faults, request log and metrics are served, unix:PATH or HOST:PORT")
}

// read reads the files that the flags name.
func (f *cloudFlags) read() error {
	seed := cloud.DefaultSeed()
	if f.seed != "" {
		var err error
		if seed, err = cloud.ReadSeed(f.seed); err != nil {
			return fmt.Errorf("the seed is not right:\n%w", err)
		}
	}
	f.options.Seed = &seed
	if f.faults == "" {
		return nil
	}
	b, err := os.ReadFile(f.faults)
	if err != nil {
		return err
	}
	if f.options.Faults, err = faults.Read(f.faults, b); err != nil {
		return fmt.Errorf("the faults are not right:\n%w", err)
	}
	return nil
}

// checkSeed makes a cloud of the seed in memory, where all parts check what is
// theirs.
func checkSeed(ctx context.Context, out io.Writer, f *cloudFlags) error {
	c, err := cloud.New(ctx, cloud.Options{Seed: f.options.Seed, Faults: f.options.Faults})
	if err != nil {
		return fmt.Errorf("the seed is not right:\n%w", err)
	}
	_, err = fmt.Fprintln(out, "The seed is right.")
	return errors.Join(err, c.Close())
}

// runCloud is the cloud, from its parts to its end.
func runCloud(ctx context.Context, out io.Writer, f *cloudFlags) (err error) {
	c, err := cloud.New(ctx, f.options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if f.cloudsYAML != "" {
		if err := writeCloudsYAML(f.cloudsYAML, c); err != nil {
			return err
		}
	}
	if err := welcome(out, c, f); err != nil {
		return err
	}
	return c.Serve(ctx)
}

// welcome tells what is served, and how to use it.
func welcome(out io.Writer, c *cloud.Cloud, f *cloudFlags) error {
	e := c.Endpoints()
	ovn, kept := "none: ports and load balancers become ACTIVE by themselves", "in memory"
	if f.options.OVNNB != "" {
		ovn = f.options.OVNNB
	}
	if f.options.Store != "" {
		kept = "in " + f.options.Store
	}
	admin := c.AdminAddress()
	if admin == "" {
		admin = "not served"
	}
	_, err := fmt.Fprintf(out, `Identity       %s
Network        %s
Load balancer  %s
Admin          %s
OVN            %s
Store          %s

%s
`, e.Identity, e.Network, e.LoadBalancer, admin, ovn, kept, loginLine(c, f.cloudsYAML))
	return err
}
