// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Kuryr is the node's agent and the operator's view of it.
//
// `kuryr agent` runs the agent; status, ports, gc and drain ask a running one
// over its unix socket; uninstall asks the cloud alone. This is the only package that knows every other one: what the
// agent is made of is put together in agent_run.go, explicitly and in one
// place.
package main
