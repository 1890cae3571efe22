// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// pages serves the ports "0" to "n-1" as Neutron does: a page of limit after
// marker, and links whose host is wrong, as behind many a proxy.
func pages(n int, queries chan<- url.Values) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		queries <- q
		limit, _ := strconv.Atoi(q.Get("limit"))
		first := 0
		if m := q.Get("marker"); m != "" {
			last, _ := strconv.Atoi(m)
			first = last + 1
		}
		var ports []map[string]any
		for i := first; i < min(first+limit, n); i++ {
			ports = append(ports, map[string]any{"id": strconv.Itoa(i)})
		}
		body := map[string]any{"ports": ports}
		if first+limit < n {
			body["ports_links"] = []link{{Rel: "previous", Href: "x"}, {Rel: "next", Href: fmt.Sprintf("http://inner.invalid/v2.0/ports?limit=1&marker=%d", first+limit-1)}}
		}
		_ = json.NewEncoder(w).Encode(body)
	}
}

func TestListsArePagedFilteredAndKeepTheirOwnAddress(t *testing.T) {
	queries := make(chan url.Values, 10)
	e := newEndpoint(t, pages(7, queries))
	c := e.client(t, func(o *Options) { o.PageSize = 3 })
	ports, err := c.Ports(t.Context(), PortFilter{
		DeviceOwner: "compute:kuryr", Host: "node1", SubnetID: "s", Address: netip.MustParseAddr("10.0.0.1"), IDs: []string{"a", "b"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, p := range ports {
		ids = append(ids, p.ID)
	}
	if diff := cmp.Diff([]string{"0", "1", "2", "3", "4", "5", "6"}, ids); diff != "" {
		t.Error(diff)
	}
	if len(queries) != 3 {
		t.Errorf("%d requests, want 3", len(queries))
	}
	close(queries)
	for q := range queries {
		want := map[string][]string{
			"device_owner": {"compute:kuryr"}, "binding:host_id": {"node1"}, "id": {"a", "b"},
			"fixed_ips": {"subnet_id=s", "ip_address=10.0.0.1"}, "limit": {"3"},
		}
		for key, values := range want {
			if !slices.Equal(q[key], values) {
				t.Errorf("%s=%v, want %v", key, q[key], values)
			}
		}
		if !slices.Contains(q["fields"], "binding:vif_type") || !slices.Contains(q["fields"], "revision_number") {
			t.Errorf("fields=%v", q["fields"])
		}
	}
}

func TestALimitEndsAListEarly(t *testing.T) {
	queries := make(chan url.Values, 10)
	e := newEndpoint(t, pages(7, queries))
	ports, err := e.client(t).Ports(t.Context(), PortFilter{Limit: 2})
	if err != nil || len(ports) != 2 || len(queries) != 1 {
		t.Errorf("%d ports in %d requests, %v", len(ports), len(queries), err)
	}
}

func TestAListThatGoesInCirclesEnds(t *testing.T) {
	e := newEndpoint(t, answer(200, `{"ports": [{"id": "x"}], "ports_links": [{"rel": "next", "href": "http://h/?marker=x"}]}`))
	_, err := e.client(t).Ports(t.Context(), PortFilter{})
	if !fault.Is(err, fault.Internal) {
		t.Errorf("got %v", err)
	}
}

func TestAConditionalUpdateSendsTheRevision(t *testing.T) {
	e := newEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if got := r.Header.Get("If-Match"); got != "revision_number=12" {
			t.Errorf("If-Match: %q", got)
		}
		if want := `{"port":{"device_id":"","binding:host_id":"n"}}`; string(body) != want {
			t.Errorf("body %s, want %s", body, want)
		}
		answer(200, `{"port": {"id": "x", "revision_number": 13}}`)(w, r)
	})
	empty, host, revision := "", "n", 12
	p, err := e.client(t).UpdatePort(t.Context(), "x", PortUpdate{DeviceID: &empty, HostID: &host, IfRevision: &revision})
	if err != nil || p.Revision != 13 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestNoGroupsAndTheDefaultGroupAreToldApart(t *testing.T) {
	for want, groups := range map[string][]string{
		`{"network_id":"n"}`:                         nil,
		`{"network_id":"n","security_groups":[]}`:    {},
		`{"network_id":"n","security_groups":["g"]}`: {"g"},
	} {
		got, err := json.Marshal(PortCreate{NetworkID: "n", SecurityGroups: groups})
		if err != nil || string(got) != want {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
}

func TestACreateIsSentOnceWhateverHappens(t *testing.T) {
	for _, status := range []int{500, 502, 503, 504, 429, 409} {
		var sent atomic.Int32
		e := newEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
			sent.Add(1)
			answer(status, "")(w, r)
		})
		if _, err := e.client(t).CreatePort(t.Context(), PortCreate{}); err == nil || sent.Load() != 1 {
			t.Errorf("%d: sent %d times, %v", status, sent.Load(), err)
		}
	}
	var sent atomic.Int32
	e := newEndpoint(t, func(w http.ResponseWriter, _ *http.Request) {
		sent.Add(1)
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	})
	if _, err := e.client(t).CreatePort(t.Context(), PortCreate{}); !fault.Is(err, fault.Unavailable) || sent.Load() != 1 {
		t.Errorf("connection cut: sent %d times, %v", sent.Load(), err)
	}
}

func TestACreateThatWasSentGoesOnWithoutItsCaller(t *testing.T) {
	arrived, goOn := make(chan struct{}), make(chan struct{})
	e := newEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		select {
		case <-goOn:
		case <-r.Context().Done():
			t.Error("the request was broken off")
		}
		answer(201, `{"port": {"id": "late"}}`)(w, r)
	})
	ctx, cancel := context.WithCancel(t.Context())
	creation := e.client(t).StartPort(ctx, PortCreate{})
	<-arrived
	cancel()
	if _, err := creation.Wait(ctx); !fault.Is(err, fault.Unavailable) || !MayExist(err) {
		t.Errorf("got %v", err)
	}
	close(goOn)
	<-creation.Done()
	port, err := creation.Wait(t.Context())
	if err != nil || port.ID != "late" {
		t.Errorf("%v, %v", port, err)
	}
}

