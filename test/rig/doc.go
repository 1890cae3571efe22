// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package rig puts Kuryr on a test cloud: the two programs built from this
// tree, an agent process in each node's namespace, sandboxes to attach, and
// the probes that tell whether packets pass. A FaultProxy stands between an
// agent and its cloud, an AddressWatch beside the containers, and Balance
// counts at the end. The end-to-end tests, the benchmark and the quick start
// stand on it.
//
// Its promises: it calls the programs as an engine would (processes, CNI
// environment, stdin) and never reaches into them; everything it starts or
// makes is gone after Close, also when a test fails half-way.
//
// It must not know what a test expects.
package rig
