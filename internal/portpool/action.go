// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package portpool

// Kind is what an action does.
type Kind int

// The kinds of actions.
const (
	// Create orders N new leases.
	Create Kind = iota + 1
	// Delete gives N leases up: cooled ones first, then free ones.
	Delete
	// Move takes N leases, cooled ones first, to the key To. One whose move
	// fails is to be deleted by the caller.
	Move
	// Recycle checks N cooled leases; they become free. One that fails the
	// check is to be deleted by the caller.
	Recycle
)

// String gives the kind's name in lower case.
func (k Kind) String() string {
	switch k {
	case Create:
		return "create"
	case Delete:
		return "delete"
	case Move:
		return "move"
	case Recycle:
		return "recycle"
	}
	return "unknown"
}

// Action is something to be done with leases of one key.
type Action struct {
	// Kind is what to do.
	Kind Kind
	// Key is whose leases; of a Move, the key they leave.
	Key Key
	// To is where a Move goes, and empty otherwise.
	To Key
	// N is how many leases; at least 1.
	N int
	// Urgent is how many of a Create are for attachments that wait.
	Urgent int
	// Reason is a few words for logs and status: "3 wait", "warm", "idle",
	// "evicted for KEY".
	Reason string
}