func TestACreateWhoseCallerIsGoneIsNotSent(t *testing.T) {
	e := newEndpoint(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s", r.Method, r.URL) })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	creation := e.client(t).StartPort(ctx, PortCreate{})
	<-creation.Done()
	if _, err := creation.Wait(t.Context()); !fault.Is(err, fault.Unavailable) || MayExist(err) {
		t.Errorf("got %v", err)
	}
}

func TestConcurrencyIsBounded(t *testing.T) {
	const limit = 2
	var now atomic.Int32
	full, release := make(chan struct{}), make(chan struct{})
	e := newEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		switch n := now.Add(1); {
		case n == limit:
			close(full)
		case n > limit:
			t.Errorf("%d requests at once", n)
		}
		<-release
		answer(200, `{"port": {}}`)(w, r)
	})
	c := e.client(t, func(o *Options) { o.Concurrency = limit })
	var group sync.WaitGroup
	for range limit {
		group.Go(func() { _, _ = c.Port(t.Context(), "x") })
	}
	<-full
	// All turns are taken: one more waits no longer than its context.
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := c.Port(ctx, "x"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
	close(release)
	group.Wait()
}

func TestEveryRequestIsMeasuredLoggedAndTraced(t *testing.T) {
	e := newEndpoint(t, answer(404, `{"NeutronError": {"type": "PortNotFound", "message": "gone"}}`, requestIDHeader, "req-9"))
	var log bytes.Buffer
	registry := prometheus.NewRegistry()
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	ctx, root := provider.Tracer("test").Start(t.Context(), "root")
	c := e.client(t, func(o *Options) { o.Logger, o.Registerer, o.Version = debugLog(&log), registry, "1.2" })
	_ = c.DeletePort(ctx, "x")
	root.End()

	for _, s := range []string{`operation="delete port"`, "status=404", "requestID=req-9", "took=", `operation="log in"`} {
		if !strings.Contains(log.String(), s) {
			t.Errorf("the log has no %s:\n%s", s, log.String())
		}
	}
	var names []string
	for _, s := range spans.Ended() {
		names = append(names, s.Name())
	}
	if !slices.Contains(names, "neutron delete port") {
		t.Errorf("spans %v", names)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprint(families)
	for _, s := range []string{
		"kuryr_neutron_request_duration_seconds", "delete_port", "log_in", "404", "kuryr_neutron_queue_length", "kuryr_neutron_queue_seconds",
		"waiting", "collection", "kuryr_neutron_requests_running", "kuryr_neutron_concurrency_limit", "kuryr_neutron_bulk_ports",
		"kuryr_neutron_paused_seconds_total", "keystone",
	} {
		if !strings.Contains(text, s) {
			t.Errorf("the metrics have no %s:\n%s", s, text)
		}
	}
}

func TestTheUserAgentTellsTheVersion(t *testing.T) {
	e := newEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		if ua := r.UserAgent(); !strings.HasPrefix(ua, "kuryr/1.2 ") {
			t.Errorf("User-Agent: %s", ua)
		}
		answer(200, `{"extensions": [{"alias": "qos"}, {"alias": "binding"}]}`)(w, r)
	})
	table, err := e.client(t, func(o *Options) { o.Version = "1.2" }).Capabilities(t.Context())
	if err != nil || !table.Has("qos") || !table.Has("binding") || table.Has("trunk") {
		t.Errorf("%v, %v", table, err)
	}
}
