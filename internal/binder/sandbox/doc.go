// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package sandbox is the part of wiring a port that happens inside the
// sandbox's network namespace, the same for every binder: Plan turns a
// request into what the interface shall be (addresses, routes, metrics),
// Configure makes it so, Differences compares.
//
// Its promises: no process is executed and no interface is moved; a thread
// that entered a namespace either returned to the one it came from or ends;
// sysctls are written in the sandbox alone; an interrupted netlink dump is
// repeated.
//
// IPv6: what an interface gets comes from Neutron alone. With an IPv6 address
// in the lease IPv6 is switched on for the interface (disable_ipv6=0), its
// addresses skip duplicate address detection (Neutron made them unique), and
// router advertisements are ignored (accept_ra=0): they would add a second
// default route, also where DefaultRoute says none, and let an address expire
// that the lease holds. An interface without IPv6 addresses is left as the
// kernel makes it.
//
// It must not know how the interface came into the namespace, nor any switch.
package sandbox
