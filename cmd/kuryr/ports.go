// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/kuryr-go/kuryr/internal/agentapi"
)

// shortSandbox is how much of a sandbox id the table shows, as container
// engines do.
const shortSandbox = 12

// portsFilter says which attachments are shown.
type portsFilter struct {
	sandbox, network string
}

// holdings are what `kuryr ports --leases` shows.
type holdings struct {
	Attachments []agentapi.Attachment `json:"attachments"`
	Leases      []agentapi.Lease      `json:"leases"`
}

func (f portsFilter) keeps(a agentapi.Attachment) bool {
	return strings.HasPrefix(a.Sandbox, f.sandbox) &&
		(f.network == "" || f.network == a.Network || f.network == a.NetworkID)
}

func newPorts() *cobra.Command {
	var (
		out    output
		conn   connection
		filter portsFilter
		leases bool
	)
	c := &cobra.Command{
		Use:   "ports [-o table|wide|json] [--leases] [--sandbox ID] [--network NAME]",
		Short: "List the node's attachments and their Neutron ports",
		Long: `Lists what the running agent has attached: the sandbox and interface, the state, the
addresses, the network, the security groups and the Neutron port behind them, oldest first.

States: attaching (under way), attached, orphaned (attached, but the sandbox is gone), releasing
(detached, and the port still to be given back, to its pool or to Neutron).

With --leases the ports follow that the node holds and no attachment has, by pool and state:
free, wired (free, and taken by the switch already), cooling (rests after use), cooled (waits to
be looked at), checking (is looked at), draining (is being deleted). In JSON the answer is then an
object with the lists attachments and leases.`,
		Example: `  kuryr ports
  kuryr ports --leases -o json | jq '.leases | group_by(.state)[] | {(.[0].state): length}'
  kuryr ports -o wide --network containers
  openstack port show "$(kuryr ports -o json --sandbox 3f2c | jq -r '.[0].portID')"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if leases && filter.sandbox != "" {
				return usageError{errors.New("--leases and --sandbox: a lease that no attachment has is in no sandbox")}
			}
			all, err := askHoldings(cmd.Context(), &conn, leases)
			if err != nil {
				return err
			}
			all.Attachments, all.Leases = selected(all.Attachments, filter), selectedLeases(all.Leases, filter)
			return printPorts(cmd.OutOrStdout(), out.value, leases, all, time.Now())
		},
	}
	out.flag(c, formatTable, formatWide, formatJSON)
	c.Flags().StringVar(&filter.sandbox, "sandbox", "", "only the sandbox (container, pod or task) whose `id` begins so")
	c.Flags().StringVar(&filter.network, "network", "", "only the network of this `name` or id")
	c.Flags().BoolVar(&leases, "leases", false, "the ports too that the node holds and no attachment has")
	conn.flags(c)
	manual{Files: filesSocket, Exit: exitCommon}.annotate(c)
	return c
}

// askHoldings asks the agent for its attachments and, if so told, its leases.
func askHoldings(ctx context.Context, conn *connection, leases bool) (all holdings, err error) {
	err = conn.call(ctx, func(ctx context.Context, client *agentapi.Client) (err error) {
		if !leases {
			all.Attachments, err = client.Attachments(ctx)
			return err
		}
		// The leases twice: a port that goes from one list to the other meanwhile,
		// whichever way, is then in one of the three.
		before, err := client.Leases(ctx)
		if err != nil {
			return err
		}
		if all.Attachments, err = client.Attachments(ctx); err != nil {
			return err
		}
		after, err := client.Leases(ctx)
		all.Leases = onlyOnce(all.Attachments, append(after, before...))
		return err
	})
	return all, err
}

// onlyOnce gives the leases that no attachment has, each once.
func onlyOnce(attachments []agentapi.Attachment, leases []agentapi.Lease) []agentapi.Lease {
	seen := map[string]bool{}
	for _, a := range attachments {
		seen[a.PortID] = true
	}
	return slices.DeleteFunc(leases, func(l agentapi.Lease) bool {
		again := seen[l.PortID]
		seen[l.PortID] = true
		return again
	})
}

// selectedLeases gives the leases that a filter keeps, by pool and state.
func selectedLeases(all []agentapi.Lease, f portsFilter) []agentapi.Lease {
	kept := []agentapi.Lease{}
	for _, l := range all {
		if f.network == "" || f.network == l.Network || f.network == l.NetworkID {
			kept = append(kept, l)
		}
	}
	slices.SortStableFunc(kept, func(a, b agentapi.Lease) int {
		return cmp.Or(cmp.Compare(a.Pool, b.Pool), cmp.Compare(a.State, b.State), a.Since.Compare(b.Since))
	})
	return kept
}

// selected gives what a filter keeps, oldest first.
func selected(all []agentapi.Attachment, f portsFilter) []agentapi.Attachment {
	kept := []agentapi.Attachment{}
	for _, a := range all {
		if f.keeps(a) {
			kept = append(kept, a)
		}
	}
	slices.SortStableFunc(kept, func(a, b agentapi.Attachment) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Sandbox, b.Sandbox), cmp.Compare(a.Interface, b.Interface))
	})
	return kept
}

func printPorts(w io.Writer, format string, leases bool, all holdings, now time.Time) error {
	switch {
	case format == formatJSON && leases:
		return printJSON(w, all)
	case format == formatJSON:
		return printJSON(w, all.Attachments)
	case len(all.Attachments)+len(all.Leases) > 0:
		return printRows(w, portsTable(all, format == formatWide, now))
	case leases:
		_, err := fmt.Fprintln(w, "No attachments and no leases.")
		return err
	}
	_, err := fmt.Fprintln(w, "No attachments.")
	return err
}

// printRows prints rows in columns.
func printRows(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

// portsTable gives the header and a row for each attachment and lease. What a
// release waits for is shown as soon as one waits.
func portsTable(all holdings, wide bool, now time.Time) [][]string {
	waiting := slices.ContainsFunc(all.Attachments, func(a agentapi.Attachment) bool { return a.Waiting != "" })
	header := []string{"SANDBOX", "INTERFACE", "STATE", "ADDRESSES", "NETWORK", "SECURITY GROUPS", "PORT", "AGE"}
	if wide {
		header = append(header, "MAC", "HOST INTERFACE", "PORT NAME", "NETWORK ID", "NAMESPACE", "POOL")
	}
	rows := [][]string{header}
	for _, a := range all.Attachments {
		rows = append(rows, portsRow(a, wide, now))
	}
	for _, l := range all.Leases {
		// A lease is an attachment of nobody.
		rows = append(rows, portsRow(agentapi.Attachment{
			State: l.State, PortID: l.PortID, MAC: l.MAC, Addresses: l.Addresses, Network: l.Network, NetworkID: l.NetworkID,
			SecurityGroups: l.SecurityGroups, Since: l.Since, Pool: l.Pool,
		}, wide, now))
	}
	if !waiting {
		return rows
	}
	rows[0] = append(rows[0], "WAITING FOR")
	for i := range rows[1:] {
		reason := ""
		if i < len(all.Attachments) {
			reason = all.Attachments[i].Waiting
		}
		rows[i+1] = append(rows[i+1], orDash(reason))
	}
	return rows
}

func portsRow(a agentapi.Attachment, wide bool, now time.Time) []string {
	sandbox := a.Sandbox
	if !wide && len(sandbox) > shortSandbox {
		sandbox = sandbox[:shortSandbox]
	}
	state := a.State
	if a.Adopted {
		state += " (adopted)"
	}
	row := []string{
		orDash(sandbox), orDash(a.Interface), orDash(state), orDash(strings.Join(a.Addresses, ",")),
		orDash(a.Network), orDash(strings.Join(a.SecurityGroups, ",")), orDash(a.PortID), age(now.Sub(a.Since)),
	}
	if wide {
		row = append(row, orDash(a.MAC), orDash(a.HostInterface), orDash(a.PortName), orDash(a.NetworkID), orDash(a.Netns), orDash(a.Pool))
	}
	return row
}
