// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/kuryr-go/kuryr/test/rig"
)

// The machine is quiet when its processors idle for so much of a moment. What a
// cloud still has to do with the ports of the measurement before would be
// measured with the next.
const (
	quietShare  = 0.85
	quietMoment = time.Second
	quietTime   = 2 * time.Minute
)

// awaitQuiet waits for that, and says so when it does not come.
func awaitQuiet(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, quietTime)
	defer cancel()
	err := rig.Await(bounded, "a quiet machine", func(ctx context.Context) error {
		idle, err := idleShare(ctx)
		if err == nil && idle < quietShare {
			err = fmt.Errorf("idle for %.0f %% of the time", 100*idle)
		}
		return err
	})
	if err != nil && ctx.Err() == nil {
		fmt.Printf("NOT QUIET, the figures that follow are of a busy machine: %v\n", err)
		return nil
	}
	return ctx.Err()
}

// idleShare is how much of a moment the processors idle.
func idleShare(ctx context.Context) (float64, error) {
	idle, all, err := processorTime()
	if err != nil {
		return 0, err
	}
	select {
	case <-time.After(quietMoment):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	idleThen, allThen, err := processorTime()
	return (idleThen - idle) / max(1, allThen-all), err
}

// processorTime reads /proc/stat, proc_stat(5): time that all processors
// idled (or waited for a disk), and all time, in ticks.
func processorTime() (idle, all float64, err error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(first)
	if len(fields) < 9 {
		return 0, 0, fmt.Errorf("/proc/stat begins with %q", first)
	}
	for i, f := range fields[1:9] {
		v, err := strconv.ParseFloat(f, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("/proc/stat: %w", err)
		}
		all += v
		if i == 3 || i == 4 {
			idle += v
		}
	}
	return idle, all, nil
}
