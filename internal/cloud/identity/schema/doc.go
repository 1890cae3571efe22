// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package schema checks JSON values against JSON schemas, as far as Keystone's
// API uses them (a part of draft 4), and says what is wrong in the words of
// Python's jsonschema, which Keystone passes on to its clients.
//
// It promises that the first fault in the order of the schema's keywords is the
// one that is told, as jsonschema does, and that no JSON value makes it panic.
//
// It must not know Keystone's resources.
package schema
