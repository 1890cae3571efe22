// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cloud

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/pprof"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/kuryr-go/kuryr/internal/cloud/store"
	"github.com/kuryr-go/kuryr/internal/version"
)

// State is the answer of GET /debug/state.
type State struct {
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	// Problem is what Health says; empty: nothing.
	Problem   string    `json:"problem"`
	Endpoints Endpoints `json:"endpoints"`
	// OVN is the address of the northbound database, Store the file; empty: none.
	OVN   string `json:"ovn"`
	Store string `json:"store"`
	// Commits counts the changes since the start.
	Commits uint64 `json:"commits"`
	// Rows are the sizes of the tables.
	Rows map[string]int `json:"rows"`
	// Heap is what the process's objects take, in bytes, also those that nobody needs any longer.
	Heap       uint64 `json:"heap"`
	Goroutines int    `json:"goroutines"`
	InFlight   int    `json:"in_flight"`
}

// state gives the cloud's state.
func (c *Cloud) state() State {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s := State{
		Version: version.String(), Started: c.started, Endpoints: c.Endpoints(), OVN: c.options.OVNNB, Store: c.options.Store,
		Commits: c.tables.Seq(), Rows: c.tables.Sizes(), Heap: m.HeapAlloc, Goroutines: runtime.NumGoroutine(), InFlight: c.faults.InFlight(),
	}
	if err := c.Health(); err != nil {
		s.Problem = err.Error()
	}
	return s
}

// adminHandler serves
//
//	/healthz      200 when everything is served and OVN is in step, else 503 and the reason
//	/readyz       200 when the APIs answer, else 503 and the reason
//	/metrics      for Prometheus
//	/debug/state  State
//	/debug/pprof  Go's profiles
//
// and what package faults serves.
func (c *Cloud) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", verdict(c.Health))
	mux.HandleFunc("GET /readyz", verdict(c.Ready))
	mux.Handle("GET /metrics", promhttp.HandlerFor(c.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/state", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(c.state()) // a client that has gone needs no answer
	})
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.Handle("/", c.faults.Handler())
	return mux
}

func verdict(of func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if err := of(); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = fmt.Fprintln(w, err)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	}
}

// rows tells Prometheus the tables' sizes.
type rows struct{ *store.Store }

var rowsDesc = prometheus.NewDesc("kuryr_cloud_rows", "Rows of each table of the store.", []string{"table"}, nil)

// Describe implements prometheus.Collector.
func (rows) Describe(ch chan<- *prometheus.Desc) { ch <- rowsDesc }

// Collect implements prometheus.Collector.
func (r rows) Collect(ch chan<- prometheus.Metric) {
	for name, n := range r.Sizes() {
		ch <- prometheus.MustNewConstMetric(rowsDesc, prometheus.GaugeValue, float64(n), name)
	}
}
