// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package agentapi is what is said over the agent's unix socket: HTTP/1.1
// with JSON bodies under a version prefix. The CNI plugin and the operator's
// commands are its clients, the agent its server.
//
// Messages only grow: a field may be added, none changes its meaning within a
// version. The package is linked into the CNI plugin, so it imports nothing
// but the standard library, and of that not net/http: its client speaks HTTP/1.0
// itself (transport.go says why). The server's half is an http.Handler beside
// each thing that is served.
package agentapi
