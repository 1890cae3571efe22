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
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	stop()
	if err == nil {
		return
	}
	// What `exec` ran has said itself what was wrong.
	if failed := (commandFailed{}); errors.As(err, &failed) {
		os.Exit(failed.status)
	}
	fmt.Fprintln(os.Stderr, "testcloud:", err)
	os.Exit(1)
}

func root() *cobra.Command {
	var dir string
	var embedded bool
	cmd := &cobra.Command{
		Use:   "testcloud",
		Short: "An OpenStack for tests, in network namespaces of its own",
		Long: `testcloud runs Keystone, Neutron (ML2/OVN), Octavia (OVN provider), MariaDB and
two or more hypervisors with Open vSwitch from Debian's packages, as plain
processes. Everything is in network namespaces and in one directory.

With --embedded the three APIs are those of kuryr cloud, on the same addresses.`,
		SilenceUsage: true, SilenceErrors: true,
		PersistentPreRun: func(*cobra.Command, []string) {
			if dir == "" && embedded {
				dir = openstack.EmbeddedDir()
			}
		},
	}
	cmd.PersistentFlags().StringVar(&dir, "dir", "", "state directory (default "+openstack.DefaultDir()+", with --embedded "+openstack.EmbeddedDir()+")")
	cmd.PersistentFlags().BoolVar(&embedded, "embedded", false, "Kuryr's embedded OpenStack instead of a real one")
	cmd.AddCommand(install(&embedded), up(&dir, &embedded), down(&dir), wipe(&dir), save(&dir), status(&dir), env(&dir), execute(&dir), node(&dir), service(&dir), vm(&dir))
	return cmd
}

// attached runs f on the cloud of the directory.
func attached(dir *string, f func(cmd *cobra.Command, c *openstack.Cloud, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := openstack.Attach(*dir)
		if err != nil {
			return err
		}
		defer c.Close()
		return f(cmd, c, args)
	}
}

func progress(since time.Duration, step string) {
	fmt.Fprintf(os.Stderr, "%7.1fs  %s\n", since.Seconds(), step)
}

func install(embedded *bool) *cobra.Command {
	return &cobra.Command{
		Use: "install", Short: "Install the Debian packages that are missing; starts no service", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return openstack.Install(cmd.Context(), *embedded, os.Stderr)
		},
	}
}

func up(dir *string, embedded *bool) *cobra.Command {
	opts := openstack.Options{Progress: progress}
	var packages bool
	cmd := &cobra.Command{
		Use: "up", Short: "Bring the cloud up, as far as it is not", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if packages {
				if err := openstack.Install(cmd.Context(), *embedded, os.Stderr); err != nil {
					return err
				}
			}
			opts.Dir, opts.Embedded = *dir, *embedded
			c, err := openstack.Up(cmd.Context(), opts)
			if err != nil {
				return err
			}
			defer c.Close()
			return show(cmd, c)
		},
	}
	f := cmd.Flags()
	f.StringVar(&opts.Prefix, "prefix", "", "begins the namespaces' names (default \"kt\", with --embedded \"ke\", or as the directory was made)")
	f.StringVar(&opts.Program, "program", "", "kuryr program of an embedded cloud (default: built from this tree)")
	f.IntVar(&opts.Nodes, "nodes", 0, "how many hypervisors run at least (default 2, or as many as the directory has)")
	f.StringVar(&opts.Template, "template", "", "file made by `testcloud save`, for a new directory")
	f.BoolVar(&opts.Debug, "debug", false, "log at debug level")
	f.BoolVar(&packages, "install", false, "install missing Debian packages first")
	return cmd
}

func down(dir *string) *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "End every process and namespace of the cloud; its databases stay", Args: cobra.NoArgs,
		RunE: attached(dir, func(cmd *cobra.Command, c *openstack.Cloud, _ []string) error { return c.Down(cmd.Context()) }),
	}
}

func wipe(dir *string) *cobra.Command {
	return &cobra.Command{
		Use: "wipe", Short: "Bring the cloud down and delete its directory", Args: cobra.NoArgs,
		RunE: attached(dir, func(cmd *cobra.Command, c *openstack.Cloud, _ []string) error { return c.Wipe(cmd.Context()) }),
	}
}

func save(dir *string) *cobra.Command {
	return &cobra.Command{
		Use: "save FILE", Short: "Keep the databases of a cloud that is down, for up --template", Args: cobra.ExactArgs(1),
		RunE: attached(dir, func(cmd *cobra.Command, c *openstack.Cloud, args []string) error {
			return c.Save(cmd.Context(), args[0])
		}),
	}
}

func status(dir *string) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show the cloud, and fail when a part of it does not run", Args: cobra.NoArgs,
		RunE: attached(dir, func(cmd *cobra.Command, c *openstack.Cloud, _ []string) error {
			if err := show(cmd, c); err != nil {
				return err
			}
			return complete(c)
		}),
	}
}

func env(dir *string) *cobra.Command {
	return &cobra.Command{
		Use: "env", Short: "Print exports of OS_CLIENT_CONFIG_FILE and OS_CLOUD for a shell", Args: cobra.NoArgs,
		Long: "Print exports for a shell: eval \"$(testcloud env)\". The APIs are only reachable from inside: testcloud exec.",
		RunE: attached(dir, func(cmd *cobra.Command, c *openstack.Cloud, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "export OS_CLIENT_CONFIG_FILE=%s OS_CLOUD=%s REQUESTS_CA_BUNDLE= no_proxy='*'\n",
				c.CloudsFile(), openstack.Admin)
			return err
		}),
	}
}
