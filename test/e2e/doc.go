// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package e2e shows Kuryr at work on a real OpenStack: real Neutron and OVN
// from Debian's packages, real OVS on every node, the programs of this tree
// run as an engine runs them.
//
// Its promises: a test makes its own project, networks and sandboxes, and
// removes them; it waits for states, never for time; what it cannot run here
// it says.
//
// It must not know how Kuryr does what it does.
package e2e
