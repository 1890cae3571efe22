// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/kuryr-go/kuryr/internal/cloud/faults"
)

func newCloudRequests() *cobra.Command {
	var (
		out           output
		after         uint64
		kind          string
		counts, reset bool
	)
	var admin cloudAdmin
	c := &cobra.Command{
		Use:   "requests [-o table|json] [--kind KIND] [--after NUMBER] [--counts]",
		Short: "Show the calls that a running cloud has had",
		Long: `Shows the last calls of the three APIs, the oldest first: number, time, kind, objects in the
request, status (- where no answer was sent), duration, project, user, request id and the rules of
the faults that did something to it. --counts shows how many calls there were of each kind and
status since the start, or since --clear.`,
		Example: `  kuryr cloud requests --kind 'POST /v2.0/ports'
  kuryr cloud requests --counts
  kuryr cloud requests -o json --after 120 | jq '.calls[].kind'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if reset {
				_, err := admin.call(cmd.Context(), "DELETE", "/requests", nil, nil)
				return err
			}
			query := url.Values{"after": {strconv.FormatUint(after, 10)}}
			if kind != "" {
				query.Set("kind", kind)
			}
			b, err := admin.call(cmd.Context(), "GET", "/requests", query, nil)
			if err != nil {
				return err
			}
			var r faults.Requests
			if err := json.Unmarshal(b, &r); err != nil {
				return err
			}
			switch w := cmd.OutOrStdout(); {
			case out.value == formatJSON:
				return printJSON(w, r)
			case counts:
				return countsTable(w, r.Counts)
			default:
				return callsTable(w, r)
			}
		},
	}
	out.flag(c, formatTable, formatJSON)
	c.Flags().StringVar(&kind, "kind", "", "only calls of this `kind`, such as 'POST /v2.0/ports'")
	c.Flags().Uint64Var(&after, "after", 0, "only calls after the one of this `number`")
	c.Flags().BoolVar(&counts, "counts", false, "the counters instead of the calls")
	c.Flags().BoolVar(&reset, "clear", false, "forget the calls and set the counters to zero")
	admin.flags(c)
	manual{Exit: exitCommon}.annotate(c)
	return c
}

func callsTable(w io.Writer, r faults.Requests) error {
	if r.Forgotten > 0 {
		fmt.Fprintf(w, "%d earlier calls are forgotten.\n", r.Forgotten)
	}
	if len(r.Calls) == 0 {
		_, err := fmt.Fprintln(w, "No calls.")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NUMBER\tTIME\tKIND\tITEMS\tSTATUS\tTOOK\tPROJECT\tUSER\tREQUEST ID\tFAULTS")
	for _, c := range r.Calls {
		took := time.Duration(c.Seconds * float64(time.Second)).Round(10 * time.Microsecond)
		kind := c.Kind
		if kind == "unknown" {
			kind = c.Method + " " + c.Path + " (unknown)"
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n", c.Seq, c.Time.Local().Format("15:04:05.000"), plain(kind), c.Items, status(c.Status), took,
			orDash(c.Project), orDash(c.User), orDash(c.RequestID), orDash(strings.Join(c.Faults, ", ")))
	}
	return t.Flush()
}

func countsTable(w io.Writer, counts []faults.Count) error {
	if len(counts) == 0 {
		_, err := fmt.Fprintln(w, "No calls.")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SERVICE\tKIND\tSTATUS\tCALLS")
	for _, c := range counts {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\n", c.Service, c.Kind, status(c.Status), c.Count)
	}
	return t.Flush()
}

// status shows a status; there is none where no answer was sent.
func status(code int) string {
	if code == 0 {
		return "-"
	}
	return strconv.Itoa(code)
}
