// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package version tells which build of Kuryr is running.
//
// The values come from the linker (see the Makefile); a binary built without
// them, by `go build` or `go install`, answers with what the Go toolchain
// recorded in it.
//
// It imports nothing but the standard library, so that the CNI plugin can
// link it.
package version
