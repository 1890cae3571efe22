// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package portpool

import (
	"cmp"
	"slices"
)

// serveWaiting creates for those who wait. When the room is short, each key
// gets one in turn, beginning with the one that was served longest ago.
func (p *plan) serveWaiting() {
	p.share(p.unserved(), p.urgent, func(n *entry) {
		p.create(n)
		n.urgent++
		n.turn = p.nextTurn()
	})
}

// urgent is how many creates attachments of a key wait for, and could be made
// if only the node had room.
func (p *plan) urgent(n *entry) int { return p.creatable(n, n.shortNow()) }

// unserved lists the keys with urgent creates, served longest ago first.
func (p *plan) unserved() []*entry {
	list := slices.DeleteFunc(slices.Clone(p.entries), func(n *entry) bool { return p.urgent(n) == 0 })
	slices.SortStableFunc(list, func(a, b *entry) int { return cmp.Compare(a.turn, b.turn) })
	return list
}

// makeRoom deletes free leases when the node is above its ceiling, or when it
// is at the ceiling and attachments wait: what is more than wanted first, then
// what the longest idle have above Min, then the rest.
func (p *plan) makeRoom() {
	unserved := p.unserved()
	needed := -p.future()
	for _, n := range unserved {
		needed += p.urgent(n)
	}
	if needed <= 0 {
		return
	}
	reason := "above the node's ceiling"
	if len(unserved) > 0 {
		reason = "evicted for " + string(unserved[0].key)
	}
	victims := p.longestIdleFirst()
	for _, keep := range []func(*entry) int{
		func(n *entry) int { return n.want },
		func(*entry) int { return p.policy.Min },
		func(*entry) int { return 0 },
	} {
		for _, n := range victims {
			count := min(needed, n.spare(keep(n)))
			p.delete(n, count, reason)
			needed -= count
		}
	}
	if needed > 0 && len(unserved) > 0 {
		p.takeTurns(unserved[0], needed, reason)
	}
}

// takeTurns lets keys that wait themselves give up cooled leases for one that
// was served longer ago. Without it a busy key would get back all that it gave
// back, and one that has nothing would never get anything.
func (p *plan) takeTurns(hungry *entry, needed int, reason string) {
	for _, n := range p.entries {
		if n.Doomed || n.Waiting == 0 || n.Cooled == 0 {
			continue
		}
		if n != hungry && hungry.turn < n.turn {
			count := min(needed, (n.Cooled+1)/2)
			p.delete(n, count, reason)
			needed -= count
		}
		if n.Cooled > 0 {
			n.turn = p.nextTurn() // what it keeps is its turn
		}
	}
}
