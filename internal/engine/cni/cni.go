// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cni

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/kuryr-go/kuryr/internal/agent"
	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/internal/fault"
)

// Options are what a Handler is made of. All fields are required.
type Options struct {
	Agent *agent.Agent
	// Logger gets one line for every call, and nothing else.
	Logger *slog.Logger
	// Registerer gets the metrics.
	Registerer prometheus.Registerer
	// Tracer makes a span for every call; the agent's steps are its children.
	Tracer trace.TracerProvider
}

// Handler serves the calls of the CNI plugin. It may be used concurrently.
type Handler struct {
	agent    *agent.Agent
	log      *slog.Logger
	tracer   trace.Tracer
	duration *prometheus.HistogramVec
}

// New makes a Handler, and registers its metrics: it panics when they are
// registered already.
func New(o Options) *Handler {
	h := &Handler{agent: o.Agent, log: o.Logger, tracer: o.Tracer.Tracer("kuryr/cni"), duration: newDuration()}
	o.Registerer.MustRegister(h.duration)
	return h
}

// Handle serves one call. It never fails: what went wrong is in the response.
// When ctx ends, an ADD under way is given up and undone.
func (h *Handler) Handle(ctx context.Context, r agentapi.CNIRequest) agentapi.CNIResponse {
	arrived := time.Now()
	ctx, span := h.startSpan(ctx, r, arrived)
	defer span.End()
	call, err := Parse(r)
	o := outcome{call: call}
	if err == nil {
		o.stdout, o.attachment, err = h.serve(ctx, call)
	}
	o.err = err
	h.observe(span, o, time.Since(arrived))
	if err != nil {
		return Failure(call, err).Response()
	}
	return agentapi.CNIResponse{Stdout: o.stdout}
}

// outcome is what became of a call.
type outcome struct {
	call       Call
	stdout     json.RawMessage
	attachment agent.Attachment
	err        error
}

// serve does what a call asks for. The attachment is for the log.
func (h *Handler) serve(ctx context.Context, c Call) (json.RawMessage, agent.Attachment, error) {
	var none agent.Attachment
	switch c.Command {
	case agentapi.CommandAdd:
		return h.add(ctx, c)
	case agentapi.CommandDel:
		return nil, none, h.agent.Detach(ctx, c.Key)
	case agentapi.CommandCheck:
		at, err := h.check(ctx, c)
		return nil, at, err
	case agentapi.CommandGC:
		return nil, none, h.agent.Retain(ctx, c.Network, c.Keep)
	case agentapi.CommandStatus:
		return nil, none, h.agent.ReadyFor(ctx, c.Demand)
	}
	// Parse lets no other command pass.
	return agentapi.VersionResult(), none, nil
}

func (h *Handler) add(ctx context.Context, c Call) (json.RawMessage, agent.Attachment, error) {
	at, err := h.agent.Attach(ctx, agent.Request{
		Key: c.Key, Scope: c.Network, Netns: c.Netns, Demand: c.Demand, MTU: c.MTU, DefaultRoute: c.DefaultRoute,
	})
	if err != nil {
		return nil, at, err
	}
	stdout, err := Result(at, c.Version, c.DNS)
	if err != nil {
		// A failed ADD leaves nothing, even when its runtime forgets the DEL.
		return nil, at, errors.Join(err, h.agent.Detach(context.WithoutCancel(ctx), c.Key))
	}
	return stdout, at, nil
}

// check holds the attachment against the node and against what the runtime
// believes it to be.
func (h *Handler) check(ctx context.Context, c Call) (agent.Attachment, error) {
	at, found, err := h.agent.Lookup(c.Key)
	if err != nil {
		return at, err
	}
	if !found {
		e := fault.New(fault.NotFound, "%s has no interface %s of Kuryr's", c.Key.Sandbox, c.Key.Interface)
		e.Err = errUnknown
		return at, e
	}
	if err := c.previous.lacks(at); err != nil {
		return at, err
	}
	return h.agent.Check(ctx, c.Key, c.Netns)
}
