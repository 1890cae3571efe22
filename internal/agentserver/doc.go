// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package agentserver serves the agent: the unix socket of package agentapi
// for the plugin and the operator's commands, and an HTTP address for
// metrics and health checks.
//
// Its promises: the socket is open to root alone (0600) from the moment it
// exists; a live agent's socket is never taken away from it; a shutdown lets
// requests end within the time it is given, and cancels those that do not.
//
// It must not know what a request does.
package agentserver
