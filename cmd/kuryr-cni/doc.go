// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Kuryr-cni is the CNI plugin: the program that a container runtime executes.
//
// It answers VERSION itself and forwards every other call to the agent on this
// node, over the agent's unix socket; then it prints what comes back and exits with
// its code. When it ends for whatever reason, a signal included, its connection
// ends too, and the agent undoes what it had begun.
//
// It is executed for every container, so it starts in a millisecond or two and
// stays small. It must not know OpenStack, Kubernetes or what a network
// configuration means: all it reads there is where the agent's socket is.
package main
