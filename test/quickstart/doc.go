// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

// Command quickstart shows what Kuryr does. It brings up the embedded OpenStack
// with two hypervisors in network namespaces, or uses the cloud that --cloud
// names, starts Kuryr's agent, and goes through the main job with two
// containers: Neutron ports, ping, security group, load balancer, floating IP.
//
// It promises that each step says what it does and then what was seen, that
// nothing is shown which was not measured, that the host's own network stays as
// it is, and that `quickstart down` leaves nothing.
package main
