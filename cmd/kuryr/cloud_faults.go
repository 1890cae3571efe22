// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/kuryr-go/kuryr/internal/cloud/faults"
)

func newCloudFaults() *cobra.Command {
	c := &cobra.Command{
		Use:   "faults",
		Short: "Make a running cloud slow, limited or faulty",
		Long: `Shows and changes the faults that a running cloud injects into the calls of its APIs: delays,
errors, cut connections, rate limits, and the delays until ports and load balancers are ACTIVE.
docs/cloud.md has the reference.`,
	}
	manual{Exit: exitCommon}.annotate(c)
	c.AddCommand(newFaultsSet(), newFaultsShow(), newFaultsClear())
	return c
}

func newFaultsSet() *cobra.Command {
	var admin cloudAdmin
	var file string
	c := &cobra.Command{
		Use:   "set -f FILE",
		Short: "Replace the faults by those of a file",
		Long: `Replaces all faults by those of a YAML or JSON file. Rules begin to count anew; what hangs is let
go. A file with a mistake changes nothing.`,
		Example: `  kuryr cloud faults set -f slow.yaml
  echo 'rules: [{match: {method: POST, path: /v2.0/ports}, skip: 2, count: 1, after: true, answer: drop}]' |
    kuryr cloud faults set -f -`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return usageError{errors.New("--file: missing; want the file with the faults, or - for standard input")}
			}
			name, b, err := readArgument(cmd.InOrStdin(), file)
			if err != nil {
				return err
			}
			// Here for the file's name in the problems.
			if _, err := faults.Read(name, b); err != nil {
				return fmt.Errorf("the faults are not right:\n%w", err)
			}
			_, err = admin.call(cmd.Context(), "PUT", "/faults", nil, b)
			return err
		},
	}
	c.Flags().StringVarP(&file, "file", "f", "", "the `file`; - is standard input")
	admin.flags(c)
	manual{Exit: exitCommon}.annotate(c)
	return c
}

// readArgument reads a file, or standard input for "-".
func readArgument(stdin io.Reader, file string) (name string, content []byte, err error) {
	if file == "-" {
		content, err = io.ReadAll(stdin)
		return "standard input", content, err
	}
	content, err = os.ReadFile(filepath.Clean(file))
	return file, content, err
}

func newFaultsShow() *cobra.Command {
	var admin cloudAdmin
	c := &cobra.Command{
		Use:     "show",
		Short:   "Print the faults as JSON, which set takes again",
		Example: `  kuryr cloud faults show >before.json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := admin.call(cmd.Context(), "GET", "/faults", nil, nil)
			if err != nil {
				return err
			}
			var v json.RawMessage
			if err := json.Unmarshal(b, &v); err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), v)
		},
	}
	admin.flags(c)
	manual{Exit: exitCommon}.annotate(c)
	return c
}

func newFaultsClear() *cobra.Command {
	var admin cloudAdmin
	c := &cobra.Command{
		Use:   "clear",
		Short: "Remove all faults",
		Long:  "Removes all faults, and lets go what hangs.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := admin.call(cmd.Context(), "DELETE", "/faults", nil, nil)
			return err
		},
	}
	admin.flags(c)
	manual{Exit: exitCommon}.annotate(c)
	return c
}
