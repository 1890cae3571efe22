// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"fmt"
	"testing"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// crowded is an Octavia whose network has many ports, and that has many load
// balancers.
func crowded(b *testing.B, ports, lbs int) *octavia {
	b.Helper()
	tables := model.New()
	seed(tables)
	must(tables.Update(func(tx *store.Tx) error {
		for i := range ports {
			p := &model.Port{NetworkID: network, FixedIPs: []model.FixedIP{{SubnetID: subnet6, IPAddress: fmt.Sprintf("fd77::1:%x", i)}}}
			p.ID, p.ProjectID = fmt.Sprint("port ", i), demo
			tables.Ports.Put(tx, p)
		}
		return nil
	}))
	c := direct(b, tables, quick())
	b.Cleanup(c.stop)
	for i := range lbs {
		c.make("", "/loadbalancers", "loadbalancer", ref{"vip_subnet_id": subnet6, "vip_address": fmt.Sprintf("fd77::2:%x", i)})
	}
	return c
}

// BenchmarkALoadBalancerIsMade makes one with a listener, a pool and members,
// waits until it is ACTIVE, and deletes it.
func BenchmarkALoadBalancerIsMade(b *testing.B) {
	for _, size := range []struct{ ports, lbs int }{{0, 0}, {100000, 2000}} {
		b.Run(fmt.Sprintf("ports=%d/loadbalancers=%d", size.ports, size.lbs), func(b *testing.B) {
			c := crowded(b, size.ports, size.lbs)
			for b.Loop() {
				lb := c.make("", "/loadbalancers", "loadbalancer", ref{"vip_subnet_id": subnet6, "vip_address": "fd77::9", "listeners": []any{ref{
					"protocol": "TCP", "protocol_port": 80, "default_pool": ref{"name": "p", "protocol": "TCP", "lb_algorithm": "SOURCE_IP_PORT", "members": []any{
						ref{"address": "fd77::1:1", "protocol_port": 80}, ref{"address": "fd77::1:2", "protocol_port": 80},
					}},
				}}})
				c.do(lb, "DELETE /loadbalancers/"+lb+"?cascade=true", nil)
			}
		})
	}
}

func BenchmarkALoadBalancerIsShown(b *testing.B) {
	c := crowded(b, 0, 2000)
	lb := c.get("/loadbalancers?limit=1").text("loadbalancers.0.id")
	for b.Loop() {
		c.get("/loadbalancers/" + lb)
	}
}
