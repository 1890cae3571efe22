// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package contract holds one body of tests for two clouds: a real Keystone,
// Neutron and Octavia, and the embedded one. What the real one says is the
// contract.
//
// A scenario (testdata/scenarios) is a script of requests; README.md tells its
// language. Running it on a cloud gives a transcript: of each
// request the status, the headers that matter and the body, with ids, times and
// what else is different each time masked, the same value by the same word, so
// that references are compared too. The transcripts of the real cloud are in
// testdata/golden. Plain `go test` runs the scenarios on an embedded cloud in
// the test's own process and compares; with the tag e2e they run on the real
// cloud, which must still say what the files say, and on the embedded cloud over
// a real OVN.
//
// Its promises: whatever the two say differently is in differences.txt with
// its reason, or a test fails, and a listed difference that is no more fails
// too; a scenario makes projects of its own and leaves nothing behind, also
// when it fails; it waits for states, never for time.
//
// It must not know how either cloud does what it does.
package contract
