// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package faults

import (
	"math"
	"strings"
	"time"
)

// maxBuckets bounds the buckets of one limit. The full ones are forgotten
// first: they are as good as new.
const maxBuckets = 10_000

// limit is a RateLimit at work.
type limit struct {
	RateLimit
	buckets map[string]*bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newLimit(l RateLimit) *limit {
	if l.Burst == 0 {
		l.Burst = max(1, int(math.Ceil(l.Rate)))
	}
	return &limit{RateLimit: l, buckets: map[string]*bucket{}}
}

// take takes a token for a call, or tells how long it takes until there is one.
func (l *limit) take(c *call, now time.Time) (wait time.Duration) {
	key := l.key(c)
	b := l.buckets[key]
	if b == nil {
		if len(l.buckets) >= maxBuckets {
			l.forget(now)
		}
		b = &bucket{tokens: float64(l.Burst), at: now}
		l.buckets[key] = b
	}
	l.fill(b, now)
	if b.tokens < 1 {
		return time.Duration(math.Ceil((1 - b.tokens) / l.Rate * float64(time.Second)))
	}
	b.tokens--
	return 0
}

func (l *limit) fill(b *bucket, now time.Time) {
	b.tokens = min(float64(l.Burst), b.tokens+max(0, now.Sub(b.at).Seconds())*l.Rate)
	b.at = now
}

// forget drops the full buckets, or all when none is full.
func (l *limit) forget(now time.Time) {
	for key, b := range l.buckets {
		if l.fill(b, now); b.tokens == float64(l.Burst) {
			delete(l.buckets, key)
		}
	}
	if len(l.buckets) >= maxBuckets {
		clear(l.buckets)
	}
}

func (l *limit) key(c *call) string {
	var parts []string
	for _, by := range l.By {
		parts = append(parts, map[string]string{"kind": c.Kind, "service": c.Service, "project": c.ProjectID, "user": c.UserID}[by])
	}
	return strings.Join(parts, "\n")
}
