// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package neutrontest gives end-to-end tests a project of their own on a real
// cloud, with what they need in it, and leaves nothing behind.
//
// The cloud is the one that OS_CLIENT_CONFIG_FILE and OS_CLOUD name; its user
// must be an administrator. Without them a test is skipped, or fails when
// KURYR_TEST_REQUIRE is 1. All but this file is built with the tag e2e alone.
//
// It must not know the package that a test is about, except for the client
// that every one of them needs.
package neutrontest
