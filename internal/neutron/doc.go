// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package neutron is Kuryr's narrow client of OpenStack's Networking API.
//
// It is built on gophercloud, which logs in, reads the service catalogue and
// renews the token; requests and types are Kuryr's own, because gophercloud
// has no bulk create of ports and cannot tell an attribute that the policy
// hides from one that is empty.
//
// Its promises:
//
//   - New makes no request. The login happens with the first call, so a
//     program starts whether or not the cloud is up.
//   - Every error is classified by package fault and carries the cloud's own
//     words and request id, never a secret.
//   - The caller's deadline holds. A create that was sent is nevertheless
//     followed to its end (see Creation), because Neutron makes the port
//     whether or not somebody still listens.
//   - Nothing is retried that the cloud may have carried out already; MayExist
//     tells whether a port may be there although its creation failed.
//   - Of the requests that wait for their turn, none starts while one of a
//     higher Priority could, and one slot is always kept for what a container
//     waits for. Who gives up leaves the queue at once.
//   - The cloud is not asked for more than it bears: how many requests are
//     under way, and how many ports are made by one, follows what the answers
//     take. An API that asks for a pause (429, or 503 with Retry-After) is left
//     alone by everybody until it is over. Reads, creates, updates and deletes
//     of Neutron are such APIs, and Keystone.
//   - A port that is refused fails alone, although it shared a request.
//   - Every request leaves a span (named "neutron create port"), a debug line
//     with its duration and request id, and an observation in the histogram
//     of durations. The span of a request that makes several ports belongs to
//     the trace of the first.
//
// Its metrics:
//
//	kuryr_neutron_request_duration_seconds{operation,status}  a request; status is the HTTP status code or "timeout", "canceled" or "error"
//	kuryr_neutron_queue_length{priority}                      requests that wait for their turn, a port counting as one
//	kuryr_neutron_queue_seconds{priority}                     how long those that started had waited
//	kuryr_neutron_requests_running                            requests under way
//	kuryr_neutron_concurrency_limit                           how many the cloud is believed to bear
//	kuryr_neutron_bulk_ports                                  how many ports each request to make ports was about
//	kuryr_neutron_paused_seconds_total{api}                   how long an API was left alone because it had asked for it
//
// It must not know what a port is wanted for: containers, sandboxes, pools
// and engines are the business of those who call it.
package neutron
