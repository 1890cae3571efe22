// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"context"
	"fmt"
)

// Priority says how urgent a request is. Of the requests that wait, none
// starts while one of a higher priority could; within a priority, who came
// first goes first.
type Priority int

// The priorities, the least urgent first.
const (
	// Collection looks for what was left behind, and deletes it.
	Collection Priority = iota
	// Bookkeeping keeps names, tags and descriptions as they shall be.
	Bookkeeping
	// Policy keeps security groups and their rules.
	Policy
	// Refill makes ports before anybody needs them.
	Refill
	// Waiting is for what a container, or a human, waits for. It is that of a
	// context that has no other.
	Waiting
)

// priorities is how many there are.
const priorities = int(Waiting) + 1

var priorityNames = [priorities]string{"collection", "bookkeeping", "policy", "refill", "waiting"}

// String is the priority's name in metrics.
func (p Priority) String() string {
	if p < Collection || p > Waiting {
		return fmt.Sprintf("Priority(%d)", int(p))
	}
	return priorityNames[p]
}

// MarshalText gives the name.
func (p Priority) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// priorityKey carries a Priority in a context.
type priorityKey struct{}

// WithPriority gives the requests that are made with a context a priority.
func WithPriority(ctx context.Context, p Priority) context.Context {
	return context.WithValue(ctx, priorityKey{}, min(max(p, Collection), Waiting))
}

func priorityOf(ctx context.Context) Priority {
	if p, ok := ctx.Value(priorityKey{}).(Priority); ok {
		return p
	}
	return Waiting
}
