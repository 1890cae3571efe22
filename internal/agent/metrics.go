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
//	kuryr_agent_lease_wait_seconds{outcome}       histogram of how long an attachment waited for a lease of its pool
//	kuryr_agent_leases{pool,network,state}        leases of each pool: free, wired (free and taken by the switch), in-use,
//	                                              cooling, cooled, checking, draining
//	kuryr_agent_lease_waiters{pool,network}       attachments that wait for a lease
//	kuryr_agent_lease_target{pool,network}        free leases that the supplier wants to have
//	kuryr_agent_leases_taken_total{pool,network}  leases taken since the agent began
//	kuryr_agent_pool_blocked{pool,network}        1 while the pool cannot be supplied
//	kuryr_agent_node_info{node,cluster,version}   1
type metrics struct {
	attaches, detaches, waits *prometheus.HistogramVec
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
		waits: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "kuryr_agent_lease_wait_seconds", Help: "Time that an attachment waited for a lease of its pool, by outcome.",
			Buckets: append([]float64{.0001}, latencyBuckets...),
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
	reg.MustRegister(m.attaches, m.detaches, m.waits, info, stateCollector{a}, poolCollector{a})
	return m
}

func (m *metrics) attach(began time.Time, err error) {
	m.attaches.WithLabelValues(outcome(err)).Observe(time.Since(began).Seconds())
}

func (m *metrics) detach(began time.Time, err error) {
	m.detaches.WithLabelValues(outcome(err)).Observe(time.Since(began).Seconds())
}

func (m *metrics) waited(began time.Time, err error) {
	m.waits.WithLabelValues(outcome(err)).Observe(time.Since(began).Seconds())
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

// poolCollector counts the book when it is scraped.
type poolCollector struct{ a *Agent }

var (
	poolLabels  = []string{"pool", "network"}
	descLeases  = prometheus.NewDesc("kuryr_agent_leases", "Leases of a pool by state.", append(poolLabels, "state"), nil)
	descWaiters = prometheus.NewDesc("kuryr_agent_lease_waiters", "Attachments that wait for a lease.", poolLabels, nil)
	descTarget  = prometheus.NewDesc("kuryr_agent_lease_target", "Free leases that the supplier wants to have.", poolLabels, nil)
	descOrdered = prometheus.NewDesc("kuryr_agent_ports_ordered", "Ports of a pool that are being made, or may have been.", poolLabels, nil)
	descTaken   = prometheus.NewDesc("kuryr_agent_leases_taken_total", "Leases taken since the agent began.", poolLabels, nil)
	descBlocked = prometheus.NewDesc("kuryr_agent_pool_blocked", "1 while the pool cannot be supplied.", poolLabels, nil)
)

// Describe implements prometheus.Collector.
func (poolCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descLeases, descWaiters, descTarget, descOrdered, descTaken, descBlocked} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c poolCollector) Collect(ch chan<- prometheus.Metric) {
	for _, p := range c.a.Pools() {
		gauge := func(d *prometheus.Desc, v int, more ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), append([]string{p.Key, p.Class.Network}, more...)...)
		}
		for state, n := range p.states() {
			gauge(descLeases, n, state)
		}
		gauge(descWaiters, p.Waiting)
		gauge(descTarget, p.Target)
		gauge(descOrdered, p.Ordered)
		blocked := 0
		if p.Problem != nil {
			blocked = 1
		}
		gauge(descBlocked, blocked)
		ch <- prometheus.MustNewConstMetric(descTaken, prometheus.CounterValue, float64(p.Taken), p.Key, p.Class.Network)
	}
}
