// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package ipam is arithmetic on sets of IP addresses, and finds the next free
// address of one.
//
// It promises that what a set's size is does not count: finding, taking and
// giving back an address of a subnet with 60,000 of them in use costs as little
// as of an empty one.
//
// It must not know subnets, ports or any store.
package ipam
