// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package cloudtest gives a test an OpenStack of its own: the embedded one, in
// the test's process, on free ports of the loopback address, in memory and
// without OVN unless the options say otherwise. It is there in milliseconds.
//
// Faults and request log of the cloud are for the test to set and to read:
//
//	c := cloudtest.Start(t, cloud.Options{})
//	c.Faults().Add(faults.Rule{Match: faults.Match{Method: "POST", Path: "/v2.0/ports"}, Skip: 2, Count: 1, After: true, Answer: faults.Drop})
//	...
//	if n := c.Faults().Count("POST /v2.0/ports"); n != 4 { ... }
//
// It must not know what is tested.
package cloudtest
