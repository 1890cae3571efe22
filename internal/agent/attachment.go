// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agent

import (
	"context"
	"errors"
	"time"

	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/lease"
)

// Key names an attachment: one interface of one sandbox.
type Key struct {
	// Sandbox is the engine's id of the container, pod or task.
	Sandbox string `json:"sandbox"`
	// Interface is the interface's name inside the sandbox.
	Interface string `json:"interface"`
}

// String gives "sandbox/interface".
func (k Key) String() string { return k.Sandbox + "/" + k.Interface }

// Request asks for an attachment.
type Request struct {
	Key
	// Scope is the engine's name of the network configuration; Retain works
	// within one scope.
	Scope string
	// Netns is the path of the sandbox's network namespace.
	Netns string
	// Demand is the port wanted.
	Demand lease.Demand
	// MTU in bytes, when it shall be smaller than the network's; zero: the network's.
	MTU int
	// DefaultRoute is as in binder.Request.
	DefaultRoute *bool
}

// Attachment is what an Attach made and a Detach ends.
type Attachment struct {
	// ID is the attachment's UUID: the port's device_id and the owner mark on
	// the switch.
	ID string `json:"id"`
	Key
	Scope string `json:"scope,omitempty"`
	Netns string `json:"netns"`
	// Lease is the port, Bound the interfaces made of it.
	Lease lease.Lease   `json:"lease"`
	Bound binder.Result `json:"bound"`
	// Since is when the attachment was asked for.
	Since time.Time `json:"since"`
}

// ErrNothingMade is in the chain of an Acquire error after which there is
// certainly no port, whatever the error's class.
var ErrNothingMade = errors.New("no port was made")

// Order is what the agent asks of its Supply.
type Order struct {
	// Attachment is the attachment's UUID. It is written in the call that makes the
	// port, so that Reclaim finds the port of an order whose answer was lost.
	Attachment string
	Key
	Demand lease.Demand
	// Prepared is called before an existing port is changed, with what is
	// needed to give it back; an error stops the order.
	Prepared func(lease.Lease) error
}

// Supply is where ports come from and go back to. Stand-alone it is Neutron,
// directly; with Kubernetes the road leads to the controller instead.
type Supply interface {
	// Class tells the pool from which a demand is served; pooled is false for
	// one that needs a port of its own. It asks nobody. An error is Invalid.
	Class(d lease.Demand) (c lease.Class, pooled bool, err error)
	// Acquire gets a port that is bound to this node. After an error of the
	// classes Unavailable, OverLimit and Internal that is not ErrNothingMade it
	// may have made a port all the same: the agent then calls Reclaim.
	Acquire(ctx context.Context, o Order) (lease.Lease, error)
	// Release gives a port back: one that was made for the order is deleted,
	// an adopted one restored. A port that is gone is a success.
	Release(ctx context.Context, l lease.Lease) error
	// Reclaim finds and releases what was made for an attachment, and tells
	// whether there was anything.
	Reclaim(ctx context.Context, attachment string) (found bool, err error)
	// WaitActive returns when the cloud says that the port is wired.
	WaitActive(ctx context.Context, l lease.Lease) error
	// Collect finds what this cluster made in the cloud for this node, and removes
	// what is nobody's if it is told to.
	Collect(ctx context.Context, o CollectOptions) ([]Finding, error)
	// Probe asks the cloud for a sign of life.
	Probe(ctx context.Context) CloudHealth
}

// CloudHealth is what a Supply's Probe finds.
type CloudHealth struct {
	// AuthURL, Region, Endpoint and Project say which cloud, as whom.
	AuthURL, Region, Endpoint, Project string
	// Latency is how long the probe took.
	Latency time.Duration
	// Err is why the cloud cannot be used; nil when it can.
	Err error
	// Requests is the state of the queue of requests; nil where another process has it.
	Requests *agentapi.Requests
	// Notes are shortcomings that hinder some requests only, a sentence each
	// (a missing extension, a policy rule that is not granted).
	Notes []string
}

// Binder wires ports into sandboxes: see package binder for its promises.
type Binder interface {
	Bind(ctx context.Context, r binder.Request) (binder.Result, error)
	// Confirm waits until the switch has taken what an earlier Bind made;
	// fault.NotFound: it has nothing of it.
	Confirm(ctx context.Context, r binder.Request) error
	// Unplug cuts an interface off from the switch, which is the quick part of
	// Unbind.
	Unplug(ctx context.Context, r binder.Ref) error
	Unbind(ctx context.Context, r binder.Ref) error
	// Prewire has the switch take a port before a sandbox needs it, so that Bind
	// has less to wait for; done is false where there is no such thing. Unwire
	// undoes it, and Wires lists the ports for which it is done.
	Prewire(ctx context.Context, l lease.Lease) (done bool, err error)
	Unwire(ctx context.Context, portID string) error
	Wires(ctx context.Context) ([]string, error)
	// Rinse has the switch forget what it remembers of the sandbox that had a
	// port; wired tells that the port is then ready for the next as if by Prewire.
	Rinse(ctx context.Context, portID string) (wired bool, err error)
	// Leave removes what the binder has on the switch for no port alone. No
	// port may be wired; what is gone is a success.
	Leave(ctx context.Context) error
	// WireLost tells that what Prewire did has come undone: the port may be gone.
	WireLost(portID string) bool
	// Check compares what Bind made with what is there.
	Check(ctx context.Context, r binder.Request, made binder.Result) error
	// List finds everything with this node's owner mark.
	List(ctx context.Context) ([]binder.Ref, error)
	// Alive tells whether the node's side of an interface still exists. The
	// kernel takes it away with the sandbox's namespace, so it is the proof
	// that somebody still holds the sandbox.
	Alive(ctx context.Context, r binder.Ref) (bool, error)
	Probe(ctx context.Context) binder.Health
}
