// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/kuryr-go/kuryr/test/rig"
)

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// quantile is the nearest-rank quantile of times, which it sorts.
func quantile(times []time.Duration, q float64) time.Duration {
	slices.Sort(times)
	i := int(q*float64(len(times))+0.999999) - 1
	return times[min(max(i, 0), len(times)-1)]
}

func printRow(name string, times []time.Duration) {
	fmt.Printf("%-34s %9.1f %9.1f %9.1f\n", name, ms(quantile(times, .5)), ms(quantile(times, .99)), ms(quantile(times, 1)))
}

func ratio(a, b []time.Duration) float64 { return float64(quantile(a, .5)) / float64(quantile(b, .5)) }

func printSizes(p rig.Programs) error {
	fmt.Printf("programs, stripped, MB:")
	for _, path := range []string{p.Plugin, p.Kuryr} {
		fi, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("size: %w", err)
		}
		fmt.Printf("  %s %.1f", fi.Name(), float64(fi.Size())/1e6)
	}
	fmt.Println()
	return nil
}

// traceRecord is the agent's log record of one call.
type traceRecord struct {
	Msg, Name string
	MS        float64
	Steps     map[string]struct{ At, MS float64 }
}

// printSteps prints where the time of the ADDs and DELs went, from the
// traces in the agent's log.
func printSteps(agent *rig.Agent) error {
	steps := map[string]map[string][]time.Duration{"cni ADD": {}, "cni DEL": {}}
	err := eachTrace(agent, func(r traceRecord) {
		for name, s := range r.Steps {
			if into := steps[r.Name]; into != nil {
				into[name] = append(into[name], time.Duration(s.MS*float64(time.Millisecond)))
			}
		}
	})
	if err != nil {
		return err
	}
	for _, call := range []string{"cni ADD", "cni DEL"} {
		fmt.Printf("\n%-34s %9s %9s %9s\n", "steps of "+call+" (one in another), ms", "p50", "p99", "max")
		names := make([]string, 0, len(steps[call]))
		for name := range steps[call] {
			names = append(names, name)
		}
		slices.SortFunc(names, func(a, b string) int {
			return cmp.Compare(quantile(steps[call][b], .5), quantile(steps[call][a], .5))
		})
		for _, name := range names {
			printRow("  "+name, steps[call][name])
		}
	}
	return nil
}

var rssLine = regexp.MustCompile(`(?m)^process_resident_memory_bytes (\S+)$`)

// residentSet reads the agent's memory in bytes.
func residentSet(ctx context.Context, agent *rig.Agent) (float64, error) {
	_, body, err := agent.Page(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	m := rssLine.FindStringSubmatch(body)
	if m == nil {
		return 0, errors.New("the agent's metrics do not tell its memory")
	}
	return strconv.ParseFloat(m[1], 64)
}

// holdWorkers is how many attach at once when many are to be held.
const holdWorkers = 8

// holdMany attaches many sandboxes, reads the agent's memory, and detaches them.
func holdMany(ctx context.Context, agent *rig.Agent, conf rig.Conf, hold int, idle float64) error {
	began := time.Now()
	boxes := make([]*rig.Sandbox, hold)
	err := each(hold, func(i int) (err error) {
		if boxes[i], err = rig.NewSandbox(); err == nil {
			_, err = agent.Add(ctx, boxes[i], "eth0", conf)
		}
		return err
	})
	if err != nil {
		return err
	}
	attach := time.Since(began)
	held, err := residentSet(ctx, agent)
	if err != nil {
		return err
	}
	began = time.Now()
	err = each(hold, func(i int) error {
		return errors.Join(agent.Del(ctx, boxes[i], "eth0", conf), boxes[i].Close())
	})
	detach := time.Since(began)
	fmt.Printf("\nagent's resident memory, MB: %.1f with no attachment, %.1f with %d\n", idle/1e6, held/1e6, hold)
	fmt.Printf("%d at once, by %d callers: ADD %.1f/s, DEL %.1f/s\n", hold, holdWorkers,
		float64(hold)/attach.Seconds(), float64(hold)/detach.Seconds())
	return errors.Join(err, agent.Settled(ctx))
}

// each calls do for 0 to n-1 with some workers, and returns all errors.
func each(n int, do func(int) error) error {
	next := make(chan int)
	errs := make([]error, n)
	var workers sync.WaitGroup
	for range holdWorkers {
		workers.Go(func() {
			for i := range next {
				errs[i] = do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	workers.Wait()
	return errors.Join(errs...)
}
