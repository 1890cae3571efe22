// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/gophercloud/gophercloud/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// service is one of the two APIs that the client calls.
type service string

const (
	neutron  service = "neutron"
	keystone service = "keystone"
)

// tracerName is the instrumentation scope of the spans.
const tracerName = "github.com/kuryr-go/kuryr/internal/neutron"

// call is one request.
type call struct {
	// service is neutron when empty.
	service service
	// operation is verb and object, for humans: "create port".
	operation string
	method    string
	// path is relative to the API's version.
	path  string
	query url.Values
	// revision is sent as If-Match when not nil.
	revision *int
	body     any
	out      any
	// ok are the status codes that mean success.
	ok []int
}

func (k call) api() service {
	if k.service == "" {
		return neutron
	}
	return k.service
}

// do makes a request when its turn comes, and waits for the answer. The error
// is classified.
func (c *Client) do(ctx context.Context, k call) (err error) {
	t, err := c.scheduler.wait(ctx, k)
	if err != nil {
		return notSent(ctx, k, c.scheduler.pausedUntil(apiOf(k)))
	}
	defer func() { c.scheduler.finish(t, resultOf(ctx, err)) }()
	return c.send(ctx, k)
}

// resultOf is what a request's end tells the scheduler. ctx is the caller's.
func resultOf(ctx context.Context, err error) result {
	var answer *APIError
	switch {
	case err == nil:
		return result{verdict: served}
	case isDial(err):
		return result{verdict: overloaded}
	case errors.As(err, new(unsent)):
		return result{} // a login's pause is its own affair
	case fault.Is(err, fault.OverLimit):
		refused, _ := fault.As(err)
		return result{verdict: overloaded, refused: true, retryAfter: refused.RetryAfter}
	case errors.As(err, &answer):
		switch answer.Status {
		case http.StatusRequestTimeout, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return result{verdict: overloaded}
		}
		return result{}
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return result{verdict: late}
	case ctx.Err() == nil && fault.Is(err, fault.Unavailable):
		return result{verdict: overloaded}
	default:
		return result{}
	}
}

// send makes a request. It has its turn.
func (c *Client) send(ctx context.Context, k call) error {
	tracer := trace.SpanFromContext(ctx).TracerProvider().Tracer(tracerName)
	ctx, span := tracer.Start(ctx, string(k.api())+" "+k.operation, trace.WithSpanKind(trace.SpanKindClient))
	defer span.End()

	ctx, cancel := context.WithTimeout(ctx, c.options.RequestTimeout)
	defer cancel()
	ctx = withOperation(ctx, k.operation)
	err := c.exchange(ctx, k)
	if strandedByOthers(ctx, err) {
		err = c.exchange(ctx, k)
	}
	if err == nil {
		return nil
	}
	err = c.failure(ctx, k, err)
	span.SetStatus(codes.Error, err.Error())
	span.SetAttributes(attribute.String("kuryr.fault.class", string(fault.ClassOf(err))))
	return err
}

// exchange sends one request and decodes the answer, renewing the token when
// it must.
func (c *Client) exchange(ctx context.Context, k call) error {
	s, err := c.login(ctx)
	if err != nil {
		return unsent{err}
	}
	base := s.network
	if k.api() == keystone {
		base = s.identity
	}
	address := base + k.path
	if len(k.query) > 0 {
		address += "?" + k.query.Encode()
	}
	options := &gophercloud.RequestOpts{JSONBody: k.body, JSONResponse: k.out, OkCodes: k.ok}
	if k.revision != nil {
		options.MoreHeaders = map[string]string{"If-Match": revisionTag(*k.revision)}
	}
	_, err = s.provider.Request(ctx, k.method, address, options)
	return err
}

// strandedByOthers tells that the token could not be renewed only because the
// caller who was renewing it for all of us went away. The request itself was
// answered 401, so making it again repeats nothing.
func strandedByOthers(ctx context.Context, err error) bool {
	var renewal *gophercloud.ErrUnableToReauthenticate
	return ctx.Err() == nil && errors.As(err, &renewal) &&
		(errors.Is(renewal.ErrReauth, context.Canceled) || errors.Is(renewal.ErrReauth, context.DeadlineExceeded))
}

// get fetches one object.
func (c *Client) get(ctx context.Context, operation, path string, query url.Values, out any) error {
	return c.do(ctx, call{
		operation: operation, method: http.MethodGet, path: path, query: query,
		out: out, ok: []int{http.StatusOK},
	})
}

// remove deletes one object.
func (c *Client) remove(ctx context.Context, operation, path string) error {
	return c.do(ctx, call{
		operation: operation, method: http.MethodDelete, path: path,
		ok: []int{http.StatusNoContent, http.StatusAccepted, http.StatusOK},
	})
}
