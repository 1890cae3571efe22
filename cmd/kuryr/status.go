// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/kuryr-go/kuryr/internal/agentapi"
)

func newStatus() *cobra.Command {
	var (
		out  output
		conn connection
	)
	c := &cobra.Command{
		Use:   "status [-o table|wide|json]",
		Short: "Show the health of this node's agent",
		Long: `Asks the running agent how it is: the node, the cloud, the switch, the ports by state, the
pools of ports held ready, and every problem it knows of, the gravest first.

A pool is the ports of one network with one set of security groups. FREE are ready, of as many
as there shall be; WIRED of them the switch has taken already. COOLING rest after use. DRAINING
are being deleted, ORDERED being made. WAITING attachments have no port yet. What keeps a pool
from having more is below it. docs/pools.md tells all about pools.

The exit status is the verdict, so that a script needs nothing else.`,
		Example: `  kuryr status
  kuryr status -o wide
  kuryr status -o json | jq -r '.problems[]?'
  kuryr status >/dev/null && echo healthy`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var s agentapi.Status
			err := conn.call(cmd.Context(), func(ctx context.Context, client *agentapi.Client) (err error) {
				s, err = client.Status(ctx)
				return err
			})
			if err != nil {
				return err
			}
			return printStatus(cmd.OutOrStdout(), out.value, s, time.Now())
		},
	}
	out.flag(c, formatTable, formatWide, formatJSON)
	conn.flags(c)
	manual{Files: filesSocket, Exit: `  0  the agent is healthy
  1  it has problems, or cannot be reached
  2  a command line that cannot be understood`}.annotate(c)
	return c
}

// printStatus prints s; the error is errReported when there are problems.
func printStatus(w io.Writer, format string, s agentapi.Status, now time.Time) error {
	var err error
	if format == formatJSON {
		err = printJSON(w, s)
	} else {
		err = statusTable(w, s, format == formatWide, now)
	}
	if err == nil && len(s.Problems) > 0 {
		return errReported
	}
	return err
}

func statusTable(w io.Writer, s agentapi.Status, wide bool, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "Node\t%s\n", nodeLine(s))
	fmt.Fprintf(t, "Agent\tversion %s, up %s\n", orDash(s.Version), age(now.Sub(s.Started)))
	fmt.Fprintf(t, "Cloud\t%s\n", cloudLine(s.Cloud, now))
	if s.Requests != nil {
		fmt.Fprintf(t, "Requests\t%s\n", requestsLine(*s.Requests, now))
	}
	fmt.Fprintf(t, "Switch\t%s\n", switchLine(s.Binder))
	fmt.Fprintf(t, "Ports\t%d attached, %d attaching, %d orphaned, %d releasing\n",
		s.Ports.Attached, s.Ports.Attaching, s.Ports.Orphaned, s.Ports.Releasing)
	if err := t.Flush(); err != nil {
		return err
	}
	if len(s.Pools) > 0 {
		fmt.Fprintln(w)
		if err := poolsTable(w, s.Pools, wide, now); err != nil {
			return err
		}
	}
	return problemsList(w, s.Problems)
}

func problemsList(w io.Writer, problems []string) error {
	if len(problems) == 0 {
		_, err := fmt.Fprintln(w, "\nNo problems.")
		return err
	}
	fmt.Fprintln(w, "\nProblems")
	for _, p := range problems {
		if _, err := fmt.Fprintf(w, "  - %s\n", plain(p)); err != nil {
			return err
		}
	}
	return nil
}

func nodeLine(s agentapi.Status) string {
	line := fmt.Sprintf("%s (cluster %s)", orDash(s.Node), orDash(s.Cluster))
	if s.Drained {
		line += ", drained: it takes no new attachments"
	}
	return line
}

func cloudLine(c agentapi.CloudStatus, now time.Time) string {
	state := "not reachable"
	if c.Reachable {
		state = fmt.Sprintf("reachable, answered in %.0f ms", 1000*c.LatencySeconds)
	}
	parts := []string{state}
	if c.Checked.IsZero() {
		parts = []string{"not asked yet"}
	} else {
		parts = append(parts, age(now.Sub(c.Checked))+" ago")
	}
	parts = appendNamed(parts, "network API", c.Network)
	parts = appendNamed(parts, "region", c.Region)
	parts = appendNamed(parts, "project", c.Project)
	if c.Network == "" {
		parts = appendNamed(parts, "identity", c.AuthURL)
	}
	return strings.Join(parts, ", ")
}

func switchLine(b agentapi.BinderStatus) string {
	state := "not connected"
	if b.Connected {
		state = "connected"
	}
	parts := []string{strings.TrimSpace(orDash(b.Kind) + " " + plain(b.Version)), state}
	parts = appendNamed(parts, "bridge", b.Bridge)
	parts = appendNamed(parts, "datapath", b.Datapath)
	parts = appendNamed(parts, "chassis", b.Chassis)
	parts = appendNamed(parts, "host", b.Host)
	parts = appendNamed(parts, "ready by", b.Ready)
	parts = append(parts, fmt.Sprintf("%d %s", b.Ports, plural(b.Ports, "interface")))
	if b.Prewired > 0 {
		parts = append(parts, fmt.Sprintf("%d %s prewired", b.Prewired, plural(b.Prewired, "port")))
	}
	return strings.Join(parts, ", ")
}

func appendNamed(parts []string, name, value string) []string {
	if value == "" {
		return parts
	}
	return append(parts, name+" "+plain(value))
}
