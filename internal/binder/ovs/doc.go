// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package ovs binds a Neutron port into Open vSwitch: a veth whose peer is
// born in the sandbox, its host end a port of the integration bridge, told to
// OVN or to Neutron's agent by the Interface row's external_ids, as Nova does.
//
// # Wires
//
// OVN needs a few milliseconds to claim a port, and many ports take turns. So
// Prewire has a free port claimed before any sandbox needs it, where nobody
// waits: by a patch port in the integration bridge, whose other end is alone
// in a VLAN of a second bridge of Kuryr's own. Bind then has only to add the
// veth's host end to that VLAN. A patch port costs a packet nothing; ACLs,
// address checks and all else of OVN's hold as they do for any port.
//
// The second bridge is one for each cluster and node, because VLAN tags are
// its own; the database refuses a tag twice, as a name is made of it. The
// bridge learns no MACs, floods in a VLAN of two, and is closed to the node.
// A wire is rows and nothing else: whatever dies, it is found again by Wires.
//
// A wire may outlive its sandbox and serve the next: Rinse has the switch forget
// the connections of the one before, by an OpenFlow message of OVS's own to the
// integration bridge. So OVN hears of none of them.
//
// # Promises
//
// One session to the local ovsdb-server serves everything and comes back by
// itself after the server's restart; an agent starts without the server and
// says so through Probe. What arrives together goes in one transaction, and an
// item that the server refuses fails alone.
//
// Bind leaves a wired interface or nothing: an undo has its own deadline, and
// a row that cannot be removed because the server is away is removed when it
// is back. Leftovers of the same port with Kuryr's mark are replaced; a row or
// device of somebody else is a Conflict.
//
// Unbind needs neither the namespace nor the interface in it, and never
// touches what is not Kuryr's, or what the port was bound to since. Unplug is
// its quick half: after it the port, and the place in the sandbox, may be used
// again while the device still waits for its removal.
//
// # Be aware
//
// The host end is made in the process's own network namespace, which must be
// ovs-vswitchd's.
//
// A device is marked twice. Its group (IFLA_GROUP, a number made of cluster
// and node) is set in the request that makes it, so no crash can leave an
// unmarked one; its alias ("kuryr <attachment>"), which the kernel ignores in
// that request, follows at once and says whose it is.
//
// ovs-vswitchd looks at the database as a whole: it does not see that a port
// went when one with the same name came back before it looked, and goes on
// using the old, dead device. So each removal raises next_cfg, and a Bind of
// the same name waits until cur_cfg has caught up.
//
// Two agents on one node need different cluster or node names.
//
// On a wire a sandbox's own VLAN tags do not pass, as they do not through OVN
// unless the network is vlan_transparent.
//
// Removing a device takes the kernel some 20 ms, but any number are removed
// side by side, and a Bind is no slower beside 32 at once than beside one
// after the other: so there is no bound, which would only make each wait.
//
// # Must not know
//
// Neutron's API, the journal, any engine, and anything of the sandbox's
// inside: that is package sandbox.
package ovs
