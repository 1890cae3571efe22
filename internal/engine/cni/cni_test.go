// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cni

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"github.com/kuryr-go/kuryr/internal/agent"
	"github.com/kuryr-go/kuryr/internal/agent/journal"
	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a Handler over a real agent with an empty journal. It has no cloud
// and no switch: only what needs neither can be tried on it.
type bench struct {
	handler  *Handler
	registry *prometheus.Registry
	spans    *tracetest.SpanRecorder
	log      bytes.Buffer
}

func newBench(t *testing.T) *bench {
	t.Helper()
	memory, err := journal.Open(filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = memory.Close() })
	b := &bench{registry: prometheus.NewRegistry(), spans: tracetest.NewSpanRecorder()}
	logger := slog.New(slog.NewTextHandler(&b.log, nil))
	a := agent.New(agent.Options{Node: "n1", Cluster: "test", Journal: memory, AttachTimeout: time.Minute, Logger: logger})
	b.handler = New(Options{
		Agent: a, Logger: logger, Registerer: b.registry,
		Tracer: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(b.spans)),
	})
	return b
}

// failure reads the error object of a response.
func failure(t *testing.T, r agentapi.CNIResponse) agentapi.CNIError {
	t.Helper()
	var e agentapi.CNIError
	if r.ExitCode == 0 {
		t.Fatalf("succeeded with %s", r.Stdout)
	}
	if err := json.Unmarshal(r.Stdout, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestWhatIsNotAttachedIsDeletedAndCollectedWithSuccess(t *testing.T) {
	b := newBench(t)
	for _, r := range []agentapi.CNIRequest{
		{Command: "DEL", ContainerID: "gone", IfName: "eth0", Stdin: []byte(`{"name":"blue"}`)},
		{Command: "DEL", ContainerID: "parent.child", IfName: "eth0"},
		{Command: "GC", Stdin: []byte(`{"cniVersion":"1.1.0","name":"blue","cni.dev/valid-attachments":[]}`)},
	} {
		if got := b.handler.Handle(t.Context(), r); got.ExitCode != 0 || len(got.Stdout) != 0 {
			t.Errorf("%s: %d %s", r.Command, got.ExitCode, got.Stdout)
		}
	}
}

func TestCheckOfWhatIsNotAttachedSaysSo(t *testing.T) {
	got := failure(t, newBench(t).handler.Handle(t.Context(), agentapi.CNIRequest{
		Command: "CHECK", ContainerID: "gone", IfName: "eth0", Netns: "/run/netns/x",
		Stdin: []byte(`{"cniVersion":"0.4.0","name":"blue","prevResult":{}}`),
	}))
	if got.Code != agentapi.CodeUnknownContainer || got.CNIVersion != "0.4.0" || !strings.Contains(got.Msg, "gone has no interface eth0") {
		t.Errorf("%+v", got)
	}
}

func TestAMissingNamespaceIsNamedAsTheVariable(t *testing.T) {
	r := add("")
	r.Netns = filepath.Join(t.TempDir(), "no-such-namespace")
	got := failure(t, newBench(t).handler.Handle(t.Context(), r))
	if got.Code != agentapi.CodeEnvironment || !strings.HasPrefix(got.Msg, "CNI_NETNS: network namespace "+r.Netns+" does not exist") {
		t.Errorf("%+v", got)
	}
}

func TestVersionIsAnsweredHereToo(t *testing.T) {
	got := newBench(t).handler.Handle(t.Context(), agentapi.CNIRequest{Command: "VERSION"})
	if got.ExitCode != 0 || !bytes.Equal(got.Stdout, agentapi.VersionResult()) {
		t.Errorf("%+v", got)
	}
}

func TestACallIsMeasuredTracedAndLoggedOnce(t *testing.T) {
	b := newBench(t)
	began := time.Now().Add(-3 * time.Millisecond)
	b.handler.Handle(t.Context(), agentapi.CNIRequest{Command: "DEL", ContainerID: "c", IfName: "eth0", Stdin: []byte(`{"name":"blue"}`), StartedAt: began})
	b.handler.Handle(t.Context(), agentapi.CNIRequest{Command: "ADD"})
	b.handler.Handle(t.Context(), agentapi.CNIRequest{Command: "no such command"})

	families, err := b.registry.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "kuryr_cni_request_duration_seconds" || len(families[0].GetMetric()) != 3 {
		t.Errorf("metrics %v, %v", families, err)
	}
	for _, series := range [][]string{{"DEL", "0"}, {"ADD", "4"}, {"other", "4"}} {
		if !b.handler.duration.DeleteLabelValues(series...) {
			t.Errorf("no series %v", series)
		}
	}
	lines := strings.Split(strings.TrimSpace(b.log.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("log:\n%s", b.log.String())
	}
	for i, want := range []string{`level=INFO msg="cni call" command=DEL sandbox=c ifname=eth0 network=blue duration=`, `level=ERROR msg="cni call failed" command=ADD`, `class=invalid`} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %d: %s\nwant %s", i, lines[i], want)
		}
	}
	start, root := b.spans.Ended()[0], b.spans.Ended()[1]
	if start.Name() != "plugin_start" || root.Name() != "cni DEL" || start.Parent().SpanID() != root.SpanContext().SpanID() {
		t.Errorf("spans %s in %s", start.Name(), root.Name())
	}
	if !start.StartTime().Equal(began) || !root.StartTime().Equal(began) || start.EndTime().Before(began.Add(3*time.Millisecond)) {
		t.Errorf("start %v to %v, root from %v, plugin from %v", start.StartTime(), start.EndTime(), root.StartTime(), began)
	}
	if want := attribute.Int("cni.code", 0); !hasAttribute(root, want) {
		t.Errorf("no attribute %v", want)
	}
}

func hasAttribute(s sdktrace.ReadOnlySpan, want attribute.KeyValue) bool {
	for _, a := range s.Attributes() {
		if a == want {
			return true
		}
	}
	return false
}

func TestAnUnbelievableStartIsNotTraced(t *testing.T) {
	for _, began := range []time.Time{{}, time.Now().Add(-time.Hour), time.Now().Add(time.Hour)} {
		b := newBench(t)
		b.handler.Handle(t.Context(), agentapi.CNIRequest{Command: "VERSION", StartedAt: began})
		if n := len(b.spans.Ended()); n != 1 {
			t.Errorf("%d spans for a plugin that began at %v", n, began)
		}
	}
}

func TestEveryClassHasItsCode(t *testing.T) {
	retry := fault.New(fault.OverLimit, "too many requests")
	retry.RetryAfter, retry.RequestID, retry.Hint = 3*time.Second, "req-1", "wait"
	for _, tt := range []struct {
		command string
		err     error
		want    agentapi.CNIError
	}{
		{"ADD", fault.InvalidField("network", "no network named x"), agentapi.CNIError{Code: 7, Msg: "network: no network named x"}},
		{"ADD", fault.New(fault.NotFound, "no network named x"), agentapi.CNIError{Code: 7, Msg: "no network named x"}},
		{"ADD", fault.New(fault.Conflict, "10.0.0.5 is in use"), agentapi.CNIError{Code: 100, Msg: "10.0.0.5 is in use"}},
		{"ADD", fault.New(fault.Quota, "quota exceeded for port"), agentapi.CNIError{Code: 101, Msg: "quota exceeded for port"}},
		{"ADD", fault.New(fault.Unauthorized, "forbidden"), agentapi.CNIError{Code: 102, Msg: "forbidden"}},
		{"ADD", fault.New(fault.Unavailable, "Neutron is down"), agentapi.CNIError{Code: 11, Msg: "Neutron is down"}},
		{"ADD", retry, agentapi.CNIError{Code: 11, Msg: "too many requests", Details: "wait; retry after 3s; OpenStack request id req-1"}},
		{"ADD", fault.New(fault.Internal, "nil"), agentapi.CNIError{Code: 999, Msg: "nil"}},
		{"ADD", errors.New("boom"), agentapi.CNIError{Code: 999, Msg: "ADD failed by a defect of Kuryr", Details: "boom"}},
		{"ADD", fmt.Errorf("agent: %w", context.DeadlineExceeded), agentapi.CNIError{Code: 11, Msg: "ADD took longer than it may", Details: "agent: context deadline exceeded"}},
		{"ADD", fmt.Errorf("agent: %w", context.Canceled), agentapi.CNIError{Code: 11, Msg: "ADD was ended by its caller", Details: "agent: context canceled"}},
		{"CHECK", fault.New(fault.Conflict, "MTU is 1400"), agentapi.CNIError{Code: 103, Msg: "MTU is 1400"}},
		{"CHECK", fault.New(fault.NotFound, "no interface"), agentapi.CNIError{Code: 103, Msg: "no interface"}},
		{"CHECK", fault.New(fault.Unavailable, "OVS is down"), agentapi.CNIError{Code: 11, Msg: "OVS is down"}},
		{"STATUS", fault.New(fault.Unavailable, "Neutron is down"), agentapi.CNIError{Code: 50, Msg: "Neutron is down"}},
		{"STATUS", fault.New(fault.Unauthorized, "forbidden"), agentapi.CNIError{Code: 50, Msg: "forbidden"}},
		{"STATUS", errors.New("boom"), agentapi.CNIError{Code: 50, Msg: "STATUS failed by a defect of Kuryr", Details: "boom"}},
		{"GC", errors.Join(fault.New(fault.Unavailable, "one"), fault.New(fault.Unavailable, "two")), agentapi.CNIError{Code: 11, Msg: "one", Details: "one\ntwo"}},
	} {
		tt.want.CNIVersion = "1.0.0"
		if got := Failure(Call{Command: tt.command, Version: "1.0.0"}, tt.err); got != tt.want {
			t.Errorf("%s, %v\nbecomes %+v\nwant    %+v", tt.command, tt.err, got, tt.want)
		}
	}
}

// serve serves a handler on a unix socket and returns a client of it.
func serve(t *testing.T, h http.Handler) *agentapi.Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "agent.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
	server.Start()
	t.Cleanup(server.Close)
	return &agentapi.Client{Socket: socket}
}

