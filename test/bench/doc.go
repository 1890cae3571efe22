// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Command bench measures Kuryr on a real OpenStack: what ADD and DEL cost and
// where the time goes, with a port that Neutron makes and with a lease of a pool, beside the reference plugins bridge and host-local
// called in the same way in the same run; the programs' sizes; the agent's
// memory with and without attachments. `bench clouds` measures the embedded
// OpenStack beside the real one.
//
// Its promises: it prints figures and passes no judgement; each is from this
// run.
package main
