// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"sync"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// maxTag is the highest VLAN tag; the lowest is 1.
const maxTag = 4094

// tags are the VLAN tags of wires that are being made: the replica does not
// know of them yet.
type tags struct {
	mu      sync.Mutex
	pending map[int]bool
}

// reserveTag gives the lowest VLAN tag that no port on the owner's bridge has,
// until release. A port whose sandbox lost its wire gets its tag back. Errors:
// Quota when there is none.
func (b *Binder) reserveTag(c *conn, portID string) (tag int, release func(), err error) {
	b.tags.mu.Lock()
	defer b.tags.mu.Unlock()
	used, own := c.usedTags(b.owner, portID)
	free := func(tag int) bool {
		// A far end of the same name must not come back before ovs-vswitchd
		// has seen that it went.
		return !used[tag] && !b.tags.pending[tag] && !b.session.removals.isUnseen(b.owner.farName(tag))
	}
	if tag = own; tag == 0 || !free(tag) {
		for tag = 1; tag <= maxTag && !free(tag); tag++ {
		}
	}
	if tag > maxTag {
		return 0, nil, fault.New(fault.Quota, "all %d VLAN tags of bridge %s are used", maxTag, b.owner.bridge)
	}
	if b.tags.pending == nil {
		b.tags.pending = make(map[int]bool)
	}
	b.tags.pending[tag] = true
	return tag, func() { b.tags.release(tag) }, nil
}

func (t *tags) release(tag int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.pending, tag)
}

// usedTags are the tags of o's ports, those of portID apart: the tag that its
// sandbox's interface has; zero: none.
func (c *conn) usedTags(o owner, portID string) (used map[int]bool, own int) {
	used = make(map[int]bool)
	for _, m := range c.cache.Table(tablePort).RowsShallow() {
		port, ok := m.(*portRow)
		if !ok || port.Tag == nil {
			continue
		}
		in, ok := c.iface(port.Name)
		if !ok || !o.made(in.ExternalIDs) {
			continue
		}
		if wired := in.ExternalIDs[keyWired]; wired != "" && wired == portID {
			own = *port.Tag
		} else {
			used[*port.Tag] = true
		}
	}
	return used, own
}
