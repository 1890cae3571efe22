// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/neutron"
)

// known is what was resolved a moment ago.
type known struct {
	projects cache[neutron.Project]
	networks cache[neutron.Network]
	subnets  cache[[]neutron.Subnet] // by network id
	groups   cache[neutron.SecurityGroup]
	policies cache[neutron.QoSPolicy]
}

func newKnown(ttl time.Duration) known {
	return known{
		projects: cache[neutron.Project]{ttl: ttl},
		networks: cache[neutron.Network]{ttl: ttl},
		subnets:  cache[[]neutron.Subnet]{ttl: ttl},
		groups:   cache[neutron.SecurityGroup]{ttl: ttl},
		policies: cache[neutron.QoSPolicy]{ttl: ttl},
	}
}

// forget drops everything.
func (k *known) forget() {
	k.projects.forget()
	k.networks.forget()
	k.subnets.forget()
	k.groups.forget()
	k.policies.forget()
}

// cache remembers values for a while. Failures are not remembered.
type cache[T any] struct {
	ttl    time.Duration
	flight singleflight.Group

	mu      sync.Mutex
	entries map[string]entry[T] // guarded by mu
	epoch   int                 // guarded by mu; grows when all is forgotten
}

type entry[T any] struct {
	value T
	until time.Time
}

// get gives the value of key, fetched unless it is remembered. Callers who
// come during a fetch share it; it goes on when the first of them leaves.
func (c *cache[T]) get(ctx context.Context, key string, fetch func(context.Context) (T, error)) (value T, remembered bool, err error) {
	if value, ok := c.peek(key); ok {
		return value, true, nil
	}
	result := c.flight.DoChan(key, func() (any, error) {
		epoch := c.now()
		v, err := fetch(context.WithoutCancel(ctx))
		if err == nil {
			c.put(key, v, epoch)
		}
		return v, err
	})
	select {
	case r := <-result:
		v, _ := r.Val.(T)
		return v, false, r.Err
	case <-ctx.Done():
		return value, false, fault.New(fault.Unavailable, "supply: look up %s: %w", key, ctx.Err())
	}
}

// peek gives the value of key if it is remembered.
func (c *cache[T]) peek(key string) (T, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	if !ok || time.Now().After(e.until) {
		var zero T
		return zero, false
	}
	return e.value, true
}

func (c *cache[T]) now() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.epoch
}

// put remembers a value, unless all was forgotten since epoch.
func (c *cache[T]) put(key string, value T, epoch int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ttl <= 0 || epoch != c.epoch {
		return
	}
	now := time.Now()
	for k, e := range c.entries {
		if now.After(e.until) {
			delete(c.entries, k)
		}
	}
	if c.entries == nil {
		c.entries = map[string]entry[T]{}
	}
	c.entries[key] = entry[T]{value, now.Add(c.ttl)}
}

func (c *cache[T]) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.entries)
	c.epoch++
}
