// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package openstack is an OpenStack for tests: Keystone, Neutron (ML2/OVN)
// and Octavia (OVN provider) with OVN's central databases and two or more
// hypervisors with Open vSwitch, as plain processes and without systemd. It
// comes in two flavours:
//
//   - the real one: Debian 12's packages (OpenStack Zed) and MariaDB;
//   - the embedded one (Options.Embedded): the three APIs are one process,
//     `kuryr cloud`, on the same addresses, over the same OVN and hypervisors.
//
// Who uses the package need not know which it is.
//
// # Where everything is
//
// State, sockets, logs and configuration are in one directory. Every process
// and every address is in a network namespace that the package made; their
// names begin with a prefix ("kt"):
//
//	kt-ctl    the control plane: 198.18.0.1 (Keystone 5000, Neutron 9696, Octavia 9876)
//	kt-n1...  a hypervisor each: ovsdb-server, ovs-vswitchd, ovn-controller;
//	          mgmt0 198.18.0.11... reaches the control plane, br-ul 198.18.1.11... carries geneve,
//	          br-ex is the provider network's bridge
//	kt-fab    the cables: Linux bridges mgmt, ul and ex; ex holds 203.0.113.1,
//	          the gateway of the provider network, and is the world outside
//	kt-vm-*   virtual machines, wired as Nova wires them
//
// The management network does not pass through Open vSwitch, so that a
// hypervisor still reaches the APIs while its switch is down, as on a real one.
// Nothing listens in the machine's own namespace: a test talks to the APIs
// through Cloud.DialContext, which makes its sockets in the control plane's
// namespace, or runs a command there with Netns.Start.
//
// # Promises
//
// Up is idempotent: what runs is left alone, what is missing or was killed is
// repaired, what has another configuration is restarted. Down leaves no
// process, namespace or mount; the directory stays for a warm start, and Wipe
// removes that too. No step sleeps: each waits for a state, and a process
// that ends while it is waited for fails the step at once with the end of its log.
//
// Everything in a namespace of the prefix belongs to the cloud: Down ends
// processes that are left in them.
//
// # What it must not know
//
// Kuryr, beyond how the embedded cloud is started. The package provides a
// cloud and hosts on it; what is tested there is the business of the suites.
//
// # Be aware
//
//   - The switches use Open vSwitch's userspace datapath (datapath_type
//     netdev), since no kernel module may be there. It does not compute
//     checksums: an interface that sends into it must have TX checksum offload
//     off, or every TCP connection fails while ping works. BootVM does so.
//   - An embedded cloud is one process: StopNeutron stops Keystone and Octavia too.
//   - Debian 12's Neutron reads Chassis:external_ids, its OVN writes
//     other_config: without the keys that a node's start copies there, flat
//     networks and gateways do not bind.
//   - A chassis that lags behind NB_Global's nb_cfg by two counts as dead in
//     Neutron, and a bind to it fails for good. Up waits until every chassis follows.
package openstack
