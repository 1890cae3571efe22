// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package supply is where the agent's ports come from and go back to. Direct
// takes them straight from Neutron: the road of a node without Kubernetes. Pool
// stands before it and keeps leases ready on the node: it shows the agent's book
// to the pure engine (portpool) and does with Neutron what that decides.
//
// Its promises:
//
//   - A port is made in one call that carries everything, who it is for
//     included: device_owner "compute:kuryr", device_id the attachment, and
//     cluster, node, sandbox and interface in the description. So a port whose
//     making nobody saw the end of can be found and given back (Reclaim).
//   - A port of somebody else is never deleted. One that was asked for by name
//     is taken over (device_owner "compute:kuryr-adopted", so that no sweep
//     for Kuryr's ports finds it) and given back as it was; one that is in
//     use is refused.
//   - An error of class Invalid, NotFound, Conflict, Quota or Unauthorized
//     means that no port was made. It names the key of the network
//     configuration that is at fault, and what would be allowed.
//   - A port of a pool carries cluster, node and pool from its making on. What
//     a container's owner changed on it is undone before another has it; a port
//     that cannot be set right is deleted instead. A pool that fails holds up
//     no other.
//   - With names resolved a moment ago, Acquire is a single request.
//   - What is collected or uninstalled bears the mark of its cluster, and is
//     looked at again right before it is deleted: who took it over keeps it.
//
// It must not know how a port is wired or which engine asks for it.
package supply
