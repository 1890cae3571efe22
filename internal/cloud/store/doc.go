// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package store holds the rows of the embedded cloud: typed tables, in memory,
// and in one file as well when the cloud shall survive its process.
//
// # Promises
//
// Writers are serial: an Update sees and makes one consistent state. What it
// did happens as a whole or, when its function fails, not at all. Rows are
// immutable: a reader may keep a row beyond its View, a writer puts a copy.
// With a file, a finished Update outlives kill -9 of the process: it is in
// the operating system's hands. It is on the disk within a second, so that a
// machine that loses its power may lose that second.
//
// Subscribers see every commit, in order, before the next one begins.
//
// # What it must not know
//
// What the rows mean.
package store
