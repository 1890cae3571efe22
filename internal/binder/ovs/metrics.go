// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the session:
//
//	kuryr_ovs_connected                     1 while ovsdb-server answers, else 0
//	kuryr_ovs_reconnects_total              sessions made after the first
//	kuryr_ovs_transaction_duration_seconds  request to answer, by result (ok, error)
//	kuryr_ovs_transaction_batch_size        attaches and detaches in one transaction
//	kuryr_ovs_prewired                      ports that are ready in the switch, in use or not
type metrics struct {
	connected  prometheus.Gauge
	reconnects prometheus.Counter
	duration   *prometheus.HistogramVec
	batch      prometheus.Histogram
}

// namespace and subsystem begin every metric's name.
const namespace, subsystem = "kuryr", "ovs"

func newMetrics() *metrics {
	return &metrics{
		connected: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "connected",
			Help: "Whether the local ovsdb-server answers (1) or not (0).",
		}),
		reconnects: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "reconnects_total",
			Help: "Sessions to the local ovsdb-server that replaced a lost one.",
		}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "transaction_duration_seconds",
			Help:    "Time from sending an OVSDB transaction to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.00025, 2, 14),
		}, []string{"result"}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "transaction_batch_size",
			Help:    "Attaches and detaches that went together in one OVSDB transaction.",
			Buckets: []float64{1, 2, 4, 8, 16, 32, 64},
		}),
	}
}

// register gives the metrics to r, unless that is nil. prewired counts.
func (m *metrics) register(r prometheus.Registerer, prewired func() float64) error {
	if r == nil {
		return nil
	}
	gauge := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "prewired",
		Help: "Ports that are ready in the switch before a sandbox needs them, or in use.",
	}, prewired)
	for _, c := range []prometheus.Collector{m.connected, m.reconnects, m.duration, m.batch, gauge} {
		if err := r.Register(c); err != nil {
			return fmt.Errorf("ovs: register metrics: %w", err)
		}
	}
	return nil
}
