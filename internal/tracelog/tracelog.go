// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package tracelog

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// maxTraces bounds the traces that are gathered at one time. Beyond it new
// traces are measured, but not logged.
const maxTraces = 4096

// maxSpans bounds the spans kept of one trace.
const maxSpans = 128

// Processor is a span processor (go.opentelemetry.io/otel/sdk/trace). Its one metric is
//
//	kuryr_step_duration_seconds{step}  histogram of every span, by name
type Processor struct {
	log   *slog.Logger
	steps *prometheus.HistogramVec

	mu     sync.Mutex
	traces map[trace.TraceID][]step // guarded by mu
}

// step is one ended span.
type step struct {
	name   string
	began  time.Time
	took   time.Duration
	failed bool
}

// New makes a processor that logs to log and registers its metric with reg; a nil reg registers none.
func New(log *slog.Logger, reg prometheus.Registerer) *Processor {
	p := &Processor{log: log, traces: map[trace.TraceID][]step{}, steps: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "kuryr_step_duration_seconds", Help: "Time of each step of a request, by the step's name.",
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
	}, []string{"step"})}
	if reg != nil {
		reg.MustRegister(p.steps)
	}
	return p
}

// OnStart implements sdktrace.SpanProcessor.
func (p *Processor) OnStart(_ context.Context, s sdktrace.ReadWriteSpan) {
	if s.Parent().IsValid() || !p.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.traces) < maxTraces {
		p.traces[s.SpanContext().TraceID()] = []step{}
	}
}

// OnEnd implements sdktrace.SpanProcessor.
func (p *Processor) OnEnd(s sdktrace.ReadOnlySpan) {
	took := s.EndTime().Sub(s.StartTime())
	p.steps.WithLabelValues(s.Name()).Observe(took.Seconds())
	id := s.SpanContext().TraceID()
	p.mu.Lock()
	steps, kept := p.traces[id]
	if kept && s.Parent().IsValid() {
		if len(steps) < maxSpans {
			p.traces[id] = append(steps, step{name: s.Name(), began: s.StartTime(), took: took, failed: failed(s)})
		}
		p.mu.Unlock()
		return
	}
	delete(p.traces, id)
	p.mu.Unlock()
	if kept {
		p.write(s, took, steps)
	}
}

// failed reports whether a span recorded an error.
func failed(s sdktrace.ReadOnlySpan) bool {
	return s.Status().Code == codes.Error || len(s.Events()) > 0
}

// write logs a trace: per step when it began, counted from the root's begin,
// and how long it took, in milliseconds. Steps contain one another.
func (p *Processor) write(root sdktrace.ReadOnlySpan, took time.Duration, steps []step) {
	attrs := make([]slog.Attr, 0, len(steps)+4)
	attrs = append(attrs, slog.String("name", root.Name()), slog.Float64("ms", ms(took)))
	for _, kv := range root.Attributes() {
		attrs = append(attrs, slog.String(string(kv.Key), kv.Value.String()))
	}
	parts := make([]any, 0, len(steps))
	for _, st := range steps {
		parts = append(parts, slog.Group(st.name, slog.Float64("at", ms(st.began.Sub(root.StartTime()))),
			slog.Float64("ms", ms(st.took)), slog.Bool("failed", st.failed)))
	}
	attrs = append(attrs, slog.Group("steps", parts...))
	p.log.LogAttrs(context.Background(), slog.LevelDebug, "trace", attrs...)
}

// ms is d in milliseconds, to the microsecond.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Shutdown implements sdktrace.SpanProcessor.
func (p *Processor) Shutdown(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.traces)
	return nil
}

// ForceFlush implements sdktrace.SpanProcessor. Nothing is held back.
func (p *Processor) ForceFlush(context.Context) error { return nil }
