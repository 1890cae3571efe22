// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package portpool

import (
	"math"
	"slices"
)

// moveSpare lets keys that are short take what others of their family have to
// spare. Attachments that wait and can be served by a create are not made to
// wait for it.
func (p *plan) moveSpare() {
	families := map[string][]*entry{}
	for _, n := range p.longestIdleFirst() {
		if n.Family != "" && n.spare(n.want) > 0 {
			families[n.Family] = append(families[n.Family], n)
		}
	}
	for _, to := range p.entries {
		sources := families[to.Family]
		for len(sources) > 0 && p.movable(to) > 0 {
			from := sources[0]
			count := min(p.movable(to), from.spare(from.want))
			if count == 0 {
				sources = sources[1:]
				continue
			}
			from.take(count)
			to.Moving += count
			p.moves = append(p.moves, Action{Kind: Move, Key: from.key, To: to.key, N: count, Reason: p.purpose(to)})
		}
		families[to.Family] = sources
	}
}

// movable is how many leases may move to a key.
func (p *plan) movable(n *entry) int {
	if n.Doomed {
		return 0
	}
	short := n.short(n.want)
	if n.backoff.allowance(p.now) > 0 {
		short -= max(0, n.shortNow())
	}
	return max(0, min(short, p.policy.Max-n.held()))
}

// refill creates what is wanted and nobody waits for: in all keys what is
// kept however idle first, then what is held warm, then what bursts may need.
func (p *plan) refill() {
	for _, upTo := range []int{p.policy.Min, p.policy.Warm, math.MaxInt} {
		p.share(slices.Clone(p.entries), func(n *entry) int {
			return p.creatable(n, n.short(min(n.want, upTo)))
		}, p.create)
	}
	for _, n := range p.entries {
		n.target = n.want
		if missing := n.short(n.want); missing > 0 && p.room <= 0 {
			n.target = max(0, n.want-missing)
		}
	}
}

// lowWater is how few free leases are few: a quarter of what is wanted, and of
// small pools, which a handful of starts empties, four or half.
func lowWater(want int) int { return max((want+3)/4, min(4, (want+1)/2)) }

// recycle checks all that has cooled of the keys that run low, or whose cooled
// leases waited long enough for company. A check asks the cloud the same however
// many leases it is about, so it waits until many have come together, and no
// longer than until just enough are left for the time that it takes.
func (p *plan) recycle() {
	for _, n := range p.entries {
		if n.Cooled == 0 || n.Doomed {
			continue
		}
		// What is being made may fail, and is not counted.
		ready := n.Free + n.Recycling
		switch {
		case ready-n.Waiting < lowWater(n.want):
			n.recycleReason = "needed"
		case p.now.Sub(n.cooledSince) >= p.policy.RecycleEvery:
			n.recycleReason = "cooled"
		default:
			continue
		}
		n.recycled = n.Cooled
		n.Recycling += n.Cooled
		n.Cooled = 0
	}
}
