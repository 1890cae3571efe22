// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package ovn keeps OVN's northbound database as the embedded cloud's tables
// demand, laid out as Neutron's ML2/OVN driver lays it out, and tells the cloud
// what OVN reports of ports, hypervisors and the members of load balancers.
//
// # Promises
//
// It is level-triggered: what is wanted is computed from the tables, compared
// with what there is, and the difference written. When a connection begins
// everything is compared; after that the units that a commit of the tables
// concerns, and those whose rows somebody else touched. What differs is
// repaired; rows with our marks that nobody demands are removed; rows of
// others are left alone.
//
// Work is proportional to what changed. Whatever has to be written goes in one
// transaction, of bounded size. What the server refuses is found by halves,
// told, and tried again later; it holds up nothing else.
//
// Ports that a chassis claims or loses are told of as it happens, and at the
// start of a connection and after a new binding also those of which the tables
// say something else than OVN.
//
// # Where it differs from Neutron Zed's driver
//
// Address groups are sets of addresses, as later drivers have them; Zed's lets
// every address through. Gateways are ranked by hashes of names and not by
// history. A DHCP server's MAC is made of its subnet's id and not at random; a
// port to a physical network is named after its network, whose one segment has
// no id. A bound port is never virtual. Limits that a policy guarantees, and a
// subport's device_owner, are written also where Zed's driver forgets them.
// testdata/neutron and its test hold the two against each other.
//
// # How a kind of unit plugs in
//
// A unit is what is compared as one: a network, a port, a rule, a load
// balancer. Its kind (see kind; the list is in kinds.go) says five things:
//
//   - every: the ids of the units that the tables demand, for the comparison
//     of everything.
//   - rows: given the tables and an id, the rows that the unit wants in the
//     northbound database, none when the tables no longer have it. This is a
//     pure function of a view, and is tested as one. A Row has a table, a key
//     that is its own in its table, and columns; columns that it does not name
//     are not touched. References go two ways. A column that refers to one row
//     (dhcpv4_options) has a Ref as its value. A set of references (a switch's
//     ports, a router's load balancers) is no column of the parent's Row: each
//     child says in which sets it is (Row.In), whoever's unit the parent is.
//     Rows come after those that they are in or refer to; a row that is
//     missing is waited for.
//   - owns: by table, whose a row in the database is, from its name, its
//     external_ids or the row that it is in: the unit's id and the row's key.
//     This is how a restart finds its own again, and how strangers are found.
//   - stirs: by table of the cloud, which units a changed row (before, after)
//     concerns. Rows have changed when it is called. It must not look at more
//     than the change concerns.
//   - chassis: the units that depend on which hypervisors there are.
//
// A table or column that is not in northbound yet is added there.
//
// # What it must not know
//
// The APIs: who may do what, what is valid, which status a port has.
package ovn
