// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package portpool

import (
	"math"
	"time"
)

// FailureKind says what a failed create means for the next one.
type FailureKind int

// The kinds of failures, the worst last. Of those of one batch the worst counts.
const (
	// Transient: something went wrong that may be over already.
	Transient FailureKind = iota + 1
	// Overloaded: the cloud asks for patience.
	Overloaded
	// Exhausted: a quota is used up or the subnet has no address left; it may pass.
	Exhausted
	// Refused: it will be refused again until somebody changes something.
	Refused
)

// String gives the kind's name in lower case.
func (k FailureKind) String() string {
	switch k {
	case Transient:
		return "transient"
	case Overloaded:
		return "overloaded"
	case Exhausted:
		return "exhausted"
	case Refused:
		return "refused"
	}
	return "unknown"
}

// Failure is how a create failed.
type Failure struct {
	// Kind decides about the retries.
	Kind FailureKind
	// RetryAfter is what the cloud asked for: there is no retry sooner.
	RetryAfter time.Duration
}

// backoff is the memory of a key's failed creates.
type backoff struct {
	// failures in a row; those of one batch count once.
	failures int
	kind     FailureKind
	// until is when the next create may be tried.
	until time.Time
	// probing is set while a single create finds out whether it works again.
	probing bool
	// relieved is set when others gave leases up because of this failure.
	relieved bool
}

func (b *backoff) failed(now time.Time, f Failure, p Policy) {
	sameBatch := b.failures > 0 && !b.probing && now.Before(b.until)
	if !sameBatch {
		b.failures++
		b.relieved = false
	}
	b.probing = false
	if sameBatch {
		f.Kind = max(f.Kind, b.kind)
	}
	b.kind = f.Kind
	until := now.Add(max(b.delay(p), f.RetryAfter))
	if !sameBatch || f.Kind == Refused || f.RetryAfter > 0 {
		b.until = later(b.until, until)
	}
}

// delay is the distance between retries now.
func (b *backoff) delay(p Policy) time.Duration {
	if b.kind == Refused {
		return p.RetryMax
	}
	d := p.RetryMin
	for i := 1; i < b.failures && d < p.RetryMax; i++ {
		d *= 2
	}
	return min(d, p.RetryMax)
}

// allowance is how many creates may be ordered now.
func (b *backoff) allowance(now time.Time) int {
	switch {
	case b.failures == 0:
		return math.MaxInt
	case now.Before(b.until):
		return 0
	}
	return 1
}

// ordered notes that creates were ordered. After a failure that is a probe; if
// nothing is heard of it, another may follow at the same distance.
func (b *backoff) ordered(now time.Time, p Policy) {
	if b.failures > 0 {
		b.probing = true
		b.until = now.Add(b.delay(p))
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
