// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package loadbalancer is the embedded cloud's Octavia: the v2 API as of 2.26
// (Zed), for the providers ovn and amphora.
//
// The provider ovn is as restricted as ovn-octavia-provider 3.0.0, unless
// Options say otherwise; its load balancers become real by package ovn, which
// reads the same tables. The provider amphora is its API alone: what it accepts,
// how long it takes, and which statuses it ends with.
//
// # Promises
//
// A request's whole change is one commit: the load balancer and its VIP's port,
// or a tree of everything. What is PENDING stays so until the change is in
// effect in OVN, and at least for as long as Options demand, then it is done,
// also by the next process when this one ends. While a load balancer is
// PENDING, nothing of it can be changed (409). What is deleted is gone when its
// load balancer is no longer PENDING.
//
// # What it must not know
//
// How Neutron finds addresses: ports come from whoever Options name. How OVN is
// told.
package loadbalancer
