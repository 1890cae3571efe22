// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/kuryr-go/kuryr/test/rig"
)

// bulkTime is how long Neutron takes to make the ports that a burst lacks, in
// bulk requests one after the other; they are deleted again.
func bulkTime(ctx context.Context, tenant *rig.Tenant, network rig.Network) (took time.Duration, err error) {
	m := &cloudBench{Tenant: tenant, net: network}
	var made []string
	began := time.Now()
	for range (burst - fewPorts) / bulkSize {
		ids, err := m.bulk(ctx, bulkSize)
		if err != nil {
			return 0, err
		}
		made = append(made, ids...)
	}
	took = time.Since(began)
	return took, each(len(made), func(i int) error { return ports.Delete(ctx, tenant.Client, made[i]).ExtractErr() })
}

// atOnce does all n at the same time.
func atOnce(n int, do func(int) error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = do(i) })
	}
	all.Wait()
	return errors.Join(errs...)
}
