// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rig

import "slices"

// wiring is what a node's Interface rows say of one port. A container's
// interface either has the port's claim itself, or hangs on a wire of two ends,
// of which the near one has it.
type wiring struct {
	// plugged are the containers' interfaces, hung those of them on a wire.
	plugged, hung int
	// near and far are the ends of wires.
	near, far int
}

// row books an Interface row of the cluster on a node.
func (b *balance) row(node, name string, ids map[string]string, seen map[string]*wiring, devices []string) {
	port, plugged := ids["iface-id"], ids["kuryr-attachment"] != ""
	if wire := ids["kuryr-wire"]; wire != "" {
		port = wire
	} else if wired := ids["kuryr-port"]; wired != "" {
		port = wired
	}
	if port == "" {
		// The cluster's bridge of wires: it stays until the node is drained.
		if len(b.Want) == 0 {
			b.differ("%s has the interface %s of a bridge that nothing is wired through", node, name)
		}
		return
	}
	w := seen[port]
	if w == nil {
		w = &wiring{}
		seen[port] = w
	}
	use, wanted := b.Want[port]
	wanted = wanted && use.Node == node
	switch {
	case plugged:
		w.plugged++
		if ids["kuryr-port"] != "" {
			w.hung++
		}
		wanted = wanted && use.attached() && w.plugged == 1
		if wanted && !slices.Contains(devices, name) {
			b.differ("%s has the Interface row %s of port %s and no such device", node, name, port)
		}
	case ids["iface-id"] != "":
		w.near++
		wanted = wanted && use.claimed() && w.near == 1
	default:
		w.far++
		wanted = wanted && use.claimed() && w.far == 1
	}
	if !wanted {
		b.differ("%s has an Interface row too many: %s of port %s, %s/%s", node, name, port, ids["kuryr-sandbox"], ids["kuryr-interface"])
	}
}

// lacking compares what was booked for a port of a node with what it is for.
func (b *balance) lacking(id string, use Use, w *wiring) {
	if w == nil {
		w = &wiring{}
	}
	if use.attached() && w.plugged == 0 {
		b.differ("%s lacks the Interface row of port %s, %s/%s", use.Node, id, use.Sandbox, use.Interface)
	}
	ends := 0
	if use.Wired && !use.attached() || w.hung > 0 {
		ends = 1
	}
	if w.near != ends || w.far != ends {
		b.differ("%s has %d near and %d far ends of a wire for port %s of %+v, not %d each", use.Node, w.near, w.far, id, use, ends)
	}
}
