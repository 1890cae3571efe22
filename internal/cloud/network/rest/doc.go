// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package rest serves resources in Neutron's way: the attributes of a resource
// as a table, requests checked and completed by it, policy, filters, sorting,
// fields and pages of a list, bulk create, revision numbers with If-Match, tags,
// timestamps and quotas.
//
// It promises that a request is one commit of the store, or none; that it is
// answered when the network has it (Engine.Settle); and that an answer's errors
// have Neutron's types and texts.
//
// It must not know any resource: package network describes those to it.
package rest
