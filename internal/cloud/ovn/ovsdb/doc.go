// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package ovsdb is a client of one OVSDB database (RFC 7047) with a replica of
// the tables that its schema names.
//
// # Promises
//
// A change costs what changed. A reference from a set of references is kept
// with the row that is referred to, so a switch or a port group of 100,000
// ports is never copied, compared or sent as a whole. (That is why this is not
// libovsdb, whose cache copies a row through JSON for each of its changes.)
//
// Messages are taken one after the other in the order in which the server
// sent them, and the server sends what a transaction changed before its answer:
// when Transact returns, the replica holds what it did.
//
// A connection is used until it is lost; then a new one is dialled, with a new
// replica.
//
// # What it must not know
//
// What the tables mean, and who wants what in them.
package ovsdb
