// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package cloud is the embedded OpenStack: Keystone, Neutron and Octavia in one
// process, over one store, with OVN underneath or without it.
//
// New puts the parts together, Serve serves them. Package cloudtest does both
// for a test.
//
// # Promises
//
// One store holds everything, and a request changes it as a whole or not at
// all: what a killed process was about to do has happened or has not, and what
// it had done is there when the next one begins. OVN need not be reachable at
// the start, nor stay so: the APIs serve, Health tells, and OVN is made equal
// to the store as soon as it can be reached.
//
// Without OVN's addresses the cloud is a simulator: every host binds ports, and
// a port becomes ACTIVE, and a load balancer too, by itself.
//
// # Metrics
//
//	kuryr_cloud_rows{table}   rows of each table of the store
//
// and those of package faults.
//
// # What it must not know
//
// What a request means, and who makes it: it must not know the agent.
package cloud
