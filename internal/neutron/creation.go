// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"context"
	"net/http"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// Creation is a request to make ports that is under way.
//
// Neutron finishes a request whether or not the client still listens. A
// caller who gave up and then looked for a port left behind could therefore
// look too early, find nothing, and leak the port that is made a moment
// later. So a creation that was sent goes on, up to Options.RequestTimeout,
// and Done tells when looking makes sense.
type Creation struct {
	operation call
	client    *Client
	done      chan struct{}

	// Valid once done is closed.
	ports []Port
	err   error
}

// Done is closed when nothing is under way any more.
func (p *Creation) Done() <-chan struct{} { return p.done }

// Wait gives the ports in the order asked for, or the classified error. When
// ctx ends first, its error is Unavailable, and the creation goes on.
func (p *Creation) Wait(ctx context.Context) ([]Port, error) {
	select {
	case <-p.done:
		return p.ports, p.err
	case <-ctx.Done():
		return nil, p.client.failure(ctx, p.operation, ctx.Err())
	}
}

// StartPorts sends the request to make ports when its turn comes: one port by
// a request of its own, several by one bulk request, of which either all are
// made or none. ctx bounds the wait for the turn; afterwards only its values
// count.
func (c *Client) StartPorts(ctx context.Context, specs []PortCreate) *Creation {
	p := &Creation{client: c, done: make(chan struct{})}
	k := call{method: http.MethodPost, path: portKind.path, ok: []int{http.StatusCreated}}
	var one Port
	if len(specs) == 1 {
		k.operation = "create port"
		k.body = map[string]any{portKind.one: specs[0]}
		k.out = &envelope{portKind.one: &one}
	} else {
		k.operation = "create ports"
		k.body = map[string]any{portKind.many: specs}
		k.out = &envelope{portKind.many: &p.ports}
	}
	p.operation = call{operation: k.operation}
	if p.err = c.takeTurn(ctx, k.operation); p.err != nil {
		close(p.done)
		return p
	}
	go func() {
		defer close(p.done)
		defer c.leaveTurn()
		p.err = c.send(context.WithoutCancel(ctx), k)
		if p.err == nil && len(specs) == 1 {
			p.ports = []Port{one}
		}
		if p.err == nil && len(p.ports) != len(specs) {
			p.err = fault.New(fault.Internal, "neutron: %s: asked for %d, got %d", k.operation, len(specs), len(p.ports))
		}
	}()
	return p
}

// CreatePorts makes ports and waits for them; see StartPorts and Wait. An
// empty list makes no request.
func (c *Client) CreatePorts(ctx context.Context, specs []PortCreate) ([]Port, error) {
	if len(specs) == 0 {
		return nil, nil
	}
	return c.StartPorts(ctx, specs).Wait(ctx)
}

// CreatePort makes one port and waits for it; see Creation for what an
// Unavailable error leaves open.
func (c *Client) CreatePort(ctx context.Context, spec PortCreate) (Port, error) {
	ports, err := c.CreatePorts(ctx, []PortCreate{spec})
	if err != nil {
		return Port{}, err
	}
	return ports[0], nil
}
