// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package faults

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Latency is a distribution of durations. The zero value is always zero. As
// text it is one of
//
//	200ms                                 always the same
//	uniform 10ms 50ms                     anything between the two
//	normal 180ms 40ms                     mean and standard deviation; never less than zero
//	exponential 50ms                      the mean; seldom far more
//	percentiles 50=180ms 95=300ms 99=1s   as measured; between two of them in proportion
type Latency struct {
	kind string
	// table is the numbers behind the kind; those of percentiles have a rank.
	table []point
}

type point struct {
	rank float64
	d    time.Duration
}

const (
	fixed       = "fixed"
	uniform     = "uniform"
	normal      = "normal"
	exponential = "exponential"
	percentiles = "percentiles"
)

// arguments is how many durations a kind takes.
var arguments = map[string]int{fixed: 1, uniform: 2, normal: 2, exponential: 1}

// Fixed is always d.
func Fixed(d time.Duration) Latency { return Latency{fixed, []point{{d: d}}} }

// ParseLatency reads the text of a Latency.
func ParseLatency(text string) (Latency, error) {
	var l Latency
	return l, l.UnmarshalText([]byte(text))
}

// String gives the text.
func (l Latency) String() string {
	switch l.kind {
	case "":
		return "0s"
	case fixed:
		return l.table[0].d.String()
	}
	words := []string{l.kind}
	for _, p := range l.table {
		word := p.d.String()
		if l.kind == percentiles {
			word = strconv.FormatFloat(p.rank, 'g', -1, 64) + "=" + word
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// IsZero tells whether it is the zero value: not said.
func (l Latency) IsZero() bool { return l.kind == "" }

// Equal tells whether both are the same distribution.
func (l Latency) Equal(o Latency) bool { return l.kind == o.kind && slices.Equal(l.table, o.table) }

// MarshalText implements encoding.TextMarshaler.
func (l Latency) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Latency) UnmarshalText(text []byte) error {
	words := strings.Fields(string(text))
	if len(words) == 1 {
		words = []string{fixed, words[0]}
	}
	if len(words) < 2 {
		return wantLatency(string(text))
	}
	parsed := Latency{kind: words[0]}
	for _, word := range words[1:] {
		p, err := parsePoint(parsed.kind, word)
		if err != nil {
			return fmt.Errorf("%w in %q", err, text)
		}
		parsed.table = append(parsed.table, p)
	}
	if parsed.kind != percentiles && len(parsed.table) != arguments[parsed.kind] {
		return wantLatency(string(text))
	}
	if parsed.kind == uniform && parsed.table[0].d > parsed.table[1].d {
		return fmt.Errorf("the least is more than the most in %q", text)
	}
	rising := func(a, b point) int {
		if a.rank >= b.rank || a.d > b.d {
			return 1
		}
		return -1
	}
	if parsed.kind == percentiles && !slices.IsSortedFunc(parsed.table, rising) {
		return fmt.Errorf("the percentiles do not rise in %q", text)
	}
	*l = parsed
	return nil
}

func wantLatency(text string) error {
	return fmt.Errorf("want a duration such as 200ms, or a distribution such as \"uniform 10ms 50ms\", \"normal 180ms 40ms\", "+
		"\"exponential 50ms\" or \"percentiles 50=180ms 99=1s\"; found %q", text)
}

func parsePoint(kind, word string) (p point, err error) {
	if kind == percentiles {
		rank, d, _ := strings.Cut(word, "=")
		if p.rank, err = strconv.ParseFloat(rank, 64); err != nil || !(p.rank >= 0 && p.rank <= 100) {
			return p, fmt.Errorf("%q is no percentile with its duration, such as 99=1s,", word)
		}
		word = d
	}
	if p.d, err = time.ParseDuration(word); err != nil {
		return p, fmt.Errorf("%q is no duration with its unit", word)
	}
	if p.d < 0 {
		return p, errors.New("a negative duration")
	}
	return p, nil
}

// draw gives a duration of the distribution.
func (l Latency) draw(random *rand.Rand) time.Duration {
	switch l.kind {
	case fixed:
		return l.table[0].d
	case uniform:
		return l.table[0].d + time.Duration(random.Float64()*float64(l.table[1].d-l.table[0].d))
	case normal:
		return max(0, l.table[0].d+time.Duration(random.NormFloat64()*float64(l.table[1].d)))
	case exponential:
		return time.Duration(random.ExpFloat64() * float64(l.table[0].d))
	case percentiles:
		return l.at(100 * random.Float64())
	}
	return 0
}

// at gives the duration of a rank; beyond the table's ends that of the end.
func (l Latency) at(rank float64) time.Duration {
	for i, p := range l.table {
		if rank >= p.rank {
			continue
		}
		if i == 0 {
			return p.d
		}
		before := l.table[i-1]
		return before.d + time.Duration((rank-before.rank)/(p.rank-before.rank)*float64(p.d-before.d))
	}
	return l.table[len(l.table)-1].d
}
