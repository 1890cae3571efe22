// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agentapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
	"time"
)

// connectTimeout bounds the connection to the socket. A local socket answers
// at once or not at all; only a full backlog takes longer.
const connectTimeout = 2 * time.Second

// Client calls the agent over its socket. It may be used concurrently; every
// call has a connection of its own, which ends with the call's context: so
// the agent learns that nobody waits any longer.
type Client struct {
	// Socket is the path of the agent's socket; empty: DefaultSocket.
	Socket string
}

// CNI forwards a call of the plugin.
//
// All methods fail with an *UnreachableError when nobody serves the socket,
// with a *RefusedError when the agent did not accept the message, and with
// the context's error when that ended first.
func (c *Client) CNI(ctx context.Context, r CNIRequest) (CNIResponse, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return CNIResponse{}, fmt.Errorf("agentapi: encode cni request: %w", err)
	}
	var answer CNIResponse
	err = c.call(ctx, "POST", PathCNI, body, &answer)
	return answer, err
}

// Status asks for the operator's view of the agent.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	err := c.call(ctx, "GET", PathStatus, nil, &s)
	return s, err
}

// Attachments lists what is attached and what is being released.
func (c *Client) Attachments(ctx context.Context) ([]Attachment, error) {
	var list []Attachment
	err := c.call(ctx, "GET", PathAttachments, nil, &list)
	return list, err
}

// Leases lists the ports of pools that no attachment has.
func (c *Client) Leases(ctx context.Context) ([]Lease, error) {
	var list []Lease
	err := c.call(ctx, "GET", PathLeases, nil, &list)
	return list, err
}

// Collect looks for what the node made in the cloud and nobody has, and removes
// it if the request says so.
func (c *Client) Collect(ctx context.Context, r CollectRequest) ([]Finding, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("agentapi: encode collect request: %w", err)
	}
	var found []Finding
	err = c.call(ctx, "POST", PathCollect, body, &found)
	return found, err
}

// Drain empties the node, or ends that; it returns at once.
func (c *Client) Drain(ctx context.Context, r DrainRequest) error {
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("agentapi: encode drain request: %w", err)
	}
	var nothing struct{}
	return c.call(ctx, "POST", PathDrain, body, &nothing)
}

func (c *Client) call(ctx context.Context, method, path string, body []byte, into any) error {
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	// The deadline in the past ends what is under way, as the context's end must.
	release := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer release()
	defer conn.Close()
	code, answer, err := roundTrip(conn, method, path, body)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("agentapi: %s %s: %w", method, path, context.Cause(ctx))
	case err != nil:
		return &UnreachableError{Socket: c.path(), Connected: true, Err: err}
	case code != 200:
		return refused(code, answer)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return &UnreachableError{Socket: c.path(), Connected: true, Err: fmt.Errorf("decode answer: %w", err)}
	}
	return nil
}

func (c *Client) connect(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{Timeout: connectTimeout}
	conn, err := d.DialContext(ctx, "unix", c.path())
	if err == nil {
		return conn, nil
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("agentapi: connect to %s: %w", c.path(), context.Cause(ctx))
	}
	return nil, &UnreachableError{Socket: c.path(), Err: err}
}

func (c *Client) path() string {
	if c.Socket == "" {
		return DefaultSocket
	}
	return c.Socket
}

// UnreachableError says that no answer of the agent was had.
type UnreachableError struct {
	// Socket is the path that was tried.
	Socket string
	// Connected is set when the connection was made and broke before a whole
	// answer had come: the agent stopped, or is not an agent.
	Connected bool
	// Err is the cause.
	Err error
}

// Error says what failed, without the next step.
func (e *UnreachableError) Error() string {
	if e.Connected {
		return fmt.Sprintf("agentapi: call agent at %s: %v", e.Socket, e.Err)
	}
	return fmt.Sprintf("agentapi: connect to agent at %s: %v", e.Socket, e.Reason())
}

// Reason is the cause in a few words for a human.
func (e *UnreachableError) Reason() string {
	switch {
	case e.Connected:
		return "it went away before it answered: " + e.Err.Error()
	case errors.Is(e.Err, fs.ErrNotExist):
		return "there is no such socket"
	case errors.Is(e.Err, syscall.ECONNREFUSED):
		return "nobody listens on the socket"
	case errors.Is(e.Err, fs.ErrPermission):
		return "permission denied: the socket is its owner's alone"
	}
	return e.Err.Error()
}

// Hint is the next step for whoever reads the error.
func (e *UnreachableError) Hint() string {
	switch {
	case e.Connected:
		return "see the agent's log"
	case errors.Is(e.Err, fs.ErrPermission):
		return "run as the user the agent runs as, usually root"
	}
	return "is \"kuryr agent\" running, with this socket in its configuration?"
}

// Unwrap gives the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// RefusedError is an answer other than 200: the agent did not serve the
// message. What went wrong in a CNI call it served is in the CNIResponse.
type RefusedError struct {
	// Code is the HTTP status.
	Code int
	// Failure is what the agent says of it; its Message is never empty.
	Failure Failure
}

// Error gives the agent's words.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("agentapi: agent refused (%d): %s", e.Code, e.Failure.Message)
}

func refused(code int, body []byte) error {
	e := &RefusedError{Code: code}
	if err := json.Unmarshal(body, &e.Failure); err == nil && e.Failure.Message != "" {
		return e
	}
	if code == 404 {
		e.Failure.Message = "it does not serve version " + Version + " of this message: agent and caller are of different releases"
		return e
	}
	e.Failure.Message = fmt.Sprintf("status %d without a reason", code)
	return e
}
