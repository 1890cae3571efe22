// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package portpool_test

import (
	"fmt"
	"time"

	"github.com/kuryr-go/kuryr/internal/portpool"
)

// A node with two warm leases of a key starts five containers at once.
func Example() {
	policy := portpool.Policy{
		Warm: 2, Max: 50, Total: 100, IdleAfter: 10 * time.Minute, BurstMemory: 10 * time.Minute,
		RetryMin: time.Second, RetryMax: time.Minute, RecycleEvery: 30 * time.Second,
	}
	if err := policy.Validate(); err != nil {
		fmt.Println(err)
		return
	}
	engine := portpool.New(policy)
	now := time.Date(2025, 1, 1, 12, 0, 0, 0, time.UTC)

	step := func(o portpool.Observation) {
		actions, _ := engine.Step(now, map[portpool.Key]portpool.Observation{"web": o})
		for _, a := range actions {
			fmt.Printf("%s %d of %s, %d of them urgent: %s\n", a.Kind, a.N, a.Key, a.Urgent, a.Reason)
		}
	}
	step(portpool.Observation{Pinned: true})

	// Both are there, and five containers come: two are served at once.
	now = now.Add(time.Minute)
	step(portpool.Observation{Pinned: true, Free: 2})
	step(portpool.Observation{Pinned: true, InUse: 2, Taken: 2, Waiting: 3, Asked: now})

	// The cloud has no addresses left. It is asked again in a second.
	engine.Failed(now, "web", portpool.Failure{Kind: portpool.Exhausted})
	until, blocked := engine.Blocked(now, "web")
	fmt.Println("blocked:", blocked, until.Sub(now))
	fmt.Println("free leases wanted:", engine.Target("web"))

	// Output:
	// create 2 of web, 0 of them urgent: warm
	// create 10 of web, 3 of them urgent: 3 wait
	// blocked: true 1s
	// free leases wanted: 7
}
