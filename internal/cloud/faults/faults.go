// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package faults

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// defaultLog is how many calls the log keeps unless Options say otherwise.
const defaultLog = 10_000

// Options are what Faults are made of. All may be left out.
type Options struct {
	// Settings are those of the beginning.
	Settings Settings
	// Log is how many calls are kept; zero: 10,000.
	Log int
	// Now is the clock of the log and the rate limits; nil: time.Now.
	Now func() time.Time
	// Registerer gets the metrics; nil: nobody.
	Registerer prometheus.Registerer
}

// Faults are the settings at work, and the log.
type Faults struct {
	now     func() time.Time
	log     *log
	metrics *metrics

	mu       sync.Mutex
	settings Settings
	rules    []*rule
	limits   []*limit
	random   *rand.Rand
	// replaced is closed when the settings are: what hangs then ends.
	replaced chan struct{}
}

// rule is a Rule at work.
type rule struct {
	Rule
	seen, fired int
}

// New makes Faults. The error is about the settings.
func New(o Options) (*Faults, error) {
	f := &Faults{now: o.Now, replaced: make(chan struct{})}
	if f.now == nil {
		f.now = time.Now
	}
	if o.Log <= 0 {
		o.Log = defaultLog
	}
	f.log, f.metrics = newLog(o.Log), newMetrics(o.Registerer)
	return f, f.Set(o.Settings)
}

// Set replaces the settings. Rules begin to count anew, buckets are full, and
// the random parts begin at the seed. When it fails nothing has changed.
func (f *Faults) Set(s Settings) error {
	if err := s.check(nil, "").Err(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settings, f.rules, f.limits = s, nil, nil
	for _, r := range s.Rules {
		f.add(r)
	}
	for _, l := range s.RateLimits {
		f.limits = append(f.limits, newLimit(l))
	}
	f.random = rand.New(rand.NewPCG(s.Seed, s.Seed))
	close(f.replaced)
	f.replaced = make(chan struct{})
	return nil
}

// add puts a rule to work, with the defaults of what it leaves out.
func (f *Faults) add(r Rule) {
	if r.Name == "" {
		r.Name = "rule " + strconv.Itoa(len(f.rules)+1)
	}
	if r.Probability == 0 {
		r.Probability = 1
	}
	r.After = r.After || r.Answer == Truncate
	f.rules = append(f.rules, &rule{Rule: r})
}

// Add adds rules behind those that are there, which go on as they are.
func (f *Faults) Add(rules ...Rule) error {
	s := Settings{Rules: rules}
	if err := s.check(nil, "").Err(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settings.Rules = append(f.settings.Rules[:len(f.settings.Rules):len(f.settings.Rules)], rules...)
	for _, r := range rules {
		f.add(r)
	}
	return nil
}

// Settings gives what was set.
func (f *Faults) Settings() Settings {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.settings
}

// Clear removes all faults, and lets go what hangs.
func (f *Faults) Clear() { _ = f.Set(Settings{}) } // no settings have no problems

// PortActiveDelay draws how long a port is DOWN before it is ACTIVE.
func (f *Faults) PortActiveDelay() time.Duration {
	return f.draw(func(s Settings) Latency { return s.PortActiveDelay })
}

// LoadBalancerDelay draws how long a load balancer stays in a PENDING state.
func (f *Faults) LoadBalancerDelay() time.Duration {
	return f.draw(func(s Settings) Latency { return s.LoadBalancerDelay })
}

// What the provider amphora takes unless settings say otherwise.
var (
	amphoraCreate = Fixed(3 * time.Second)
	amphoraUpdate = Fixed(300 * time.Millisecond)
)

// AmphoraDelay draws how long the provider amphora takes beyond that to make a
// load balancer or to change one.
func (f *Faults) AmphoraDelay(create bool) time.Duration {
	return f.draw(func(s Settings) Latency {
		of, usual := s.AmphoraUpdateDelay, amphoraUpdate
		if create {
			of, usual = s.AmphoraCreateDelay, amphoraCreate
		}
		if of.IsZero() {
			return usual
		}
		return of
	})
}

func (f *Faults) draw(of func(Settings) Latency) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return of(f.settings).draw(f.random)
}

// plan is what is done to one call.
type plan struct {
	// before and after are how long it is delayed on either side of its work.
	before, after time.Duration
	// answer gives the answer; nil: the service does.
	answer *Rule
	// limited is how long the client must wait; zero: it need not.
	limited time.Duration
	names   []string
	// let is closed when a call that hangs shall end.
	let <-chan struct{}
}

// plan decides about a call.
func (f *Faults) plan(c *call) plan {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := plan{let: f.replaced}
	for i, l := range f.limits {
		if !l.Match.matches(c) {
			continue
		}
		if p.limited = l.take(c, f.now()); p.limited > 0 {
			p.names = append(p.names, "rate limit "+strconv.Itoa(i+1))
			return p
		}
	}
	for _, r := range f.rules {
		if r.Answer != "" && p.answer != nil || !r.Match.matches(c) || !f.fires(r) {
			continue
		}
		p.names = append(p.names, r.Name)
		if r.Answer != "" {
			p.answer = &r.Rule
		}
		d := r.Delay.draw(f.random)
		for range c.Items {
			d += r.ItemDelay.draw(f.random)
		}
		if r.After {
			p.after += d
		} else {
			p.before += d
		}
	}
	return p
}

// fires tells whether a rule does something to a call that it matches.
func (f *Faults) fires(r *rule) bool {
	r.seen++
	if r.seen <= r.Skip || r.Count > 0 && r.fired >= r.Count || r.Probability < 1 && f.random.Float64() >= r.Probability {
		return false
	}
	r.fired++
	return true
}
