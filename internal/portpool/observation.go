// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package portpool

import "time"

// Key names a pool: all that two leases must have in common to stand for each
// other. It is opaque here; keys are ordered as strings.
type Key string

// Observation is what the caller knows of one key now. No count is negative,
// and each lease is counted once, at one key.
type Observation struct {
	// Family is the same for keys that differ in their security groups alone:
	// a lease can move between them. Empty: no lease of the key moves.
	Family string
	// Free leases are ready to be taken.
	Free int
	// InUse leases belong to attachments.
	InUse int
	// Cooling leases were given back; their cool-down runs.
	Cooling int
	// Cooled leases have had their cool-down and must be checked (recycled)
	// before they are free again.
	Cooled int
	// Moving leases are on the way to this key, and counted here alone.
	Moving int
	// Draining leases are being deleted; they still exist in Neutron.
	Draining int
	// Creating are orders not yet settled. One whose answer was lost counts
	// until it is known what became of it.
	Creating int
	// Recycling leases are being checked now.
	Recycling int
	// Waiting is how many attachments wait for a lease of this key now.
	Waiting int
	// Taken is how many leases were taken since the agent began. It only
	// grows, except that it may restart at zero with the agent.
	Taken uint64
	// Asked is when a lease was last asked for, got or not. Zero: never in
	// this life of the agent.
	Asked time.Time
	// Pinned keys are kept warm although nobody asks.
	Pinned bool
	// Doomed keys are supplied no more (their network is gone): what is free
	// is drained, whoever waits.
	Doomed bool
}

// held counts the leases that exist or may exist.
func (o *Observation) held() int {
	return o.Free + o.InUse + o.Cooling + o.Cooled + o.Moving + o.Draining + o.Creating + o.Recycling
}

// short is how many leases are missing for those who wait and for a number of
// free ones, when all that is on its way has come and what cooled was checked.
func (o *Observation) short(free int) int {
	return o.Waiting + free - (o.Free + o.Cooled + o.Creating + o.Recycling + o.Moving)
}

// shortNow is the same for those who wait alone. They do not wait for a lease
// that moves: it has to settle first.
func (o *Observation) shortNow() int {
	return o.Waiting - (o.Free + o.Cooled + o.Creating + o.Recycling)
}

// spare is how many leases could go, those kept for who waits and a number of
// free ones left. What is still on its way may fail and is nobody's surplus.
func (o *Observation) spare(free int) int {
	return max(0, o.Free+o.Cooled-o.Waiting-free)
}

// take takes leases away that are free or have cooled, these first.
func (o *Observation) take(n int) {
	cooled := min(n, o.Cooled)
	o.Cooled -= cooled
	o.Free -= n - cooled
}
