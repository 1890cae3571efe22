// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package faults stands between the clients and the embedded cloud's three
// APIs: it makes calls slow, refuses them, cuts their connections, limits
// their rate, and keeps the log of all of them.
//
// What it does is Settings, which may be replaced at any time by Set or, over
// HTTP, by what Handler serves.
//
// # Promises
//
// Without settings it changes no answer. The random parts follow the seed: the
// same calls in the same order meet the same faults. An error that it makes
// has the service's own form. A call is in the log before its client sees the
// end of the answer, and a cut connection too; the log forgets the oldest
// calls, the counters nothing until Reset.
//
// # Metrics
//
//	kuryr_cloud_requests_total{service,kind,status}      calls that ended; status 0: no answer was sent
//	kuryr_cloud_request_duration_seconds{service,kind}   how long they took
//	kuryr_cloud_requests_in_flight                       calls under way
//	kuryr_cloud_faults_total{rule}                       calls to which a rule did something
//
// # What it must not know
//
// What a call means.
package faults
