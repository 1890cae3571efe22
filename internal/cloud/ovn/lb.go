// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

// monitored is told what health checks say of the members of load balancers.
func (b *Backend) monitored(view, []serviceMonitor) {}
