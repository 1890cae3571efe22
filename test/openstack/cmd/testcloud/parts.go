// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kuryr-go/kuryr/test/openstack"
)

func execute(dir *string) *cobra.Command {
	var in, cloud string
	cmd := &cobra.Command{
		Use: "exec [--in NAME] -- COMMAND [ARG...]", Short: "Run a command in the control plane, a node, a VM or outside",
		Example: `  testcloud exec -- openstack network list
  testcloud exec --in node1 -- ovs-vsctl show
  testcloud exec --in outside -- ping -c1 203.0.113.60`,
		Args: cobra.MinimumNArgs(1),
		RunE: attached(dir, func(cmd *cobra.Command, c *openstack.Cloud, args []string) error {
			run, ns := command(cmd.Context(), c, in, args)
			run.Env = append(run.Env, "OS_CLIENT_CONFIG_FILE="+c.CloudsFile(), "OS_CLOUD="+cloud, "TERM="+os.Getenv("TERM"))
			run.Stdin, run.Stdout, run.Stderr = os.Stdin, os.Stdout, os.Stderr
			if err := ns.Start(run); err != nil {
				return err
			}
			err := run.Wait()
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
				return commandFailed{exit.ExitCode()}
			}
			return err
		}),
	}
	cmd.Flags().StringVar(&in, "in", "control", "control, outside, a node's or a VM's name")
	cmd.Flags().StringVar(&cloud, "cloud", openstack.Admin, "OS_CLOUD for the command")
	return cmd
}

// commandFailed is the status of a command that `exec` ran.
type commandFailed struct{ status int }

func (f commandFailed) Error() string { return fmt.Sprintf("exit status %d", f.status) }

// command prepares a command for one of the cloud's namespaces.
func command(ctx context.Context, c *openstack.Cloud, in string, args []string) (*exec.Cmd, openstack.Netns) {
	if n := c.Node(in); n != nil {
		return n.Command(ctx, args[0], args[1:]...), n.Netns()
	}
	run := c.Command(ctx, args[0], args[1:]...)
	switch in {
	case "control":
		return run, c.Control()
	case "outside":
		return run, c.Outside()
	default:
		return run, c.VMNetns(in)
	}
}

func node(dir *string) *cobra.Command {
	cmd := &cobra.Command{Use: "node", Short: "Add or remove a hypervisor"}
	cmd.AddCommand(&cobra.Command{
		Use: "add", Short: "Start one more hypervisor", Args: cobra.NoArgs,
		RunE: attached(dir, func(cmd *cobra.Command, c *openstack.Cloud, _ []string) error {
			n, err := c.AddNode(cmd.Context())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), n.Name)
			return err
		}),
	}, &cobra.Command{
		Use: "remove NAME", Short: "Take a hypervisor out of the cloud", Args: cobra.ExactArgs(1),
		RunE: attached(dir, func(cmd *cobra.Command, c *openstack.Cloud, args []string) error {
			n, err := nodeNamed(c, args[0])
			if err != nil {
				return err
			}
			return n.Remove(cmd.Context())
		}),
	})
	return cmd
}

func nodeNamed(c *openstack.Cloud, name string) (*openstack.Node, error) {
	if n := c.Node(name); n != nil {
		return n, nil
	}
	var names []string
	for _, n := range c.Nodes() {
		names = append(names, n.Name)
	}
	return nil, fmt.Errorf("no node %q; there are %s", name, strings.Join(names, ", "))
}

func service(dir *string) *cobra.Command {
	cmd := &cobra.Command{Use: "service", Short: "Start, stop or kill one service (names: testcloud status)"}
	for verb, act := range map[string]func(*openstack.Cloud, context.Context, string) error{
		"start": (*openstack.Cloud).Start, "stop": (*openstack.Cloud).Stop, "kill": (*openstack.Cloud).Kill,
	} {
		cmd.AddCommand(&cobra.Command{
			Use: verb + " NAME", Short: strings.ToUpper(verb[:1]) + verb[1:] + " a service", Args: cobra.ExactArgs(1),
			RunE: attached(dir, func(cmd *cobra.Command, c *openstack.Cloud, args []string) error {
				return act(c, cmd.Context(), args[0])
			}),
		})
	}
	return cmd
}

func vm(dir *string) *cobra.Command {
	cmd := &cobra.Command{Use: "vm", Short: "Boot or delete a VM: a namespace wired as Nova wires one"}
	cmd.AddCommand(&cobra.Command{
		Use: "boot NODE NAME PORT...", Short: "Boot a VM on existing ports (ids)", Args: cobra.MinimumNArgs(3),
		RunE: attached(dir, func(cmd *cobra.Command, c *openstack.Cloud, args []string) error {
			n, err := nodeNamed(c, args[0])
			if err != nil {
				return err
			}
			m, err := n.BootVM(cmd.Context(), args[1], args[2:]...)
			if err != nil {
				return err
			}
			for _, nic := range m.NICs {
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), nic.Name, nic.MAC, nic.Addresses); err != nil {
					return err
				}
			}
			return nil
		}),
	}, &cobra.Command{
		Use: "delete NAME", Short: "Delete a VM; its ports stay, unbound", Args: cobra.ExactArgs(1),
		RunE: attached(dir, func(cmd *cobra.Command, c *openstack.Cloud, args []string) error {
			m, err := c.VM(args[0])
			if err != nil {
				return err
			}
			return m.Delete(cmd.Context())
		}),
	})
	return cmd
}
