// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import "time"

// firstLimit is how many requests are under way at once before anything is
// known about the cloud.
const firstLimit = 4

// The limit's constants. Latencies are ratios to what requests of the kind
// usually take.
const (
	// healthy is the latency up to which the limit may grow.
	healthy = 1.6
	// slow is the latency from which on it shrinks, unless throughput grew.
	slow = 2.5
	// growth is by how much throughput must be better to count as grown.
	growth = 1.3
	// onOverload and onSlow are what is left of the limit.
	onOverload = 0.5
	onSlow     = 0.8
	// quick is the weight of a sample in the latency of the moment.
	quick = 0.2
	// usualDown and usualUp are its weights in what is usual, which follows
	// the latency of an idle cloud, and a cloud that became slow only slowly.
	// A request beside others of ours, which may be what slows it down, counts
	// for little.
	usualDown      = 0.05
	usualUp        = 0.01
	usualUpCrowded = 0.0003
	// noise is added to latencies before they are compared, in seconds: that 2
	// ms became 6 says nothing.
	noise = 0.02
)

// verdict is what a request says about the cloud's state.
type verdict int

const (
	// silent: nothing; it was refused for what it asked, or given up.
	silent verdict = iota
	// served: it was carried out.
	served
	// late: its caller's time was up.
	late
	// overloaded: it was refused for lack of room, or not answered.
	overloaded
)

// sample is a request that has ended, as the limit sees it.
type sample struct {
	kind           string
	objects        int
	started, ended time.Time
	// running is how many requests were under way together with it.
	running int
	// starved tells that others waited for a slot.
	starved bool
	verdict verdict
}

func (s sample) took() float64 { return s.ended.Sub(s.started).Seconds() }

// limiter finds how many requests at once the cloud bears: one more for each
// round in which all slots were wanted and no request was slow; half after an
// overload; a fifth less when requests became slow and no more of them were
// done in exchange.
type limiter struct {
	least, most int
	limit       float64
	usual       map[string]*affine
	// latency is that of the moment, as a ratio.
	latency float64
	// throughput is that with so many requests under way, in requests during
	// the usual time of one; zero: not known.
	throughput []float64
	// shrunk is when the limit shrank last. Requests that began before say
	// nothing about what it is now.
	shrunk time.Time
}

func newLimiter(most int) limiter {
	return limiter{
		least: min(2, most), most: most, limit: float64(min(firstLimit, most)),
		usual: map[string]*affine{}, latency: 1, throughput: make([]float64, most+1),
	}
}

func (l *limiter) current() int { return int(l.limit) }

// observe takes account of a request that has ended.
func (l *limiter) observe(s sample) {
	switch s.verdict {
	case overloaded:
		l.shrink(s, onOverload)
	case late:
		if usual := l.usual[s.kind]; usual != nil && s.took() > 1+slow*usual.expect(s.objects) {
			l.shrink(s, onOverload)
		}
	case served:
		ratio := l.ratio(s)
		if s.started.Before(l.shrunk) {
			return
		}
		l.latency += quick * (ratio - l.latency)
		grown := l.grown(s.running)
		switch {
		case l.latency > slow && !grown:
			l.shrink(s, onSlow)
		case l.latency < healthy && s.starved:
			l.limit = min(l.limit+1/l.limit, float64(l.most))
		}
	}
}

// shrink makes the limit smaller, once for all requests that were under way.
func (l *limiter) shrink(s sample, left float64) {
	if s.started.Before(l.shrunk) {
		return
	}
	l.limit = max(l.limit*left, float64(l.least))
	// Neither growth nor another loss follows without new evidence.
	l.shrunk, l.latency = s.ended, healthy
}

// ratio compares a request with what is usual for its kind and size, which
// then follows it.
func (l *limiter) ratio(s sample) float64 {
	took := s.took()
	usual := l.usual[s.kind]
	if usual == nil {
		half := took / 2
		l.usual[s.kind] = &affine{request: half, each: max(half/float64(s.objects), leastEach)}
		return 1
	}
	expected := usual.expect(s.objects)
	weight := usualUpCrowded
	switch {
	case took < expected:
		weight = usualDown
	case s.running <= 1:
		weight = usualUp
	}
	usual.learn(s.objects, took, weight)
	return (took + noise) / (expected + noise)
}

// grown tells whether so many requests at once do more than fewer do.
func (l *limiter) grown(running int) bool {
	running = min(max(running, 1), l.most)
	now := float64(running) / l.latency
	if known := &l.throughput[running]; *known == 0 {
		*known = now
	} else {
		*known += quick * (now - *known)
	}
	best := 1.0
	for _, fewer := range l.throughput[1 : running*3/4+1] {
		best = max(best, fewer)
	}
	return running > 1 && now > growth*best
}
