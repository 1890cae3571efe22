// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// newRoot is the whole command tree.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "kuryr",
		Short: "OpenStack networking for containers",
		Long: `Kuryr gives containers OpenStack networking: each gets a Neutron port of its own, with
its address, its security groups and its place on the tenant's network.

The agent runs on every node. Container engines reach it through the CNI plugin
kuryr-cni, operators through the commands below.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		// In edits of a word: the reach of "did you mean".
		SuggestionsMinimumDistance: 2,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.SetHelpTemplate(helpTemplate)
	root.AddCommand(newAgent(), newStatus(), newPorts(), newVersion())
	root.InitDefaultCompletionCmd()
	manual{Exit: exitCommon}.annotate(root)
	for _, c := range append(root.Commands(), root) {
		c.Args = noArgs
		if c.HasSubCommands() {
			c.Args, c.RunE = cobra.ArbitraryArgs, runGroup
		}
	}
	return root
}

// runGroup is a command that only holds others: it helps, or tells that there
// is no such command.
func runGroup(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	message := fmt.Sprintf("unknown command %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		message += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usageError{fmt.Errorf("%s", message)}
}

// noArgs refuses arguments where a command takes none.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unexpected argument %q", args[0])}
	}
	return nil
}
