// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package config is the agent's configuration: one YAML file, read strictly,
// over documented defaults, with command-line flags on top.
//
// An unknown key, a value of the wrong type or a value that is not allowed
// is an error that names the key, the line it stands on and what would be
// right; all of them are told at once. The comments of Config and its
// sections are the reference: docs/configuration.md and the flags' help are
// generated from them.
//
// It holds no secret: credentials are in clouds.yaml or the OS_* variables,
// which the OpenStack client reads. It must not know who uses a value.
package config

//go:generate go run ./gen
