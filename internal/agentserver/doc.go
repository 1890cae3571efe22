// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package agentserver is what the agent serves: on its unix socket package
// agentapi's calls for the plugin and the operator's commands, and on an HTTP
// address metrics and health checks.
//
// It must not know what a request does.
package agentserver
