// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

const (
	// maxErrorBody is how much of an error's body is read, in bytes.
	// Neutron's are a few hundred long; a proxy's page may be anything.
	maxErrorBody = 64 << 10
	// maxBody is the largest answer accepted, in bytes: some 50 pages of 500
	// ports.
	maxBody = 64 << 20
	// dialTimeout is how long a connection may take to be made.
	dialTimeout = 10 * time.Second
)

// requestIDHeader is where OpenStack's services tell the request's id.
const requestIDHeader = "X-Openstack-Request-Id"

// transport measures and logs every HTTP request, and bounds the answers.
type transport struct {
	next      *http.Transport
	log       *slog.Logger
	durations *prometheus.HistogramVec
}

func newTransport(tlsConfig *tls.Config, o Options, durations *prometheus.HistogramVec) *transport {
	next := http.DefaultTransport.(*http.Transport).Clone()
	next.TLSClientConfig = tlsConfig
	next.DialContext = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
	next.MaxIdleConnsPerHost = o.Concurrency
	return &transport{next: next, log: o.Logger, durations: durations}
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	operation := operationOf(ctx, req)
	start := time.Now()
	resp, err := t.next.RoundTrip(req)
	took := time.Since(start)

	attrs := []slog.Attr{
		slog.String("operation", operation),
		slog.String("method", req.Method),
		slog.String("path", req.URL.Path),
		slog.Duration("took", took),
	}
	status := statusOf(ctx, resp, err)
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	} else {
		id := resp.Header.Get(requestIDHeader)
		attrs = append(attrs, slog.Int("status", resp.StatusCode), slog.String("requestID", id))
		trace.SpanFromContext(ctx).SetAttributes(
			attribute.Int("http.response.status_code", resp.StatusCode),
			attribute.String("openstack.request_id", id))
		limitBody(resp)
	}
	t.durations.WithLabelValues(strings.ReplaceAll(operation, " ", "_"), status).Observe(took.Seconds())
	t.log.LogAttrs(ctx, slog.LevelDebug, "cloud request", attrs...)
	return resp, err
}

// CloseIdleConnections is called by http.Client's method of the same name.
func (t *transport) CloseIdleConnections() { t.next.CloseIdleConnections() }

// statusOf is the metric's label.
func statusOf(ctx context.Context, resp *http.Response, err error) string {
	var timeout net.Error
	switch {
	case err == nil:
		return strconv.Itoa(resp.StatusCode)
	case errors.Is(ctx.Err(), context.Canceled):
		return "canceled"
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	default:
		return "error"
	}
}

// limitBody bounds an answer: an error's body is cut, any other that is too
// long fails to be read.
func limitBody(resp *http.Response) {
	if resp.StatusCode >= 400 {
		resp.Body = body{io.LimitReader(resp.Body, maxErrorBody), resp.Body}
		return
	}
	resp.Body = body{&boundedReader{from: resp.Body, left: maxBody}, resp.Body}
}

// body reads from one place and closes another.
type body struct {
	io.Reader
	io.Closer
}

// boundedReader fails once more than left bytes came.
type boundedReader struct {
	from io.Reader
	left int64
}

func (r *boundedReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	if r.left -= int64(n); r.left < 0 {
		return 0, fmt.Errorf("answer longer than %d MiB", maxBody>>20)
	}
	return n, err
}

// operationKey carries a call's operation to the transport.
type operationKey struct{}

func withOperation(ctx context.Context, operation string) context.Context {
	return context.WithValue(ctx, operationKey{}, operation)
}

// operationOf names a request. Logins are told apart by their path, because
// gophercloud makes them in the middle of other calls.
func operationOf(ctx context.Context, req *http.Request) string {
	if strings.HasSuffix(req.URL.Path, "/auth/tokens") {
		return authentication.operation
	}
	operation, _ := ctx.Value(operationKey{}).(string)
	return operation
}
