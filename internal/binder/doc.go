// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package binder holds the values that pass between the agent and the
// packages below it, each of which turns a Neutron port into an interface in
// a network namespace in one way (ovs, later vlan, macvlan, ipvlan).
//
// The promises that every binder keeps: Bind leaves either a wired interface
// or nothing; Unbind of something that is gone succeeds and needs no
// namespace; no process is executed and no interface is moved between
// namespaces; what a binder makes carries an owner mark by which List finds
// it again after any crash.
//
// A binder must not know Neutron's API, the journal or any engine.
package binder
