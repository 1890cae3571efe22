// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package faults

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// Call is one call as the log shows it.
type Call struct {
	// Seq numbers the calls since the start, in the order of their ends.
	Seq uint64 `json:"seq"`
	// Time is when it came.
	Time    time.Time `json:"time"`
	Service string    `json:"service"`
	// Kind is the pattern that serves it, such as "POST /v2.0/ports"; "unknown" when none does.
	Kind   string `json:"kind"`
	Method string `json:"method"`
	// Path is the path and query.
	Path string `json:"path"`
	// Items is how many objects the request's body holds.
	Items int `json:"items"`
	// Status is the HTTP status; 0: no answer was sent.
	Status int `json:"status"`
	// Seconds is how long it took.
	Seconds   float64 `json:"seconds"`
	ProjectID string  `json:"project_id"`
	Project   string  `json:"project"`
	UserID    string  `json:"user_id"`
	User      string  `json:"user"`
	// RequestID is the service's id of it; empty when the service did not see it.
	RequestID string `json:"request_id"`
	// Faults are the names of the rules that did something to it.
	Faults []string `json:"faults"`
}

// Key is what calls are counted by.
type Key struct {
	Service string `json:"service"`
	Kind    string `json:"kind"`
	Status  int    `json:"status"`
}

// Count is how many calls there were of a key.
type Count struct {
	Key
	Count int `json:"count"`
}

// log is the ring of the last calls, and the counters of all.
type log struct {
	mu  sync.Mutex
	seq uint64
	// ring holds the last calls, at most size. Its first place is that of the
	// call after base, which was the last at the reset.
	ring     []Call
	size     int
	base     uint64
	counts   map[Key]int
	fired    map[string]int
	inFlight int
}

func newLog(size int) *log {
	return &log{size: size, counts: map[Key]int{}, fired: map[string]int{}}
}

func (l *log) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight++
}

// end notes a call that has ended.
func (l *log) end(c Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
	l.seq++
	c.Seq = l.seq
	if len(l.ring) < l.size {
		l.ring = append(l.ring, c)
	} else {
		l.ring[l.place(c.Seq)] = c
	}
	l.counts[Key{c.Service, c.Kind, c.Status}]++
	for _, name := range c.Faults {
		l.fired[name]++
	}
}

func (l *log) place(seq uint64) int { return int((seq - l.base - 1) % uint64(l.size)) }

// calls gives the calls after a number that are still there, in order, and how
// many of them have been forgotten.
func (l *log) calls(after uint64) (calls []Call, forgotten int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	calls = []Call{}
	if after >= l.seq {
		return calls, 0
	}
	first := max(after, l.seq-uint64(len(l.ring)))
	for seq := first + 1; seq <= l.seq; seq++ {
		calls = append(calls, l.ring[l.place(seq)])
	}
	return calls, int(first - after)
}

func (l *log) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring, l.base = nil, l.seq
	clear(l.counts)
	clear(l.fired)
}

// Count tells how many calls of a kind have ended since the last Reset, with
// whatever status; of all kinds when it is empty.
func (f *Faults) Count(kind string) int {
	f.log.mu.Lock()
	defer f.log.mu.Unlock()
	n := 0
	for key, count := range f.log.counts {
		if kind == "" || key.Kind == kind {
			n += count
		}
	}
	return n
}

// Counts gives all counters since the last Reset, in the order of their keys.
func (f *Faults) Counts() []Count {
	f.log.mu.Lock()
	defer f.log.mu.Unlock()
	counts := make([]Count, 0, len(f.log.counts))
	for key, n := range f.log.counts {
		counts = append(counts, Count{key, n})
	}
	slices.SortFunc(counts, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Status, b.Status))
	})
	return counts
}

// Fired tells to how many calls each rule has done something since the last Reset.
func (f *Faults) Fired() map[string]int {
	f.log.mu.Lock()
	defer f.log.mu.Unlock()
	return maps.Clone(f.log.fired)
}

// Seq is the number of the last call that has ended.
func (f *Faults) Seq() uint64 {
	f.log.mu.Lock()
	defer f.log.mu.Unlock()
	return f.log.seq
}

// InFlight is how many calls are under way.
func (f *Faults) InFlight() int {
	f.log.mu.Lock()
	defer f.log.mu.Unlock()
	return f.log.inFlight
}

// Calls gives the calls that have ended after the one of a number (0: all), as
// far as the log still has them.
func (f *Faults) Calls(after uint64) []Call {
	calls, _ := f.log.calls(after)
	return calls
}

// Reset forgets the calls and sets the counters to zero.
func (f *Faults) Reset() { f.log.reset() }
