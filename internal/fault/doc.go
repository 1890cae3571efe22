// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package fault is the one classification of everything that can go wrong.
//
// An error is classified once, where it is first understood (a Neutron
// answer, a bad key in a network configuration, an OVSDB session that is
// down), and carried unchanged by wrapping from there. Front ends turn the
// class into their own code (a CNI error code, an HTTP status, a condition);
// retry loops ask Retryable.
//
// It must not know any back end, engine or transport: it is a leaf that every
// other package may import.
package fault
