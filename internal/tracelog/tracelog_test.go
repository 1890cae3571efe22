// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package tracelog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

func TestATraceIsOneRecordWithItsSteps(t *testing.T) {
	var out bytes.Buffer
	reg := prometheus.NewRegistry()
	p := New(slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})), reg)
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(p)).Tracer("t")

	ctx, root := tracer.Start(context.Background(), "cni ADD")
	_, a := tracer.Start(ctx, "bind")
	a.RecordError(errors.New("no"))
	a.End()
	root.End()

	var got struct {
		Msg, Name string
		Steps     map[string]struct{ Failed bool }
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v in %q", err, out.String())
	}
	if got.Name != "cni ADD" || len(got.Steps) != 1 || !got.Steps["bind"].Failed {
		t.Errorf("record: %+v", got)
	}
	families, err := reg.Gather()
	if err != nil || len(families) != 1 || len(families[0].GetMetric()) != 2 {
		t.Errorf("metrics: %v, %v; want one family with two steps", families, err)
	}
	if len(p.traces) != 0 {
		t.Errorf("%d traces are kept after their end", len(p.traces))
	}
}

func TestWithoutDebugNothingIsKept(t *testing.T) {
	var out bytes.Buffer
	p := New(slog.New(slog.NewTextHandler(&out, nil)), nil)
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(p)).Tracer("t")
	for range 10 {
		tracer.Start(context.Background(), "never ends")
	}
	if len(p.traces) != 0 || out.Len() != 0 {
		t.Errorf("%d traces, log %q", len(p.traces), out.String())
	}
}
