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
kuryr-cni, operators through the commands below. Who has no OpenStack runs one
with kuryr cloud.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.SetHelpTemplate(helpTemplate)
	root.AddCommand(newAgent(), newCloud(), newStatus(), newPorts(), newGC(), newDrain(), newUninstall(), newVersion())
	root.InitDefaultCompletionCmd()
	manual{Exit: exitCommon}.annotate(root)
	refuseArguments(root)
	return root
}

// refuseArguments has a command and all below it refuse what they do not
// know. One that only holds others helps.
func refuseArguments(c *cobra.Command) {
	c.Args = noArgs
	if c.HasSubCommands() {
		c.Args = noUnknownCommand
		// In edits of a word: the reach of "did you mean".
		c.SuggestionsMinimumDistance = 2
		if c.RunE == nil {
			c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		} else {
			c.Annotations["runs"] = "yes"
		}
	}
	for _, below := range c.Commands() {
		refuseArguments(below)
	}
}

// noUnknownCommand tells that there is no such command.
func noUnknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
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
