// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package identity is the embedded cloud's Keystone: version 3 of the identity
// API, as far as clients of a network need it, in the words, statuses and
// defaults of Keystone 22 (OpenStack Zed).
//
// # Promises
//
// A token is a sealed statement of who it was made for, and for which scope;
// nothing of it is stored. It is good after a restart with the same store.
// Each use of one looks at the rows as they are then: a user who is disabled,
// a password that is changed, a role that is taken away or an application
// credential that is deleted takes effect with the next request. A check costs
// the same however many tokens and users there are.
//
// Passwords and secrets are stored as salted hashes alone.
//
// # What it must not know
//
// The other services: they know it, as an api.Authenticator.
//
// # Be aware
//
// What Keystone has beyond this answers 404: trusts, federation, OAuth,
// credentials for EC2, limits, policies, endpoint filters, access rules.
package identity
