// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package faults

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
	faults   *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kuryr_cloud_requests_total", Help: "Calls that ended; status 0: no answer was sent.",
		}, []string{"service", "kind", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "kuryr_cloud_request_duration_seconds", Help: "How long calls took.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}, []string{"service", "kind"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "kuryr_cloud_requests_in_flight", Help: "Calls under way."}),
		faults: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kuryr_cloud_faults_total", Help: "Calls to which a rule did something.",
		}, []string{"rule"}),
	}
	if r != nil {
		r.MustRegister(m.requests, m.duration, m.inFlight, m.faults)
	}
	return m
}

func (m *metrics) end(c Call) {
	m.inFlight.Dec()
	m.requests.WithLabelValues(c.Service, c.Kind, strconv.Itoa(c.Status)).Inc()
	m.duration.WithLabelValues(c.Service, c.Kind).Observe(c.Seconds)
	for _, name := range c.Faults {
		m.faults.WithLabelValues(name).Inc()
	}
}
