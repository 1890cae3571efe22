// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package agent is the node's brain: it attaches sandboxes to Neutron ports
// and detaches them, and remembers in a journal what it did, so that it can
// be killed and started again at any instruction.
//
// Its promises: an attachment's key is (sandbox, interface); a second Attach
// for a key answers the same; Detach of an unknown key succeeds and needs
// neither the cloud nor the namespace; whatever was begun and not finished is
// undone, now or after the next start. It holds leases of pools ready (book),
// in the journal too: with a free one an Attach asks neither the cloud nor its
// supplier. The supplier decides how many there are; who gets which, and that one
// leaves the node, is decided here alone, so that no lease has two owners.
//
// It must not know which engine it serves, how a port is made (that is its
// Supply) or how it is wired (that is its Binder).
package agent
