// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package portpool

import (
	"errors"
	"fmt"
	"time"
)

// Policy is how generously a node is supplied. Counts are leases.
type Policy struct {
	// Min is how many leases of a key are kept free while the key is known,
	// however idle it is.
	Min int
	// Warm is how many free leases are held ready of a key in use, on top of
	// what remembered bursts say.
	Warm int
	// Max is how many leases of one key there are at most, in whatever state.
	// At least 1.
	Max int
	// Total is how many leases of all keys there are at most. At least 1.
	Total int
	// IdleAfter is how long nothing must have been asked of a key before it is
	// idle and drains to Min. More than zero.
	IdleAfter time.Duration
	// BurstMemory is the half-life of the memory of bursts. Zero: bursts are
	// not remembered.
	BurstMemory time.Duration
	// RetryMin is the distance to the first retry of a key whose create
	// failed; it doubles with each failure. More than zero.
	RetryMin time.Duration
	// RetryMax is the longest distance, and the only one after a refusal. At
	// least RetryMin.
	RetryMax time.Duration
	// RecycleEvery is how long cooled leases may wait for company before they
	// are checked when nobody needs them. Zero: at once.
	RecycleEvery time.Duration
}

// Validate tells everything that is wrong with a policy, in one error.
func (p Policy) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("portpool: "+format, args...))
		}
	}
	check(p.Min >= 0, "Min is %d; at least 0", p.Min)
	check(p.Warm >= 0, "Warm is %d; at least 0", p.Warm)
	check(p.Max >= 1, "Max is %d; at least 1", p.Max)
	check(p.Total >= 1, "Total is %d; at least 1", p.Total)
	check(p.Min <= p.Max, "Min is %d, more than Max, which is %d", p.Min, p.Max)
	check(p.Warm <= p.Max, "Warm is %d, more than Max, which is %d", p.Warm, p.Max)
	check(p.IdleAfter > 0, "IdleAfter is %s; more than 0", p.IdleAfter)
	check(p.BurstMemory >= 0, "BurstMemory is %s; at least 0", p.BurstMemory)
	check(p.RetryMin > 0, "RetryMin is %s; more than 0", p.RetryMin)
	check(p.RetryMax >= p.RetryMin, "RetryMax is %s, less than RetryMin, which is %s", p.RetryMax, p.RetryMin)
	check(p.RecycleEvery >= 0, "RecycleEvery is %s; at least 0", p.RecycleEvery)
	return errors.Join(errs...)
}
