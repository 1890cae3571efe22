// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package tracelog says where the time of a request went: it gathers the
// OpenTelemetry spans of one trace and, when the root span ends, writes them
// as one log record at debug level and observes each in a histogram.
//
// Its promises: nothing leaves the process; memory is bounded, also when
// spans never end; with debug logging off a span costs microseconds.
//
// It must not know what the spans are about.
package tracelog
