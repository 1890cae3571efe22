// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"

	"github.com/kuryr-go/kuryr/internal/binder"
)

// Kind is the binder's name in Health.
const Kind = "ovs"

// Probe asks ovsdb-server for a sign of life and tells what the database says
// of the switch.
func (b *Binder) Probe(ctx context.Context) binder.Health {
	h := binder.Health{Kind: Kind}
	c, err := b.session.current()
	if err == nil {
		err = c.echo(ctx)
	}
	if err != nil {
		h.Problem = err.Error()
		return h
	}
	sw := c.theSwitch()
	h.Connected = true
	if sw.Version != nil {
		h.Version = *sw.Version
	}
	h.Bridge = integrationBridge(sw)
	h.Chassis = sw.ExternalIDs["system-id"]
	h.Host = sw.ExternalIDs["hostname"]
	h.Ready = string(b.ready(sw))
	h.Ports = len(c.marked(b.owner))
	h.Prewired = len(c.wires(b.owner))
	if br, ok := c.bridge(h.Bridge); ok {
		h.Datapath = br.datapath()
	}
	h.Problem = b.problem(&h)
	return h
}

// problem says why nothing can be bound although the database answers.
func (b *Binder) problem(h *binder.Health) string {
	switch {
	case h.Datapath == "":
		return noBridge(h.Bridge, b.opts.Database).Error()
	case h.Ready == string(ReadyOVN) && h.Chassis == "":
		return "external_ids:system-id is not set: ovn-controller has no name for this chassis"
	default:
		return ""
	}
}
