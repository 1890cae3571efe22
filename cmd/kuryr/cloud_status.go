// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/kuryr-go/kuryr/internal/cloud"
)

func newCloudStatus() *cobra.Command {
	var out output
	var admin cloudAdmin
	c := &cobra.Command{
		Use:   "status [-o table|json]",
		Short: "Show the health of a running cloud, and what it holds",
		Long: `Asks a running cloud how it is: what it serves, whether OVN is in step with it, and how many rows
its tables have. The exit status is the verdict.`,
		Example: `  kuryr cloud status
  kuryr cloud status --admin-address unix:/run/kuryr/cloud.sock -o json | jq .rows.ports`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := admin.call(cmd.Context(), "GET", "/debug/state", nil, nil)
			if err != nil {
				return err
			}
			var s cloud.State
			if err := json.Unmarshal(b, &s); err != nil {
				return err
			}
			if out.value == formatJSON {
				err = printJSON(cmd.OutOrStdout(), s)
			} else {
				err = cloudTable(cmd.OutOrStdout(), s, time.Now())
			}
			if err == nil && s.Problem != "" {
				return errReported
			}
			return err
		},
	}
	out.flag(c, formatTable, formatJSON)
	admin.flags(c)
	manual{Exit: `  0  everything is served, and OVN is in step
  1  it is not, or the cloud cannot be reached
  2  a command line that cannot be understood`}.annotate(c)
	return c
}

func cloudTable(w io.Writer, s cloud.State, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "Cloud\tversion %s, up %s\n", s.Version, age(now.Sub(s.Started)))
	fmt.Fprintf(t, "Identity\t%s\n", s.Endpoints.Identity)
	fmt.Fprintf(t, "Network\t%s\n", s.Endpoints.Network)
	fmt.Fprintf(t, "Load balancer\t%s\n", s.Endpoints.LoadBalancer)
	fmt.Fprintf(t, "OVN\t%s\n", orDash(s.OVN))
	fmt.Fprintf(t, "Store\t%s, %d changes since the start\n", orDash(s.Store), s.Commits)
	fmt.Fprintf(t, "Process\t%d MiB of objects, %d goroutines, %d calls under way\n", s.Heap>>20, s.Goroutines, s.InFlight)
	var rows []string
	for _, name := range slices.Sorted(maps.Keys(s.Rows)) {
		if s.Rows[name] > 0 {
			rows = append(rows, fmt.Sprintf("%s %d", name, s.Rows[name]))
		}
	}
	fmt.Fprintf(t, "Rows\t%s\n", orDash(strings.Join(rows, ", ")))
	if err := t.Flush(); err != nil {
		return err
	}
	problem := "No problems."
	if s.Problem != "" {
		problem = "Problem: " + plain(s.Problem)
	}
	_, err := fmt.Fprintf(w, "\n%s\n", problem)
	return err
}
