// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package network is the embedded cloud's Neutron: what each resource of the
// v2.0 API is and does, as the ML2 plugin with the OVN driver does it.
//
// attributes.txt and policy.txt hold what is plain data: the attributes of each
// resource as Neutron's API definitions have them, and who may do what.
//
// It promises that a request's whole change is one commit of the store, so that
// nothing half-made is ever seen, also after a crash.
//
// It must not know how OVN is told: that is read from the same tables by
// package ovn. It knows nothing of load balancers but that somebody may want a
// port in the same commit (AllocatePort).
package network
