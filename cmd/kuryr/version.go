// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"github.com/spf13/cobra"

	"github.com/kuryr-go/kuryr/internal/version"
)

func newVersion() *cobra.Command {
	var out output
	c := &cobra.Command{
		Use:   "version [-o json]",
		Short: "Tell which build this is",
		Long: `Prints the version, the commit and its date, the Go toolchain and the platform of this
binary. The version of a running agent is in "kuryr status".`,
		Example: `  kuryr version
  kuryr version -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := version.Get()
			if out.value == formatJSON {
				return printJSON(cmd.OutOrStdout(), b)
			}
			cmd.Println("kuryr", b)
			return nil
		},
	}
	out.flag(c, formatText, formatJSON)
	manual{Exit: exitCommon}.annotate(c)
	return c
}
