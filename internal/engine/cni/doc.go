// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Package cni is the agent's side of the CNI plugin: it reads a call of a
// container runtime, has the agent attach or detach, and words the answer in the
// version of the specification that was asked for (0.1.0 to 1.1.0).
//
// Its promises: nothing in a network configuration is ignored that was meant
// for Kuryr, because a misspelt securityGroups would leave open what should be
// closed; a DEL never fails because of its configuration; an error names the
// key, label or variable it is about, as the caller wrote it; no input makes it crash.
//
// Reading (Parse), wording results and wording errors are functions from
// values to values; Handler joins them to the agent. docs/cni.md is the
// reference for users, and a test holds it against the tables here.
//
// It must not know Neutron, the switch, or how an attachment is made.
package cni
