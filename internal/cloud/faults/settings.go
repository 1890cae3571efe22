// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package faults

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/kuryr-go/kuryr/internal/strictyaml"
)

// Settings are all faults that are injected.
type Settings struct {
	// Seed begins the random parts. Default: 0.
	Seed uint64 `json:"seed,omitempty"`
	// Rules are tried in their order for each call. All that match slow it
	// down; the first of them with an answer gives the answer. Default: none.
	Rules []Rule `json:"rules,omitempty"`
	// RateLimits bound how often calls are let through. A call that exceeds one
	// is answered with 429 and Retry-After, and meets no rule. Default: none.
	RateLimits []RateLimit `json:"rateLimits,omitempty"`
	// PortActiveDelay is how long a bound port of a cloud without OVN is DOWN
	// before it is ACTIVE. Default: 0s.
	PortActiveDelay Latency `json:"portActiveDelay,omitzero"`
	// LoadBalancerDelay is how long the PENDING states of a load balancer last at
	// least. Default: 0s.
	LoadBalancerDelay Latency `json:"loadBalancerDelay,omitzero"`
	// AmphoraCreateDelay is how long beyond that a load balancer of the provider
	// amphora is PENDING_CREATE. Default: 3s.
	AmphoraCreateDelay Latency `json:"amphoraCreateDelay,omitzero"`
	// AmphoraUpdateDelay is how long it is PENDING_UPDATE. Default: 300ms.
	AmphoraUpdateDelay Latency `json:"amphoraUpdateDelay,omitzero"`
}

// The answers of a Rule.
const (
	// Error refuses the call with Status.
	Error = "error"
	// Quota refuses the call as if it exceeded the project's quota.
	Quota = "quota"
	// Drop cuts the connection without an answer.
	Drop = "drop"
	// Truncate cuts the connection in the middle of the service's own answer; it
	// implies After.
	Truncate = "truncate"
	// Hang does not answer, until the client goes away or the rule does.
	Hang = "hang"
)

// Rule is one fault.
type Rule struct {
	// Name is shown in the request log. Default: "rule 1" and so on.
	Name string `json:"name,omitempty"`
	// Match chooses the calls.
	Match Match `json:"match,omitzero"`
	// Skip lets so many calls pass first.
	Skip int `json:"skip,omitempty"`
	// Count ends the rule after so many calls. Default: 0, never.
	Count int `json:"count,omitempty"`
	// Probability is the part of the calls, chosen at random, that the rule does
	// something to. Default: 1.
	Probability float64 `json:"probability,omitempty"`
	// Delay slows the call down.
	Delay Latency `json:"delay,omitzero"`
	// ItemDelay slows it down once more for each object in the request.
	ItemDelay Latency `json:"itemDelay,omitzero"`
	// After has delay and answer follow the call's work, so that the service has
	// done what the client is not told. Default: false, before it, and instead of it.
	After bool `json:"after,omitempty"`
	// Answer is error, quota, drop, truncate or hang. Default: empty, the service's own answer.
	Answer string `json:"answer,omitempty"`
	// Status is the HTTP status of the answer error.
	Status int `json:"status,omitempty"`
	// Type is the error's type in the body. Default: as the status says.
	Type string `json:"type,omitempty"`
	// Message is the error's text in the body. Default: as the status says.
	Message string `json:"message,omitempty"`
	// RetryAfter is the Retry-After header of the answer error. Default: none.
	RetryAfter Seconds `json:"retryAfter,omitzero"`
}

// RateLimit is a bucket of tokens, one for a call.
type RateLimit struct {
	// Match chooses the calls.
	Match Match `json:"match,omitzero"`
	// Rate is how many calls a second are let through in the long run.
	Rate float64 `json:"rate"`
	// Burst is how many are let through at once. Default: the rate, and at least 1.
	Burst int `json:"burst,omitempty"`
	// By gives a bucket of its own to each kind, service, project or user, or to
	// each combination of several of these. Default: none, one bucket for all.
	By []string `json:"by,omitempty"`
}

// Seconds is a duration that a header tells in whole seconds.
type Seconds time.Duration

// MarshalText implements encoding.TextMarshaler.
func (s Seconds) MarshalText() ([]byte, error) { return []byte(time.Duration(s).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Seconds) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil || d < 0 {
		return fmt.Errorf("want a duration with its unit, such as 30s, found %q", text)
	}
	*s = Seconds(d)
	return nil
}

// header gives the header's value: at least one second.
func (s Seconds) header() string {
	return strconv.Itoa(max(1, int(math.Ceil(time.Duration(s).Seconds()))))
}

// Read reads settings in YAML or JSON, strictly; name stands for the text in
// problems. The error is strictyaml.Problems.
func Read(name string, content []byte) (Settings, error) {
	var s Settings
	origins, err := strictyaml.Read(name, content, &s)
	if err != nil {
		return s, err
	}
	return s, s.check(origins, name).Err()
}

// check finds everything that is not allowed.
func (s *Settings) check(origins strictyaml.Origins, name string) (problems strictyaml.Problems) {
	report := func(key, format string, args ...any) { problems.Add(origins.At(key, name), key, format, args...) }
	for i := range s.Rules {
		at := fmt.Sprintf("rules[%d].", i)
		s.Rules[i].check(func(key, format string, args ...any) { report(at+key, format, args...) })
	}
	for i := range s.RateLimits {
		at := fmt.Sprintf("rateLimits[%d].", i)
		s.RateLimits[i].check(func(key, format string, args ...any) { report(at+key, format, args...) })
	}
	return problems
}

type report func(key, format string, args ...any)

func (r *Rule) check(bad report) {
	r.Match.check(bad)
	switch {
	case r.Answer != "" && !slices.Contains([]string{Error, Quota, Drop, Truncate, Hang}, r.Answer):
		bad("answer", "%q is not allowed; want error, quota, drop, truncate or hang", r.Answer)
	case r.Answer == Error && (r.Status < 400 || r.Status > 599):
		bad("status", "%d is not allowed; want 400 to 599", r.Status)
	case r.Answer != Error && (r.Status != 0 || r.RetryAfter != 0):
		bad("status", "is for the answer error alone")
	case r.Answer == "" && r.Delay.IsZero() && r.ItemDelay.IsZero():
		bad("answer", "is missing, and so are delay and itemDelay: the rule does nothing")
	}
	if r.Answer == Quota && r.Match.Service == "identity" {
		bad("answer", "identity has no quotas")
	}
	if r.Skip < 0 {
		bad("skip", "%d is negative", r.Skip)
	}
	if r.Count < 0 {
		bad("count", "%d is negative", r.Count)
	}
	if !(r.Probability >= 0 && r.Probability <= 1) {
		bad("probability", "%v is not allowed; want 0 to 1", r.Probability)
	}
}

func (l *RateLimit) check(bad report) {
	l.Match.check(bad)
	if !(l.Rate > 0) || math.IsInf(l.Rate, 1) {
		bad("rate", "%v is not allowed; want more than 0", l.Rate)
	}
	if l.Burst < 0 {
		bad("burst", "%d is negative", l.Burst)
	}
	for _, by := range l.By {
		if !slices.Contains([]string{"kind", "service", "project", "user"}, by) {
			bad("by", "%q is not allowed; want kind, service, project or user", by)
		}
	}
}
