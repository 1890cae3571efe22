// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/kuryr-go/kuryr/internal/agentapi"
)

// collectTime is how long a collection may take: each removal is a request.
const collectTime = 10 * time.Minute

func newGC() *cobra.Command {
	var (
		out        output
		conn       connection
		apply, all bool
		grace      time.Duration
	)
	c := &cobra.Command{
		Use:   "gc [--apply] [--grace DURATION] [--all] [-o table|json]",
		Short: "Find and remove what is this node's in the cloud and nobody's",
		Long: `Has the running agent look for what it made in the cloud and neither an attachment nor a lease
has: what a crash left between a request and its answer, or the loss of the journal. Only what bears
the mark of this cluster and this node is looked at. What is younger than the grace is kept.

Without --apply nothing is removed: the table says what would be. The agent does the same by itself
every gc.interval; this is for who does not want to wait, or wants to see first.`,
		Example: `  kuryr gc
  kuryr gc --apply
  kuryr gc --all --grace 0s
  kuryr gc -o json | jq -r '.[] | select(.remove) | .id'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			request := agentapi.CollectRequest{Apply: apply}
			if cmd.Flags().Changed("grace") {
				if grace < 0 {
					return usageError{errors.New("--grace: negative; want a duration")}
				}
				seconds := grace.Seconds()
				request.GraceSeconds = &seconds
			}
			var found []agentapi.Finding
			err := conn.call(cmd.Context(), func(ctx context.Context, client *agentapi.Client) (err error) {
				found, err = client.Collect(ctx, request)
				return err
			})
			if err != nil {
				return err
			}
			return printFindings(cmd.OutOrStdout(), out.value, found, apply, all, time.Now())
		},
	}
	out.flag(c, formatTable, formatJSON)
	c.Flags().BoolVar(&apply, "apply", false, "remove what is nobody's")
	c.Flags().BoolVar(&all, "all", false, "show what is kept too; JSON always does")
	// Its default is the agent's to say.
	c.Flags().DurationVar(&grace, "grace", 0, "keep what is younger than this `duration` (default: gc.grace of the agent)")
	conn.flagsFor(c, collectTime)
	manual{Files: filesSocket, Exit: `  0  nothing is nobody's, or all that is was removed, or would be without --apply missing
  1  something could not be removed, or the agent cannot be reached or do it
  2  a command line that cannot be understood`}.annotate(c)
	return c
}

// printFindings prints what was found; the error is errReported when something
// could not be removed.
func printFindings(w io.Writer, format string, found []agentapi.Finding, apply, all bool, now time.Time) error {
	var remove, failed int
	for _, f := range found {
		if f.Remove {
			remove++
		}
		if f.Error != "" {
			failed++
		}
	}
	var err error
	if format == formatJSON {
		err = printJSON(w, append([]agentapi.Finding{}, found...))
	} else {
		err = findingsTable(w, found, apply, all, now)
		if err == nil {
			_, err = fmt.Fprintln(w, findingsLine(len(found), remove, failed, apply, all))
		}
	}
	if err == nil && failed > 0 {
		return errReported
	}
	return err
}

func findingsTable(w io.Writer, found []agentapi.Finding, apply, all bool, now time.Time) error {
	rows := [][]string{{"KIND", "ID", "NAME", "AGE", "VERDICT", "WHY"}}
	for _, f := range found {
		if !f.Remove && !all {
			continue
		}
		old := "-"
		if !f.Since.IsZero() {
			old = age(now.Sub(f.Since))
		}
		rows = append(rows, []string{orDash(f.Kind), orDash(f.ID), orDash(f.Name), old, verdict(f, apply), orDash(cmp.Or(f.Error, f.Reason))})
	}
	if len(rows) == 1 {
		return nil
	}
	if err := printRows(w, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

// verdict is what becomes, or has become, of a finding.
func verdict(f agentapi.Finding, apply bool) string {
	switch {
	case f.Error != "":
		return "failed"
	case f.Removed:
		return "removed"
	case f.Remove && !apply:
		return "remove"
	default:
		return "keep"
	}
}

// findingsLine sums up.
func findingsLine(found, remove, failed int, apply, all bool) string {
	hint := ""
	if !all && found > remove {
		hint = "; --all shows what is kept, and why"
	}
	switch {
	case found == 0:
		return "This node has nothing in the cloud."
	case remove == 0:
		// Not "none is nobody's": one may be, and be younger than the grace.
		return fmt.Sprintf("None of %d is to be removed%s.", found, hint)
	case !apply:
		return fmt.Sprintf("%d of %d would be removed: run again with --apply.", remove, found)
	case failed > 0:
		return fmt.Sprintf("%d of %d removed, %d failed: run again when the reason is gone.", remove-failed, found, failed)
	default:
		return fmt.Sprintf("%d of %d removed.", remove, found)
	}
}
