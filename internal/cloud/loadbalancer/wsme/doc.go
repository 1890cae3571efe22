// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package wsme reads the JSON body of a request the way WSME does, the library
// that Octavia's API is typed with: which values it converts, what it refuses,
// and in which words.
//
// A Type lists the attributes of an object. Reading goes through them in their
// order, converts each and then checks it; the first that does not fit is the
// answer. A body that WSME's own code stumbles over is a 500 with Python's
// words, since that is what a client of the real API gets.
//
// It must not know what the attributes mean.
package wsme
