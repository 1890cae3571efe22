// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/kuryr-go/kuryr/internal/agentapi"
)

// poolsTable prints a row for each pool, and below it why it cannot have more.
func poolsTable(w io.Writer, pools []agentapi.Pool, wide bool, now time.Time) error {
	var table strings.Builder
	t := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	header := []string{"POOL", "FREE", "WIRED", "IN USE", "COOLING", "DRAINING", "ORDERED", "WAITING"}
	if wide {
		header = append(header, "TAKEN", "ASKED", "KEY", "PROJECT", "SUBNETS")
	}
	fmt.Fprintln(t, strings.Join(header, "\t"))
	pools = slices.SortedStableFunc(slices.Values(pools), func(a, b agentapi.Pool) int { return cmp.Compare(poolWords(a), poolWords(b)) })
	names := poolNames(pools)
	for _, p := range pools {
		fmt.Fprintln(t, strings.Join(poolRow(p, names[p.Key], wide, now), "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	// The problems are no cells: they would make the first column as wide as they are.
	for i, line := range strings.SplitAfter(table.String(), "\n") {
		if _, err := io.WriteString(w, line); err != nil {
			return err
		}
		if i > 0 && i <= len(pools) && pools[i-1].Problem != "" {
			fmt.Fprintf(w, "  ! %s\n", plain(pools[i-1].Problem))
		}
	}
	return nil
}

func poolRow(p agentapi.Pool, name string, wide bool, now time.Time) []string {
	row := []string{name, fmt.Sprintf("%d of %d", p.Free, p.Target)}
	for _, n := range []int{p.Wired, p.InUse, p.Cooling, p.Draining, p.Ordered, p.Waiting} {
		row = append(row, fmt.Sprint(n))
	}
	if wide {
		asked := "-"
		if !p.Asked.IsZero() {
			asked = age(now.Sub(p.Asked)) + " ago"
		}
		row = append(row, fmt.Sprint(p.Taken), asked, orDash(p.Key), orDash(p.Project), orDash(strings.Join(p.Subnets, ",")))
	}
	return row
}

// poolNames calls the pools by network and groups, and those that have the
// same of both by their key too.
func poolNames(pools []agentapi.Pool) map[string]string {
	same := map[string]int{}
	for _, p := range pools {
		same[poolWords(p)]++
	}
	names := map[string]string{}
	for _, p := range pools {
		names[p.Key] = poolWords(p)
		if same[poolWords(p)] > 1 {
			names[p.Key] += " (" + plain(p.Key) + ")"
		}
	}
	return names
}

// poolWords are the network and the security groups.
func poolWords(p agentapi.Pool) string {
	groups := "no groups"
	switch {
	case p.SecurityGroups == nil:
		groups = "default group"
	case len(p.SecurityGroups) > 0:
		groups = strings.Join(slices.Sorted(slices.Values(p.SecurityGroups)), ",")
	}
	return plain(p.Network + "/" + groups)
}

// requestsLine tells of the queue in front of the cloud.
func requestsLine(r agentapi.Requests, now time.Time) string {
	parts := []string{fmt.Sprintf("%d of at most %d running", r.Running, r.Limit)}
	var queued []string
	total := 0
	for _, priority := range byCount(r.Queued) {
		if n := r.Queued[priority]; n > 0 {
			queued, total = append(queued, fmt.Sprintf("%d %s", n, plain(priority))), total+n
		}
	}
	switch len(queued) {
	case 0:
		parts = append(parts, "none queued")
	default:
		parts = append(parts, fmt.Sprintf("%d queued (%s)", total, strings.Join(queued, ", ")))
	}
	for _, api := range slices.Sorted(maps.Keys(r.Paused)) {
		if left := r.Paused[api].Sub(now); left > 0 {
			parts = append(parts, fmt.Sprintf("%s paused by the cloud for %s more", plain(api), age(left)))
		}
	}
	return strings.Join(parts, ", ")
}

// byCount gives the keys, the most frequent first.
func byCount(counts map[string]int) []string {
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
}
