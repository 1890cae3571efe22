// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kuryr-go/kuryr/internal/agentapi"
)

// drainPoll is the pause between two looks at how far a drain is.
const drainPoll = 500 * time.Millisecond

// drainTime is how long a drain is waited for: a node's few hundred ports take
// a slow Neutron a minute or two.
const drainTime = 10 * time.Minute

func newDrain() *cobra.Command {
	var (
		conn       connection
		undo, wait bool
		timeout    time.Duration
	)
	c := &cobra.Command{
		Use:   "drain [--undo] [--wait=false] [--timeout DURATION]",
		Short: "Empty this node: no new attachments, and its free ports go back",
		Long: `Has the running agent refuse new attachments and give the ports that it holds ready back to
Neutron. Running containers keep theirs; those that end after this do not fill the pools again.
A node stays drained over restarts of the agent, until --undo.

The command waits until no lease is left and no port is being released, and then lists what still
uses the node. It may be interrupted: that ends the waiting, not the draining, and running it again
waits again.`,
		Example: `  kuryr drain
  kuryr drain --wait=false
  kuryr drain --undo`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := conn.call(cmd.Context(), func(ctx context.Context, client *agentapi.Client) error {
				return client.Drain(ctx, agentapi.DrainRequest{Undo: undo})
			})
			w := cmd.OutOrStdout()
			switch {
			case err != nil:
				return err
			case undo:
				_, err := fmt.Fprintln(w, "The node takes attachments again.")
				return err
			case !wait:
				_, err := fmt.Fprintln(w, "The node is being drained: it takes no new attachments, and its leases go back.")
				return err
			}
			using, err := waitDrained(cmd.Context(), &conn, timeout, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			return printDrained(w, using, time.Now())
		},
	}
	c.Flags().BoolVar(&undo, "undo", false, "have a drained node take attachments again, and fill its pools")
	c.Flags().BoolVar(&wait, "wait", true, "wait until the node is empty")
	c.Flags().DurationVar(&timeout, "timeout", drainTime, "how long to wait for that")
	conn.socketFlag(c)
	manual{Files: filesSocket, Exit: `  0  no lease is left; or, with --undo or --wait=false, the agent has heard of it
  1  failure, or not empty in time; standard error says which
  2  a command line that cannot be understood`}.annotate(c)
	return c
}

// drainLeft is what a node that is drained still has.
type drainLeft struct {
	ordered, leases, attaching, releasing int
	// waiting is what a release waits for; empty: none does, or it is not known.
	waiting string
	// using are the attachments that stay.
	using []agentapi.Attachment
}

// empty tells that the agent has nothing left to give back.
func (l drainLeft) empty() bool { return l.ordered+l.leases+l.attaching+l.releasing == 0 }

// String says how far it is.
func (l drainLeft) String() string {
	var parts []string
	for _, part := range []struct {
		n    int
		what string
	}{{l.ordered, "still being made"}, {l.leases, "to be deleted"}, {l.releasing, "being released"}, {l.attaching, "still being attached"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s %s", part.n, plural(part.n, "port"), part.what))
		}
	}
	text := strings.Join(parts, ", ")
	if l.waiting != "" {
		text += " (" + plain(l.waiting) + ")"
	}
	return text
}

// waitDrained waits until the node is empty, tells each change of how far it
// is, and gives the attachments that stay. An agent that does not answer
// meanwhile is waited for too: it goes on when it is back.
func waitDrained(ctx context.Context, conn *connection, timeout time.Duration, progress io.Writer) ([]agentapi.Attachment, error) {
	tick, end := time.NewTicker(drainPoll), time.NewTimer(timeout)
	defer tick.Stop()
	defer end.Stop()
	var told string
	for {
		left, err := lookDrained(ctx, conn)
		line := left.String()
		switch {
		case ctx.Err() != nil:
		case err != nil:
			line, _, _ = strings.Cut(err.Error(), "\n")
		case left.empty():
			return left.using, nil
		}
		if line != told && ctx.Err() == nil {
			fmt.Fprintln(progress, line)
			told = line
		}
		select {
		case <-ctx.Done():
			fmt.Fprintln(progress, "Not waited for any longer. The node goes on draining; `kuryr drain` waits again, `kuryr drain --undo` ends it.")
			return nil, errReported
		case <-end.C:
			return nil, fmt.Errorf("the node is not empty after %v: %s\nit goes on draining; `kuryr status` and the agent's log say what it waits for", timeout, line)
		case <-tick.C:
		}
	}
}

func lookDrained(ctx context.Context, conn *connection) (left drainLeft, err error) {
	// The orders first: a port that comes meanwhile is then among the leases.
	err = conn.call(ctx, func(ctx context.Context, client *agentapi.Client) error {
		st, err := client.Status(ctx)
		for _, p := range st.Pools {
			left.ordered += p.Ordered
		}
		return err
	})
	if err != nil {
		return left, err
	}
	all, err := askHoldings(ctx, conn, true)
	if err != nil {
		return left, err
	}
	left.leases = len(all.Leases)
	for _, a := range selected(all.Attachments, portsFilter{}) {
		switch a.State {
		case "attaching":
			left.attaching++
		case "releasing":
			left.releasing++
			if left.waiting == "" {
				left.waiting = a.Waiting
			}
		default:
			left.using = append(left.using, a)
		}
	}
	return left, nil
}

func printDrained(w io.Writer, using []agentapi.Attachment, now time.Time) error {
	if len(using) == 0 {
		_, err := fmt.Fprintln(w, "The node is drained: nothing uses it.")
		return err
	}
	fmt.Fprintf(w, "The node is drained. %d %s still %s it:\n\n", len(using), plural(len(using), "attachment"), verb(len(using), "uses", "use"))
	return printRows(w, portsTable(holdings{Attachments: using}, false, now))
}

// plural is a word for so many.
func plural(n int, word string) string { return verb(n, word, word+"s") }

// verb picks the form of a word for one, or for several.
func verb(n int, one, several string) string {
	if n == 1 {
		return one
	}
	return several
}
