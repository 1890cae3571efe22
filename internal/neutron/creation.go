// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// bulkWindow is how long the creation of a port waits for others to share
// its request with: little beside what a create takes, and enough for those
// that are asked for together.
const bulkWindow = 3 * time.Millisecond

// createPort is the operation under which a creation is named in errors.
const createPort = "create port"

// Creation is a port that is asked for.
//
// Neutron finishes a request whether or not the client still listens. A
// caller who gave up and then looked for a port left behind could therefore
// look too early, find nothing, and leak the port that is made a moment
// later. So a creation that was sent goes on, up to Options.RequestTimeout,
// and Done tells when looking makes sense.
type Creation struct {
	ctx      context.Context
	spec     PortCreate
	priority Priority
	queued   time.Time
	client   *Client
	forget   func() bool // see context.AfterFunc; set by scheduler.submit
	done     chan struct{}

	// Valid once done is closed.
	port Port
	err  error
}

// Done is closed when the port is made, or will never be.
func (p *Creation) Done() <-chan struct{} { return p.done }

// Wait gives the port, or the classified error; MayExist tells whether a port
// may have been made all the same. When ctx ends first, the error is
// Unavailable, and the creation goes on.
func (p *Creation) Wait(ctx context.Context) (Port, error) {
	select {
	case <-p.done:
		return p.port, p.err
	case <-ctx.Done():
	}
	// Whoever started it with the same context shall be told if it was never sent.
	if p.ctx.Err() != nil {
		p.client.scheduler.drop(p)
	}
	select {
	case <-p.done:
		return p.port, p.err
	default:
		return Port{}, p.client.failure(ctx, call{operation: createPort}, ctx.Err())
	}
}

// finish ends the creation, once.
func (p *Creation) finish(port Port, err error) {
	p.port, p.err = port, err
	close(p.done)
	p.forget()
}

// giveUp ends a creation that was not sent, or was sent and refused, and
// whose context has ended. until is when ports may be made again.
func (p *Creation) giveUp(until time.Time) {
	p.finish(Port{}, notSent(p.ctx, call{operation: createPort}, until))
}

// StartPort asks for a port, with the priority of ctx. Ports that are asked
// for at about the same time, or wait for their turn together, share a
// request; when that is refused, it is halved until each port that is at
// fault fails alone. Nothing is sent again that may have been carried out.
//
// A port whose ctx ends before its request is sent is not asked for any more;
// afterwards only the values of ctx count.
func (c *Client) StartPort(ctx context.Context, spec PortCreate) *Creation {
	p := &Creation{ctx: ctx, spec: spec, priority: priorityOf(ctx), queued: time.Now(), client: c, done: make(chan struct{})}
	c.scheduler.submit(p)
	return p
}

// CreatePort makes one port and waits for it; see StartPort and Wait.
func (c *Client) CreatePort(ctx context.Context, spec PortCreate) (Port, error) {
	return c.StartPort(ctx, spec).Wait(ctx)
}

// sendPorts makes the ports of a ticket that has started.
func (c *Client) sendPorts(t *ticket) {
	items, gone := alive(t.items, nil)
	for _, item := range gone {
		item.giveUp(c.scheduler.pausedUntil(apiCreates))
	}
	t.items = items
	if len(items) == 0 {
		c.scheduler.finish(t, result{})
		return
	}
	ports, err := c.postPorts(items)
	if len(items) > 1 && refusedWhole(err) {
		c.scheduler.finish(t, resultOf(context.Background(), err), items[:len(items)/2:len(items)/2], items[len(items)/2:])
		return
	}
	c.scheduler.finish(t, resultOf(context.Background(), err))
	for i, item := range items {
		if err != nil {
			item.finish(Port{}, err)
		} else {
			item.finish(ports[i], nil)
		}
	}
}

// postPorts makes one request: for one port in its singular form, for several
// in the bulk form, of which either all are made or none.
func (c *Client) postPorts(items []*Creation) ([]Port, error) {
	k := call{operation: createPort, method: http.MethodPost, path: portKind.path, ok: []int{http.StatusCreated}}
	specs := make([]PortCreate, len(items))
	for i, item := range items {
		specs[i] = item.spec
	}
	var ports []Port
	if len(specs) == 1 {
		ports = make([]Port, 1)
		k.body, k.out = map[string]any{portKind.one: specs[0]}, &envelope{portKind.one: &ports[0]}
	} else {
		k.operation = "create ports"
		k.body, k.out = map[string]any{portKind.many: specs}, &envelope{portKind.many: &ports}
	}
	if err := c.send(context.WithoutCancel(items[0].ctx), k); err != nil {
		return nil, err
	}
	if ports = inOrder(specs, ports); ports == nil {
		return nil, fault.New(fault.Internal, "neutron: %s: the answer is not about the %d ports asked for", k.operation, len(specs))
	}
	return ports, nil
}

// inOrder puts the ports of an answer in the order of the request, in which
// Neutron gives them anyway; but a port that went to the wrong caller would
// open what should be closed. nil: they are others.
func inOrder(specs []PortCreate, ports []Port) []Port {
	if len(ports) != len(specs) {
		return nil
	}
	ordered := make([]Port, len(specs))
	for i, spec := range specs {
		if !spec.is(ports[i]) {
			for j := i + 1; j < len(ports); j++ {
				if spec.is(ports[j]) {
					ports[i], ports[j] = ports[j], ports[i]
					break
				}
			}
		}
		if !spec.is(ports[i]) {
			return nil
		}
		ordered[i] = ports[i]
	}
	return ordered
}

// is tells whether a port was made of a specification.
func (s *PortCreate) is(p Port) bool {
	same := func(want, have string) bool { return want == "" || want == have }
	return same(s.Name, p.Name) && same(s.DeviceID, p.DeviceID) && same(s.DeviceOwner, p.DeviceOwner)
}

// refusedWhole tells that a bulk was refused for what it asked: nothing of it
// was made, and a part of it may well be. That the credentials are no good is
// true of each part.
func refusedWhole(err error) bool {
	var answer *APIError
	return !errors.As(err, new(unsent)) && errors.As(err, &answer) && answer.Status != http.StatusUnauthorized && !MayExist(err)
}
