// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/kuryr-go/kuryr/internal/binder"
)

// BenchmarkBindUnbind reports the median and the 99th percentile of Bind and
// of Unbind, and of the steps within, in milliseconds: one sandbox after the
// other, 16 at once, and 16 at once while ovs-vswitchd still lets go of the
// 16 before them; and with a real OVN, until ovn-installed.
func BenchmarkBindUnbind(b *testing.B) {
	for _, c := range []struct {
		name    string
		start   func(testing.TB) *node
		workers int
		churn   bool
	}{
		{"ovs/at-once=1", startNode, 1, false},
		{"ovs/at-once=16", startNode, 16, false},
		{"ovs/at-once=16/churn", startNode, 16, true},
		{"ovn/at-once=1", startOVN, 1, false},
		{"ovn/at-once=16", startOVN, 16, false},
	} {
		b.Run(c.name, func(b *testing.B) { benchmark(b, c.start(b), c.workers, c.churn) })
	}
}

func benchmark(b *testing.B, n *node, workers int, churn bool) {
	ov := n.newBinder()
	awaitSession(b, ov, true)
	times := &stopwatch{took: make(map[string][]time.Duration)}
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(times)).Tracer("bench")
	requests := make([]binder.Request, workers)
	for i := range requests {
		requests[i] = request(newSandbox(b), i+1)
		if ov.Probe(b.Context()).Ready == string(ReadyOVN) {
			n.addLogicalPort(&requests[i])
		}
	}
	// A new ovn-controller takes a second to connect to its new bridge.
	bound(b, ov, requests[0])
	unbound(b, ov, requests[0])
	for b.Loop() {
		atOnce(b, requests, func(r binder.Request) error {
			ctx, span := tracer.Start(context.Background(), "Bind")
			defer span.End()
			_, err := ov.Bind(ctx, r)
			return err
		})
		atOnce(b, requests, func(r binder.Request) error {
			ctx, span := tracer.Start(context.Background(), "Unbind")
			defer span.End()
			return ov.Unbind(ctx, refFor(&r))
		})
		if !churn {
			atOnce(b, requests, func(r binder.Request) error {
				return ov.session.awaitSeen(context.Background(), hostName(r.Lease.PortID))
			})
		}
	}
	times.report(b)
}

// stopwatch collects how long spans took, by name.
type stopwatch struct {
	mu   sync.Mutex
	took map[string][]time.Duration
}

func (s *stopwatch) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (s *stopwatch) Shutdown(context.Context) error                  { return nil }
func (s *stopwatch) ForceFlush(context.Context) error                { return nil }

func (s *stopwatch) OnEnd(span sdktrace.ReadOnlySpan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took[span.Name()] = append(s.took[span.Name()], span.EndTime().Sub(span.StartTime()))
}

func (s *stopwatch) report(b *testing.B) {
	for name, took := range s.took {
		slices.Sort(took)
		unit := func(p string) string { return p + "-ms/" + strings.ReplaceAll(name, " ", "-") }
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, unit("p50"))
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, unit("p99"))
	}
}
