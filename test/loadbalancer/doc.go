// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package loadbalancer shows what OVN's load balancers do with packets, on the
// embedded cloud and, where Octavia's real OVN provider can do the same, on the
// real one: virtual machines on two hypervisors are clients and members.
//
// It promises that nothing is slept over or tried again: after each change it
// waits until the API has done it and every hypervisor has followed; from then
// on every single connection has to be as it should.
//
// It must not know Kuryr: it is about the cloud.
//
// # What OVN cannot do
//
// Shown on OVN 23.03.1 over Open vSwitch 3.1.0 and, as far as they are OVN's,
// the same with newer ones and with the kernel's datapath:
//
//   - Session affinity by time (options:affinity_timeout) drops the first packet
//     of every client: its learning flow ends with the packet. TCP's repetition is
//     translated already and dropped again, when client and VIP are on one
//     switch, so that the first connection fails. It also keeps clients at members
//     that health checks have found dead. Therefore the embedded cloud keeps clients at
//     their members by hashing their addresses (selection_fields), without an end.
//   - A member of a VIP with health checks for which OVN has no check is taken to
//     be dead. Members outside of Neutron are therefore given a check that nobody runs.
//   - A VIP on a network without a router has nobody who answers for its
//     address: only clients on other networks, or with a route, reach it.
package loadbalancer
