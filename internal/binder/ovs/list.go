// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"fmt"

	"github.com/vishvananda/netlink"

	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/binder/sandbox"
)

// List finds everything of this cluster and node: the rows with its mark, and
// the host devices that have no row (of a Bind cut short between the two; they
// know at most the attachment). What a Bind is making just now is among them.
// It lists all devices of the node: some 10 ms a thousand.
func (b *Binder) List(ctx context.Context) ([]binder.Ref, error) {
	c, err := b.session.connected(ctx)
	if err != nil {
		return nil, fmt.Errorf("ovs: list: %w", err)
	}
	// Devices first: a Bind that goes on meanwhile adds its row after its
	// device, and must not appear as a device without a row.
	links, err := sandbox.Dump(b.host.LinkList)
	if err != nil {
		return nil, fmt.Errorf("ovs: list devices: %w", err)
	}
	var out []binder.Ref
	for _, in := range c.marked(b.owner) {
		out = append(out, refOf(in))
	}
	for _, link := range links {
		a := link.Attrs()
		if a.Group != b.owner.group || !b.owner.owns(link, "") {
			continue
		}
		if _, ok := c.iface(a.Name); !ok {
			out = append(out, strayRef(link))
		}
	}
	return out, nil
}

// strayRef is a device without a row.
func strayRef(link netlink.Link) binder.Ref {
	a := link.Attrs()
	return binder.Ref{Attachment: attachmentOf(a.Alias), HostInterface: a.Name}
}
