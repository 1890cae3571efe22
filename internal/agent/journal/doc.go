// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package journal is the agent's memory: a bbolt file that says which
// attachments were begun, which are made, which are still to be undone, and
// which leases the node holds that no attachment has.
//
// Its promises: what a call returned from is on disk (each transaction is
// synced; calls that come together share one); a key has at most one
// attachment, and any number of releases of earlier ones; a lease is held or is
// in an attachment's record, and changes from one to the other in a single
// transaction; a file written by a newer version is refused, not guessed
// at; a second process on the same file is told so at once.
//
// It must not know what a record means: it neither wires, nor calls the
// cloud, nor decides what happens to a record after a restart.
package journal
