// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package model is the embedded cloud's schema: the rows that its store holds,
// and the tables and indexes that they are in.
//
// A row's JSON names are the API's, so that a row is shown, filtered and sorted
// by them; what the API does not show is tagged `api:"-"`. The same JSON is
// what the store's file holds: a field may be added, never renamed.
//
// It must not know what the rows do: no logic beyond keys of indexes.
package model
