// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cni

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/internal/fault"
)

// newDuration makes the one metric of this package:
//
//	kuryr_cni_request_duration_seconds{command,code}  histogram of the time from
//	a call's arrival to its answer. command is the operation, or "other"; code is
//	the CNI error code, 0 on success.
func newDuration() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "kuryr_cni_request_duration_seconds",
		Help:    "Time from the arrival of a CNI call to its answer, by operation and CNI error code (0: success).",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
	}, []string{"command", "code"})
}

// commandLabel keeps what a caller invents out of the metric's labels.
func commandLabel(command string) string {
	switch command {
	case agentapi.CommandAdd, agentapi.CommandDel, agentapi.CommandCheck, agentapi.CommandGC, agentapi.CommandStatus, agentapi.CommandVersion:
		return command
	}
	return "other"
}

// longestStart is the longest start of a plugin that is believed: beyond it,
// the clock was set in between.
const longestStart = time.Minute

// startSpan begins the span of a call where its plugin began. The time until
// the call arrived here is a child of its own.
func (h *Handler) startSpan(ctx context.Context, r agentapi.CNIRequest, arrived time.Time) (context.Context, trace.Span) {
	began := arrived
	if early := arrived.Sub(r.StartedAt); early > 0 && early < longestStart {
		began = r.StartedAt
	}
	ctx, span := h.tracer.Start(ctx, "cni "+commandLabel(r.Command), trace.WithTimestamp(began), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("cni.container_id", r.ContainerID), attribute.String("cni.ifname", r.IfName)))
	if began != arrived {
		_, start := h.tracer.Start(ctx, "plugin_start", trace.WithTimestamp(began),
			trace.WithAttributes(attribute.String("plugin.version", r.PluginVersion)))
		start.End(trace.WithTimestamp(arrived))
	}
	return ctx, span
}

// observe measures, traces and logs what became of a call. It is the one place
// where an error of a call is logged. Success is told at level info; of STATUS and VERSION,
// which runtimes call all the time, at level debug.
func (h *Handler) observe(span trace.Span, o outcome, took time.Duration) {
	var code agentapi.CNICode
	if o.err != nil {
		code = Failure(o.call, o.err).Code
		span.SetStatus(codes.Error, o.err.Error())
	}
	span.SetAttributes(attribute.Int("cni.code", int(code)), attribute.String("cni.network", o.call.Network))
	h.duration.WithLabelValues(commandLabel(o.call.Command), strconv.FormatUint(uint64(code), 10)).Observe(took.Seconds())

	level, text := slog.LevelInfo, "cni call"
	attrs := o.attrs(took, code)
	switch {
	case o.err != nil:
		level, text = slog.LevelError, "cni call failed"
		attrs = append(attrs, slog.String("class", string(fault.ClassOf(o.err))), slog.Any("err", o.err))
	case o.call.Command == agentapi.CommandStatus || o.call.Command == agentapi.CommandVersion:
		level = slog.LevelDebug
	case o.call.Mesos && o.call.Command == agentapi.CommandAdd && o.call.Version > "0.2.0":
		level = slog.LevelWarn
		attrs = append(attrs, slog.String("warning", "Mesos reads no address from a result of cniVersion 0.3.0 or newer; the configuration should say 0.2.0"))
	}
	h.log.LogAttrs(context.Background(), level, text, attrs...)
}

// attrs are what is always logged of a call, as far as it is known.
func (o outcome) attrs(took time.Duration, code agentapi.CNICode) []slog.Attr {
	attrs := []slog.Attr{slog.String("command", o.call.Command)}
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	add("sandbox", o.call.Key.Sandbox)
	add("ifname", o.call.Key.Interface)
	add("network", o.call.Network)
	add("port", o.attachment.Lease.PortID)
	addresses := make([]string, 0, len(o.attachment.Lease.Addresses))
	for _, a := range o.attachment.Lease.Addresses {
		addresses = append(addresses, a.Prefix.String())
	}
	add("addresses", strings.Join(addresses, ","))
	return append(attrs, slog.Duration("duration", took), slog.Uint64("code", uint64(code)))
}