func TestACallPassesOverTheSocket(t *testing.T) {
	client := serve(t, newBench(t).handler)
	big := bytes.Repeat([]byte("x"), agentapi.MaxStdin)
	for _, r := range []agentapi.CNIRequest{
		{Command: "DEL", ContainerID: "c", IfName: "eth0", Stdin: []byte(`{"name":"blue"}`)},
		{Command: "DEL", ContainerID: "c", IfName: "eth0", Stdin: big, Args: strings.Repeat("a", 100_000)},
	} {
		if got, err := client.CNI(t.Context(), r); err != nil || got.ExitCode != 0 {
			t.Errorf("%d bytes of stdin: %+v, %v", len(r.Stdin), got, err)
		}
	}
	var refused *agentapi.RefusedError
	for _, r := range []agentapi.CNIRequest{{Command: "DEL", Stdin: append(big, 'x')}, {Command: "DEL", Stdin: append(big, big...)}} {
		if _, err := client.CNI(t.Context(), r); !errors.As(err, &refused) || refused.Code != http.StatusRequestEntityTooLarge {
			t.Errorf("%d bytes of stdin: %v", len(r.Stdin), err)
		}
	}
}

func TestAMalformedMessageIsRefused(t *testing.T) {
	b := newBench(t)
	for _, tt := range []struct {
		method, body string
		status       int
	}{
		{"GET", "", http.StatusMethodNotAllowed},
		{"POST", "", http.StatusBadRequest},
		{"POST", "{", http.StatusBadRequest},
		{"POST", "[]", http.StatusBadRequest},
		{"POST", `{"command":7}`, http.StatusBadRequest},
		{"POST", `{"stdin":"not base64!"}`, http.StatusBadRequest},
		{"POST", `{"command":"` + strings.Repeat("x", maxBody) + `"}`, http.StatusRequestEntityTooLarge},
		{"POST", `{"command":"VERSION","fieldOfALaterRelease":1}`, http.StatusOK},
	} {
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), tt.method, agentapi.PathCNI, strings.NewReader(tt.body)))
		var f agentapi.Failure
		if err := json.Unmarshal(w.Body.Bytes(), &f); w.Code != tt.status || err != nil || (w.Code != 200) != (f.Message != "" && f.Class == "invalid") {
			t.Errorf("%s %.40s: %d %s", tt.method, tt.body, w.Code, w.Body)
		}
	}
}
