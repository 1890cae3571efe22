// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import "time"

// affine is what requests of one kind cost: something for the request, and
// something for each of its objects. Both are in seconds.
type affine struct{ request, each float64 }

// leastEach keeps the cost of an object above zero, so that sizes can be
// divided by it.
const leastEach = 0.0005

func (a affine) expect(objects int) float64 { return a.request + float64(objects)*a.each }

// learn moves the estimate by a part of its error (normalised least mean
// squares): a request of many objects teaches what an object costs, one of
// few what the request does.
func (a *affine) learn(objects int, took, weight float64) {
	n := float64(objects)
	step := weight * (took - a.expect(objects)) / (1 + n*n)
	a.request = max(a.request+step, 0)
	a.each = max(a.each+n*step, leastEach)
}

// The bounds of a bulk create, in ports.
const (
	largestBulk = 50
	// firstBulk is the largest until a larger one is known to go well.
	firstBulk = 8
)

// sizer learns how many ports fit in a request of a given length.
type sizer struct {
	// target is how long a request shall take.
	target time.Duration
	cost   affine
	// proven bounds what was not tried yet: what ten ports cost says little
	// about fifty.
	proven int
}

// newSizer begins with what a busy Neutron of one worker takes.
func newSizer(target time.Duration) sizer {
	return sizer{target: target, cost: affine{request: 0.05, each: 0.15}, proven: firstBulk / 2}
}

// size is how many ports a bulk create shall have at most.
func (s *sizer) size() int {
	fits := int((s.target.Seconds() - s.cost.request) / s.cost.each)
	return max(1, min(fits, 2*s.proven, largestBulk))
}

// made is told how long a create took.
func (s *sizer) made(objects int, took time.Duration) {
	s.cost.learn(objects, took.Seconds(), 0.3)
	s.proven = max(s.proven, objects)
}

// failed is told of a create that the cloud could not cope with. How long it
// would have taken is not known; that it is longer is.
func (s *sizer) failed(objects int, took time.Duration) {
	if t := took.Seconds(); t > s.cost.expect(objects) {
		s.cost.learn(objects, t, 0.3)
	}
	s.proven = max(min(s.proven, objects/2), firstBulk/2)
}
