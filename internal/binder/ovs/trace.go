// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// tracerName is this package's instrumentation scope.
const tracerName = "github.com/kuryr-go/kuryr/internal/binder/ovs"

// The spans of an attach and a detach.
const (
	spanCreate    = "netlink create veth"
	spanConfigure = "netlink configure"
	spanDelete    = "netlink delete veth"
	spanTransact  = "ovsdb transaction"
	spanInstalled = "wait ovn-installed"
	spanOpened    = "wait ofport"
)

// traced runs f in a span of the caller's tracer.
func traced(ctx context.Context, name, device string, f func(context.Context) error) error {
	tracer := trace.SpanFromContext(ctx).TracerProvider().Tracer(tracerName)
	ctx, span := tracer.Start(ctx, name, trace.WithAttributes(attribute.String("kuryr.device", device)))
	defer span.End()
	err := f(ctx)
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	return err
}
