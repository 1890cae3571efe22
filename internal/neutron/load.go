// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Load is how busy a client is, for a human to see.
type Load struct {
	// Queued are the requests that wait, by priority. A port counts as one.
	Queued map[Priority]int
	// Running are the requests under way, and Limit is how many the cloud is
	// believed to bear.
	Running, Limit int
	// BulkPorts is the most ports that are made by one request at present.
	BulkPorts int
	// PausedUntil says when the APIs that asked for fewer requests are called
	// again: "reads", "creates", "updates" and "deletes" of Neutron, and
	// "keystone". The others are not in it.
	PausedUntil map[string]time.Time
}

// Load tells how busy the client is.
func (c *Client) Load() Load { return c.scheduler.load() }

func (s *scheduler) load() Load {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := Load{
		Queued: map[Priority]int{}, Running: s.plan.running, Limit: s.plan.limit.current(),
		BulkPorts: s.plan.sizes.size(), PausedUntil: map[string]time.Time{},
	}
	for p := range Waiting + 1 {
		l.Queued[p] = s.plan.queued(p)
	}
	now := time.Now()
	for a, b := range s.plan.budgets {
		if b.until.After(now) {
			l.PausedUntil[api(a).String()] = b.until
		}
	}
	return l
}

// loadMetrics are the scheduler's metrics; see the package documentation.
type loadMetrics struct {
	load   func() Load
	waits  *prometheus.HistogramVec
	bulk   prometheus.Histogram
	paused *prometheus.CounterVec
}

var (
	queueLength = prometheus.NewDesc("kuryr_neutron_queue_length",
		"Requests that wait for their turn, a port to be made counting as one.", []string{"priority"}, nil)
	requestsRunning = prometheus.NewDesc("kuryr_neutron_requests_running",
		"Requests under way.", nil, nil)
	concurrencyLimit = prometheus.NewDesc("kuryr_neutron_concurrency_limit",
		"How many requests at once the cloud is believed to bear.", nil, nil)
)

func newLoadMetrics(load func() Load) *loadMetrics {
	m := &loadMetrics{
		load: load,
		waits: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "kuryr_neutron_queue_seconds",
			Help:    "How long a request waited for its turn.",
			Buckets: []float64{.001, .005, .01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
		}, []string{"priority"}),
		bulk: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "kuryr_neutron_bulk_ports",
			Help:    "How many ports a request to make ports was about.",
			Buckets: []float64{1, 2, 3, 5, 8, 12, 20, 30, 50},
		}),
		paused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kuryr_neutron_paused_seconds_total",
			Help: "How long an API was left alone because it had asked for fewer requests.",
		}, []string{"api"}),
	}
	for _, name := range apiNames {
		m.paused.WithLabelValues(name)
	}
	return m
}

// Describe implements prometheus.Collector.
func (m *loadMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- queueLength
	to <- requestsRunning
	to <- concurrencyLimit
	m.waits.Describe(to)
	m.bulk.Describe(to)
	m.paused.Describe(to)
}

// Collect implements prometheus.Collector.
func (m *loadMetrics) Collect(to chan<- prometheus.Metric) {
	l := m.load()
	for p, n := range l.Queued {
		to <- prometheus.MustNewConstMetric(queueLength, prometheus.GaugeValue, float64(n), p.String())
	}
	to <- prometheus.MustNewConstMetric(requestsRunning, prometheus.GaugeValue, float64(l.Running))
	to <- prometheus.MustNewConstMetric(concurrencyLimit, prometheus.GaugeValue, float64(l.Limit))
	m.waits.Collect(to)
	m.bulk.Collect(to)
	m.paused.Collect(to)
}
