// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package lease holds the two values that pass between the agent and whoever
// supplies it with ports: the Demand (what an attachment needs, in the words
// of its network configuration) and the Lease (a Neutron port handed to this
// node, with all that is needed to wire it and to answer the engine without
// asking the cloud again).
//
// Both are plain data, stored in the agent's journal as JSON: a field may be
// added, but never change its meaning.
//
// It must not know how a port is made (supply), wired (binder) or asked for
// (engine).
package lease
