// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/kuryr-go/kuryr/internal/agentapi"
)

// filesSocket is the section "Files" of the commands that call the agent.
const filesSocket = `  ` + agentapi.DefaultSocket + `  the agent's socket; only its owner, usually root, may call it`

// connection is the flags of a command that calls the agent.
type connection struct {
	socket  string
	timeout time.Duration
}

// answerTime is how long an agent that has nothing to ask may take to answer.
const answerTime = 10 * time.Second

func (c *connection) flags(cmd *cobra.Command) { c.flagsFor(cmd, answerTime) }

// flagsFor is flags for a call that may take so long.
func (c *connection) flagsFor(cmd *cobra.Command, timeout time.Duration) {
	c.socketFlag(cmd)
	cmd.Flags().DurationVar(&c.timeout, "timeout", timeout, "how long to wait for the agent's answer")
}

// socketFlag is flags for a command whose --timeout means something else.
func (c *connection) socketFlag(cmd *cobra.Command) {
	c.timeout = answerTime
	cmd.Flags().StringVar(&c.socket, "socket", agentapi.DefaultSocket, "the `path` of the agent's unix socket")
}

// call does one call of the agent. When there is no answer, the error says
// why, and what to do next.
func (c *connection) call(ctx context.Context, f func(context.Context, *agentapi.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	err := f(ctx, &agentapi.Client{Socket: c.socket})
	var unreachable *agentapi.UnreachableError
	switch {
	case errors.As(err, &unreachable):
		return fmt.Errorf("cannot reach the agent at %s: %s\n%s", c.socket, unreachable.Reason(), unreachable.Hint())
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the agent at %s did not answer in %v\nsee its log, or wait longer with --timeout", c.socket, c.timeout)
	}
	return err
}
