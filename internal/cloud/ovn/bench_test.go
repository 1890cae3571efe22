// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// crowd is a network, a security group and as many ports in both as wanted.
type crowd struct {
	tables *model.Tables
	next   int
}

func newCrowd(tb testing.TB) *crowd {
	c := &crowd{tables: model.New()}
	c.commit(tb, func(tx *store.Tx) {
		c.tables.Networks.Put(tx, &model.Network{Meta: model.Meta{ID: id(0xa, 1)}, Name: "crowd", MTU: 1442})
		c.tables.Subnets.Put(tx, &model.Subnet{
			Meta: model.Meta{ID: id(0xb, 1)}, NetworkID: id(0xa, 1), IPVersion: 4, CIDR: "10.0.0.0/8", GatewayIP: ptr("10.0.0.1"), EnableDHCP: true,
		})
		c.tables.SecurityGroups.Put(tx, &model.SecurityGroup{Meta: model.Meta{ID: id(1, 1)}, Stateful: true})
		c.tables.SecurityGroupRules.Put(tx, &model.SecurityGroupRule{
			Meta: model.Meta{ID: id(2, 1)}, SecurityGroupID: id(1, 1), Direction: "ingress", EtherType: "IPv4", RemoteGroupID: ptr(id(1, 1)),
		})
	})
	return c
}

func id(kind, n int) string { return fmt.Sprintf("%x0000000-0000-4000-8000-%012d", kind, n) }

func (c *crowd) commit(tb testing.TB, change func(tx *store.Tx)) uint64 {
	seq, err := c.tables.Update(func(tx *store.Tx) error { change(tx); return nil })
	if err != nil {
		tb.Fatal(err)
	}
	return seq
}

// grow makes n more ports in one commit.
func (c *crowd) grow(tb testing.TB, n int) uint64 {
	return c.commit(tb, func(tx *store.Tx) {
		for range n {
			c.next++
			i := c.next
			c.tables.Ports.Put(tx, &model.Port{
				Meta: model.Meta{ID: id(0xc, i), ProjectID: "0123456789abcdef0123456789abcdef", RevisionNumber: 1}, Name: fmt.Sprint("port-", i), NetworkID: id(0xa, 1),
				MACAddress:   fmt.Sprintf("fa:16:%02x:%02x:%02x:%02x", i>>24&255, i>>16&255, i>>8&255, i&255),
				AdminStateUp: true, DeviceOwner: "compute:kuryr", DeviceID: "node1", PortSecurityEnabled: true, HostID: "node1",
				FixedIPs:       []model.FixedIP{{SubnetID: id(0xb, 1), IPAddress: fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255)}},
				SecurityGroups: []string{id(1, 1)},
			})
		}
	})
}

func (c *crowd) settle(tb testing.TB, b *Backend, seq uint64) {
	for end := time.Now().Add(10 * patience); time.Now().Before(end); {
		if err := b.Settle(context.Background(), seq); err == nil {
			return
		}
	}
	tb.Fatal("does not settle")
}

// BenchmarkBulk makes 1000 ports in one commit.
func BenchmarkBulk(b *testing.B) {
	for _, there := range []int{0, 100_000} {
		b.Run(fmt.Sprint(there), func(b *testing.B) {
			c, crowd := startCentral(b), newCrowd(b)
			be := c.backend(crowd.tables, nil)
			settled(b, be)
			for crowd.next < there {
				crowd.settle(b, be, crowd.grow(b, 5000))
			}
			for b.Loop() {
				crowd.settle(b, be, crowd.grow(b, 1000))
			}
			b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "ports/s")
		})
	}
}

// BenchmarkOne makes one port a commit.
func BenchmarkOne(b *testing.B) {
	for _, there := range []int{0, 100_000} {
		b.Run(fmt.Sprint(there), func(b *testing.B) {
			c, crowd := startCentral(b), newCrowd(b)
			be := c.backend(crowd.tables, nil)
			settled(b, be)
			for crowd.next < there {
				crowd.settle(b, be, crowd.grow(b, 5000))
			}
			for b.Loop() {
				crowd.settle(b, be, crowd.grow(b, 1))
			}
		})
	}
}

// BenchmarkRestart is a comparison of everything, from the start to being in step.
func BenchmarkRestart(b *testing.B) {
	c, crowd := startCentral(b), newCrowd(b)
	be := c.backend(crowd.tables, nil)
	settled(b, be)
	for crowd.next < 100_000 {
		crowd.settle(b, be, crowd.grow(b, 5000))
	}
	be.Close()
	for b.Loop() {
		be := c.backend(crowd.tables, nil)
		for be.Healthy() != nil {
			time.Sleep(time.Millisecond)
		}
		be.Close()
	}
}
