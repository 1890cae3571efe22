// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agent

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// The agent's metrics:
//
//	kuryr_agent_attach_duration_seconds{outcome}  histogram of Attach; outcome is "ok" or the error's class
//	kuryr_agent_detach_duration_seconds{outcome}  histogram of Detach, without the release that follows
//	kuryr_agent_attachments{state}                attached, attaching, orphaned, releasing
//	kuryr_agent_node_info{node,cluster,version}   1
type metrics struct {
	attaches, detaches *prometheus.HistogramVec
}

// latencyBuckets reach from a detach with nothing to do to an attach that
// waits for a slow cloud, in seconds.
var latencyBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

func newMetrics(reg prometheus.Registerer, a *Agent) *metrics {
	m := &metrics{
		attaches: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "kuryr_agent_attach_duration_seconds", Help: "Time of one attach, by outcome.", Buckets: latencyBuckets,
		}, []string{"outcome"}),
		detaches: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "kuryr_agent_detach_duration_seconds", Help: "Time of one detach, by outcome; the port's release follows later.", Buckets: latencyBuckets,
		}, []string{"outcome"}),
	}
	if reg == nil {
		return m
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "kuryr_agent_node_info", Help: "1, with the agent's identity as labels.",
		ConstLabels: prometheus.Labels{"node": a.opts.Node, "cluster": a.opts.Cluster, "version": a.opts.Version},
	})
	info.Set(1)
	reg.MustRegister(m.attaches, m.detaches, info, stateCollector{a})
	return m
}

func (m *metrics) attach(began time.Time, err error) {
	m.attaches.WithLabelValues(outcome(err)).Observe(time.Since(began).Seconds())
}

func (m *metrics) detach(began time.Time, err error) {
	m.detaches.WithLabelValues(outcome(err)).Observe(time.Since(began).Seconds())
}

func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	return string(fault.ClassOf(err))
}

// stateCollector counts the journal when it is scraped.
type stateCollector struct{ a *Agent }

var descAttachments = prometheus.NewDesc("kuryr_agent_attachments", "Attachments by state.", []string{"state"}, nil)

// Describe implements prometheus.Collector.
func (stateCollector) Describe(ch chan<- *prometheus.Desc) { ch <- descAttachments }

// Collect implements prometheus.Collector.
func (c stateCollector) Collect(ch chan<- prometheus.Metric) {
	n, err := c.a.counts()
	if err != nil {
		ch <- prometheus.NewInvalidMetric(descAttachments, err)
		return
	}
	for state, v := range map[string]int{"attached": n.Attached, "attaching": n.Attaching, "orphaned": n.Orphaned, "releasing": n.Releasing} {
		ch <- prometheus.MustNewConstMetric(descAttachments, prometheus.GaugeValue, float64(v), state)
	}
}
