// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package api is what the embedded cloud's three APIs have in common: requests
// with an id and a caller, dispatch by method and path, replies and errors as
// JSON, the columns of a row type, and pages of a list.
//
// It promises that each request gets an id, which is in the answer's
// X-Openstack-Request-Id; that a panic in a handler is a 500 and no more; and
// that a page costs what it shows, where the list is in the order of its ids.
//
// It must not know any of the three services, nor what their errors look like:
// each gives its own words for those.
package api
