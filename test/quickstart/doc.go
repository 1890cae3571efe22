// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Command quickstart shows what Kuryr does: it brings up a real OpenStack
// with two hypervisors, starts an agent on each, attaches a container on each
// to one Neutron network, and lets them talk.
//
// Its promises: every step is said before it is done; what is shown was
// measured, not assumed; at the end nothing is left running that was not
// running before, unless --keep asks for it.
package main
