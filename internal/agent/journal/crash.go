// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build !crashpoints

package journal

// crashPoint is where a program built for tests of crashes may die.
func crashPoint() {}
