// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Gen writes what is generated from the comments of package config:
// the reference page docs/configuration.md and the table of keys that the
// flags' help shows. `go generate ./internal/config` runs it; a test fails
// when what it would write is not what is there.
//
// It reads the source and imports nothing of Kuryr, so that it runs whatever
// state the generated file is in.
package main
