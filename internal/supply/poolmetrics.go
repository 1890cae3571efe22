// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// The metrics of a Pool:
//
//	kuryr_supply_refill_duration_seconds{pool,network}  histogram from the order of a port to the lease
//	kuryr_supply_failures_total{pool,network,class}     orders that failed, by the error's class
//	kuryr_supply_ports_deleted_total                    ports of leases that were deleted
//	kuryr_supply_ports_vanished_total                   ports of leases that somebody else deleted
//	kuryr_supply_collected_total{kind,outcome}          what the collector found: kept, removed, failed
type poolMetrics struct {
	refill            *prometheus.HistogramVec
	failures          *prometheus.CounterVec
	deleted, vanished prometheus.Counter
	collected         *prometheus.CounterVec
}

func newPoolMetrics(reg prometheus.Registerer) *poolMetrics {
	labels := []string{"pool", "network"}
	m := &poolMetrics{
		refill: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "kuryr_supply_refill_duration_seconds", Help: "Time from the order of a port to the lease.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120},
		}, labels),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kuryr_supply_failures_total", Help: "Orders of ports that failed, by the error's class.",
		}, append(labels, "class")),
		deleted:  prometheus.NewCounter(prometheus.CounterOpts{Name: "kuryr_supply_ports_deleted_total", Help: "Ports of leases that were deleted."}),
		vanished: prometheus.NewCounter(prometheus.CounterOpts{Name: "kuryr_supply_ports_vanished_total", Help: "Ports of leases that somebody else deleted."}),
		collected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kuryr_supply_collected_total", Help: "What the collector found, by kind and what became of it.",
		}, []string{"kind", "outcome"}),
	}
	if reg != nil {
		reg.MustRegister(m.refill, m.failures, m.deleted, m.vanished, m.collected)
	}
	return m
}

func (m *poolMetrics) made(key, network string, took time.Duration) {
	m.refill.WithLabelValues(key, network).Observe(took.Seconds())
}

func (m *poolMetrics) failure(key, network string, err error) {
	m.failures.WithLabelValues(key, network, string(fault.ClassOf(err))).Inc()
}

// forget ends the series of a pool that is no more.
func (m *poolMetrics) forget(key string) {
	m.refill.DeletePartialMatch(prometheus.Labels{"pool": key})
	m.failures.DeletePartialMatch(prometheus.Labels{"pool": key})
}
