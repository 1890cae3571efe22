// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package journal

import (
	"time"

	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/lease"
)

// State says how far an attachment got.
type State string

// The states of a record.
const (
	// Attaching: begun; there may be a port and an interface, or neither.
	Attaching State = "attaching"
	// Attached: wired, and answered to the engine.
	Attached State = "attached"
	// Releasing: no longer anybody's; what is left of it is to be removed.
	Releasing State = "releasing"
)

// Record is one attachment, from the intent to its last trace.
type Record struct {
	// ID is the attachment's UUID.
	ID string `json:"id"`
	// Sandbox and Interface are the attachment's key.
	Sandbox   string `json:"sandbox"`
	Interface string `json:"interface"`
	// Scope is the engine's name of the network configuration.
	Scope string `json:"scope,omitempty"`
	// Netns is the path of the sandbox's namespace, NetnsID its device and
	// inode: a path can be used again, a live inode cannot.
	Netns   string `json:"netns,omitempty"`
	NetnsID string `json:"netnsID,omitempty"`
	State   State  `json:"state"`
	// Demand, MTU and DefaultRoute are what was asked for.
	Demand       lease.Demand `json:"demand"`
	MTU          int          `json:"mtu,omitempty"`
	DefaultRoute *bool        `json:"defaultRoute,omitempty"`
	// Class is that of the pool which the lease is from; nil for a port that
	// was made or adopted for this attachment alone.
	Class *lease.Class `json:"class,omitempty"`
	// Lease is the port, once it is known.
	Lease *lease.Lease `json:"lease,omitempty"`
	// Bound is what the binder made, once it has.
	Bound *binder.Result `json:"bound,omitempty"`
	// Since is when the attachment was asked for.
	Since time.Time `json:"since"`
	// Released is when it became nobody's.
	Released time.Time `json:"released,omitzero"`
}
