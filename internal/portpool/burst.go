// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package portpool

import (
	"math"
	"time"
)

// A burst is what is asked for within the lead, the time that a refill of some
// size takes: Neutron makes a port in 0.2 s, a hundred take it 10 to 20 s. It
// is measured in slots.
const (
	lead     = 10 * time.Second
	slots    = 10
	slotTime = lead / slots
)

// bursts remembers how much was asked for at once.
type bursts struct {
	// level counts all that was ever asked for and not given up: what was
	// taken, and who waits. So the peak of a burst that had to wait is as high
	// as that of one that was served at once, and who gives up and comes back
	// is counted once.
	level   int64
	taken   uint64
	waiting int
	// lows are the lowest levels within the last slots, in a ring; slot is the newest.
	lows [slots]int64
	slot int64
	// peak is the highest burst, as it was remembered at a time.
	peak   float64
	peakAt time.Time
	known  bool
}

// observe notes what was asked for. The time is since the engine began; half is
// the half-life of the memory.
func (b *bursts) observe(now time.Time, since time.Duration, o *Observation, half time.Duration) {
	slot := max(0, int64(since/slotTime))
	if !b.known {
		// What was taken before is no burst.
		*b = bursts{known: true, taken: o.Taken, slot: slot}
	}
	b.advance(slot)
	taken := o.Taken - b.taken
	if o.Taken < b.taken { // the agent restarted
		taken = o.Taken
	}
	b.level += int64(taken) + int64(o.Waiting-b.waiting)
	b.taken, b.waiting = o.Taken, o.Waiting

	low := b.level
	for _, l := range b.lows {
		low = min(low, l)
	}
	if burst := float64(b.level - low); burst > 0 && burst >= b.remembered(now, half) {
		b.peak, b.peakAt = burst, now
	}
}

// advance begins new slots. Until now the level was what it was last.
func (b *bursts) advance(slot int64) {
	for range min(slot-b.slot, slots) {
		b.slot++
		b.lows[b.slot%slots] = b.level
	}
	if slot > b.slot { // a gap longer than the lead: every slot is filled
		b.slot = slot
	}
	b.lows[b.slot%slots] = min(b.lows[b.slot%slots], b.level)
}

// remembered is the highest burst, less what was forgotten since.
func (b *bursts) remembered(now time.Time, half time.Duration) float64 {
	if half <= 0 {
		return 0
	}
	return b.peak * math.Exp2(-max(0, now.Sub(b.peakAt).Seconds())/half.Seconds())
}

// expected is how many leases the next burst will ask for.
func (b *bursts) expected(now time.Time, half time.Duration) int {
	return int(b.remembered(now, half) + 0.5)
}

// fades is when fewer will be expected than now; zero when none are.
func (b *bursts) fades(now time.Time, half time.Duration) time.Time {
	remembered := b.remembered(now, half)
	expected := int(remembered + 0.5)
	if expected == 0 {
		return time.Time{}
	}
	in := math.Log2(remembered/(float64(expected)-0.5)) * float64(half)
	// A little later, so that rounding does not make it a little too early.
	return now.Add(time.Duration(in) + time.Millisecond)
}
