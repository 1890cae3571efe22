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
//   - Nothing is retried that the cloud may have carried out already.
//   - Every request leaves a span (named "neutron create port"), a debug line
//     with its duration and request id, and an observation in the histogram
//     kuryr_neutron_request_duration_seconds{operation,status}, where status
//     is the HTTP status code or "timeout", "canceled" or "error".
//
// It must not know what a port is wanted for: containers, sandboxes, pools
// and engines are the business of those who call it.
package neutron
