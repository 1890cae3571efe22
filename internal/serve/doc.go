// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package serve serves HTTP on unix sockets and addresses until it is told to
// end.
//
// Its promises: a socket is open to its owner alone (0600) from the moment it
// exists; a live process's socket is never taken away from it; a shutdown lets
// requests end within the time it is given, and cancels those that do not.
//
// It must not know what a request does.
package serve
