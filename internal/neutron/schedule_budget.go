// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"net/http"
	"time"
)

// api is a part of the cloud that has a budget of its own: when one is
// refused for a while, the others go on.
type api int

const (
	apiReads api = iota
	apiCreates
	apiUpdates
	apiDeletes
	apiKeystone
	apis = int(apiKeystone) + 1
)

var apiNames = [apis]string{"reads", "creates", "updates", "deletes", "keystone"}

func (a api) String() string { return apiNames[a] }

// apiOf is the budget that a call draws on.
func apiOf(k call) api {
	switch {
	case k.api() == keystone:
		return apiKeystone
	case k.method == http.MethodPost:
		return apiCreates
	case k.method == http.MethodPut:
		return apiUpdates
	case k.method == http.MethodDelete:
		return apiDeletes
	default:
		return apiReads
	}
}

// How long an API is left alone that refused a request without saying for how
// long: doubled with each such refusal in a row.
const (
	firstBarePause = time.Second
	lastBarePause  = 30 * time.Second
)

// budget says when an API may be called.
type budget struct {
	// rate is nil where nothing bounds it; two APIs may share one.
	rate *rate
	// until is when the API may be called again.
	until time.Time
	// bare counts the refusals in a row that did not say for how long.
	bare int
}

// opens is when a request may be sent; not after now: at once.
func (b *budget) opens(now time.Time) time.Time {
	if b.until.After(now) || b.rate == nil {
		return b.until
	}
	return b.rate.opens()
}

// take accounts for a request that is sent.
func (b *budget) take(now time.Time) {
	if b.rate != nil {
		b.rate.take(now)
	}
}

// pause is told that the API asked for fewer requests, and for how long it
// shall be left alone; zero: it did not say. It gives by how much the pause
// grew.
func (b *budget) pause(now time.Time, retryAfter time.Duration) time.Duration {
	if retryAfter <= 0 {
		retryAfter = min(firstBarePause<<min(b.bare, 8), lastBarePause)
		b.bare++
	}
	until := now.Add(retryAfter)
	if !until.After(b.until) {
		return 0
	}
	from := b.until
	if from.Before(now) {
		from = now
	}
	b.until = until
	return until.Sub(from)
}

// served is told that the API did what it was asked for.
func (b *budget) served() { b.bare = 0 }

// rate bounds the requests of a second, and lets those of one second through
// at once (the generic cell rate algorithm).
type rate struct {
	interval, burst time.Duration
	// paid is when all requests so far were due, had they come evenly.
	paid time.Time
}

// newRate gives nil when the rate is zero: nothing is bounded.
func newRate(perSecond float64) *rate {
	if perSecond <= 0 {
		return nil
	}
	interval := time.Duration(float64(time.Second) / perSecond)
	return &rate{interval: interval, burst: max(time.Second-interval, 0)}
}

func (r *rate) opens() time.Time { return r.paid.Add(-r.burst) }

func (r *rate) take(now time.Time) {
	if r.paid.Before(now) {
		r.paid = now
	}
	r.paid = r.paid.Add(r.interval)
}
