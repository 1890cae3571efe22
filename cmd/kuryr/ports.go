// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"cmp"
	"context"
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

func (f portsFilter) keeps(a agentapi.Attachment) bool {
	return strings.HasPrefix(a.Sandbox, f.sandbox) &&
		(f.network == "" || f.network == a.Network || f.network == a.NetworkID)
}

func newPorts() *cobra.Command {
	var (
		out    output
		conn   connection
		filter portsFilter
	)
	c := &cobra.Command{
		Use:   "ports [-o table|wide|json] [--sandbox ID] [--network NAME]",
		Short: "List the node's attachments and their Neutron ports",
		Long: `Lists what the running agent has attached: the sandbox and interface, the state, the
addresses, the network, the security groups and the Neutron port behind them, oldest first.

States: attaching (under way), attached, orphaned (attached, but the sandbox is gone), releasing
(detached, and the port still to be given back to Neutron).`,
		Example: `  kuryr ports
  kuryr ports -o wide --network containers
  openstack port show "$(kuryr ports -o json --sandbox 3f2c | jq -r '.[0].portID')"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all []agentapi.Attachment
			err := conn.call(cmd.Context(), func(ctx context.Context, client *agentapi.Client) (err error) {
				all, err = client.Attachments(ctx)
				return err
			})
			if err != nil {
				return err
			}
			return printPorts(cmd.OutOrStdout(), out.value, selected(all, filter), time.Now())
		},
	}
	out.flag(c, formatTable, formatWide, formatJSON)
	c.Flags().StringVar(&filter.sandbox, "sandbox", "", "only the sandbox (container, pod or task) whose `id` begins so")
	c.Flags().StringVar(&filter.network, "network", "", "only the network of this `name` or id")
	conn.flags(c)
	manual{Files: filesSocket, Exit: exitCommon}.annotate(c)
	return c
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

func printPorts(w io.Writer, format string, list []agentapi.Attachment, now time.Time) error {
	if format == formatJSON {
		return printJSON(w, list)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "No attachments.")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range portsTable(list, format == formatWide, now) {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

// portsTable gives the header and a row for each attachment. What a release
// waits for is shown as soon as one waits.
func portsTable(list []agentapi.Attachment, wide bool, now time.Time) [][]string {
	waiting := slices.ContainsFunc(list, func(a agentapi.Attachment) bool { return a.Waiting != "" })
	header := []string{"SANDBOX", "INTERFACE", "STATE", "ADDRESSES", "NETWORK", "SECURITY GROUPS", "PORT", "AGE"}
	if wide {
		header = append(header, "MAC", "HOST INTERFACE", "PORT NAME", "NETWORK ID", "NAMESPACE")
	}
	if waiting {
		header = append(header, "WAITING FOR")
	}
	rows := [][]string{header}
	for _, a := range list {
		row := portsRow(a, wide, now)
		if waiting {
			row = append(row, orDash(a.Waiting))
		}
		rows = append(rows, row)
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
		row = append(row, orDash(a.MAC), orDash(a.HostInterface), orDash(a.PortName), orDash(a.NetworkID), orDash(a.Netns))
	}
	return row
}
