// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package portpool decides how many Neutron ports of which kind a node should
// hold: the pure supply engine. The caller observes (how many leases of each
// key are free, in use, on their way, and who waits), calls Step, and carries
// out the actions; what became of them is in its next observation.
//
// Its promises:
//
//   - Never are there more leases than Policy.Max of a key, nor more than
//     Policy.Total of the node, counted over everything that exists or may
//     exist. Above a lowered ceiling nothing is made and the free go.
//   - Who waits comes first, and no key starves: at the ceiling, room goes in
//     turn to the keys that wait, and free leases of others make room.
//   - A deficit is met the cheapest way: check what has cooled down, move what
//     another key has to spare, create the rest. What is on its way is not
//     ordered twice.
//   - When the demand stands still, so does the supply: the free become the
//     target, and then there are no actions.
//   - A key whose creates fail is tried again at a growing distance, one create
//     at a time. Other keys go on as before, but that who waits there may get
//     what they do not need; deletes, moves and checks are never held back.
//   - The same history gives the same actions.
//
// What it takes for granted: the actions of a Step are carried out in their
// order, or given up, and the next observation counts them (a create as
// Creating, a delete as Draining, a move as Moving at its new key, a check as
// Recycling). Delete and Move take cooled leases first, then free ones.
//
// It must not know what a port is, who carries its orders out, or what time it
// is: no I/O, no clock, no goroutines, no log.
package portpool
