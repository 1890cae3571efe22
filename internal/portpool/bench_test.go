// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package portpool_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/kuryr-go/kuryr/internal/portpool"
)

// A step of a node with a hundred keys, each with a start since the last one.
func BenchmarkStep(b *testing.B) {
	p := node()
	p.Total = 100_000
	e := portpool.New(p)
	keys := observations{}
	now := noon
	for taken := uint64(0); b.Loop(); taken++ {
		now = now.Add(10 * time.Millisecond)
		for i := range 100 {
			keys[portpool.Key(fmt.Sprint(i))] = portpool.Observation{Family: fmt.Sprint(i / 10), Free: 9, InUse: 10, Creating: 1, Taken: taken, Asked: now}
		}
		e.Step(now, keys)
	}
}
