// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"fmt"

	"github.com/kuryr-go/kuryr/internal/binder"
)

// Alive tells whether the host end of r is still there. It dies with its
// peer, which dies with the sandbox's namespace: while it lives, somebody
// holds the sandbox, though its path may be gone. The database is not needed.
func (b *Binder) Alive(_ context.Context, r binder.Ref) (bool, error) {
	name := deviceOf(nil, &r)
	if name == "" {
		return false, nil
	}
	link, err := b.findLink(name)
	if err != nil {
		return false, fmt.Errorf("ovs: %w", err)
	}
	return link != nil && b.owner.owns(link, r.Attachment), nil
}
