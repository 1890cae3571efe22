// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package portpool

import "time"

// linger is how long a surplus of a key in use must have lasted before it is
// deleted: a delete and a create cost more than the lease that waits for
// either. Leases come back in batches, when they have been checked, so it is
// longer than several of these.
const linger = 2 * time.Minute

// surplus is the memory of how many leases were not needed.
type surplus struct {
	since time.Time // zero: there is none
	low   int       // the least since
}

// due notes a surplus and says how much of it has lasted long enough.
func (s *surplus) due(now time.Time, n int) int {
	if n == 0 {
		*s = surplus{}
		return 0
	}
	if s.since.IsZero() {
		*s = surplus{since: now, low: n}
	}
	s.low = min(s.low, n)
	if now.Sub(s.since) < linger {
		return 0
	}
	due := s.low
	*s = surplus{}
	if n > due {
		*s = surplus{since: now, low: n - due}
	}
	return due
}

// drainDoomed gives up all that is free of keys that are supplied no more.
func (p *plan) drainDoomed() {
	for _, n := range p.entries {
		if n.Doomed {
			p.delete(n, n.Free+n.Cooled, "doomed")
		}
	}
}

// deleteSurplus gives up what is above the target: of an idle key and above
// Max at once, otherwise when it has lasted.
func (p *plan) deleteSurplus() {
	for _, n := range p.entries {
		spare := n.spare(n.want)
		above := min(spare, max(0, n.held()-n.Draining-p.policy.Max))
		switch {
		case n.idle:
			p.delete(n, spare, "idle")
			n.surplus = surplus{}
			continue
		case !n.active:
			n.surplus = surplus{}
			p.delete(n, above, "above the key's ceiling")
			continue
		}
		p.delete(n, above, "above the key's ceiling")
		p.delete(n, n.surplus.due(p.now, spare-above), "surplus")
	}
}

// relieveQuota gives up, once for each failure, what nobody needs now when
// attachments of another key wait for a quota or for addresses: that may be
// what uses them up.
func (p *plan) relieveQuota() {
	for _, n := range p.entries {
		b := &n.backoff
		needed := min(n.shortNow()-n.Moving, p.policy.Max-n.held())
		if n.Doomed || b.failures == 0 || b.kind != Exhausted || b.relieved || needed <= 0 {
			continue
		}
		if p.giveUpFor(n, needed) {
			b.relieved = true
		}
	}
}

// giveUpFor deletes what others have above their targets, then what idle keys
// have at all. It reports whether there was anything.
func (p *plan) giveUpFor(n *entry, needed int) bool {
	before := needed
	for _, idle := range []bool{false, true} {
		for _, v := range p.longestIdleFirst() {
			if v == n || (idle && v.active) {
				continue
			}
			keep := v.want
			if idle {
				keep = 0
			}
			if count := min(needed, v.spare(keep)); count > 0 {
				p.delete(v, count, "quota needed by "+string(n.key))
				v.want = min(v.want, v.Free+v.Cooled+v.Creating+v.Recycling+v.Moving)
				v.yieldsTo = n.key
				needed -= count
			}
		}
	}
	return needed < before
}
