// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package guard holds the rules that the whole tree keeps, as tests: which
// package may import which, what every file begins with, how long a function
// may be. Each rule states its reason.
//
// A rule that stands in the way is changed here, in the open, with the reason
// for it; there are no lists of exceptions.
package guard
