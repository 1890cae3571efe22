// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agentserver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/internal/fault"
)

// Source is what the operator's pages show.
type Source interface {
	Status(ctx context.Context) agentapi.Status
	Attachments() ([]agentapi.Attachment, error)
	Ready(ctx context.Context) error
	HeldLeases() []agentapi.Lease
	// Collect removes what is nobody's if apply says so; a negative grace is the agent's own.
	Collect(ctx context.Context, apply bool, grace time.Duration) ([]agentapi.Finding, error)
	Drain(undo bool) error
}

// API is the handler of the unix socket: cni serves agentapi.PathCNI.
func API(s Source, cni http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST "+agentapi.PathCNI, cni)
	mux.HandleFunc("GET "+agentapi.PathStatus, func(w http.ResponseWriter, r *http.Request) { answer(w, s.Status(r.Context()), nil) })
	mux.HandleFunc("GET "+agentapi.PathAttachments, func(w http.ResponseWriter, _ *http.Request) {
		list, err := s.Attachments()
		answer(w, list, err)
	})
	mux.HandleFunc("GET "+agentapi.PathLeases, func(w http.ResponseWriter, _ *http.Request) { answer(w, s.HeldLeases(), nil) })
	mux.HandleFunc("POST "+agentapi.PathCollect, func(w http.ResponseWriter, r *http.Request) { collect(w, r, s) })
	mux.HandleFunc("POST "+agentapi.PathDrain, func(w http.ResponseWriter, r *http.Request) { drain(w, r, s) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		failure(w, http.StatusNotFound, fault.NotFound, fmt.Sprintf("%s %s is not served: this agent speaks %s", r.Method, r.URL.Path, agentapi.Version))
	})
	return mux
}

func collect(w http.ResponseWriter, r *http.Request, s Source) {
	var q agentapi.CollectRequest
	if !read(w, r, &q) {
		return
	}
	grace := time.Duration(-1)
	if q.GraceSeconds != nil {
		grace = time.Duration(*q.GraceSeconds * float64(time.Second))
	}
	found, err := s.Collect(r.Context(), q.Apply, grace)
	answer(w, found, err)
}

func drain(w http.ResponseWriter, r *http.Request, s Source) {
	var q agentapi.DrainRequest
	if read(w, r, &q) {
		answer(w, struct{}{}, s.Drain(q.Undo))
	}
}

// maxBody bounds a message of an operator's command, in bytes.
const maxBody = 1 << 16

// read decodes a body; when that fails the answer is given.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	// To its end: only then the server notices that the caller has gone.
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		failure(w, http.StatusBadRequest, fault.Invalid, "read message: "+err.Error())
		return false
	}
	return true
}

// Ops is the handler of the metrics address: /metrics, /healthz (the process
// serves) and /readyz (attachments can be made; 503 with the reason if not).
func Ops(s Source, g prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(g, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := s.Ready(r.Context()); err != nil {
			text(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		text(w, http.StatusOK, "ok")
	})
	return mux
}

func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		failure(w, http.StatusInternalServerError, fault.ClassOf(err), err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// A failed write means that the client has gone.
	_ = json.NewEncoder(w).Encode(v)
}

func failure(w http.ResponseWriter, status int, c fault.Class, msg string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(agentapi.Failure{Class: string(c), Message: msg})
}

func text(w http.ResponseWriter, status int, msg string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, msg)
}
