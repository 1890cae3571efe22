// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package model

import "time"

// Chassis is a hypervisor as OVN's southbound database knows it. It is not stored.
type Chassis struct {
	// Name is the chassis's system-id, UUID the id of its record.
	Name, UUID string
	// Hostname is what binding:host_id says.
	Hostname string
	// EncapIPs are its tunnel addresses, EncapTypes their kinds ("geneve").
	EncapIPs, EncapTypes []string
	// BridgeMappings gives the bridge of each physical network.
	BridgeMappings map[string]string
	// DatapathType is "system" or "netdev".
	DatapathType string
	// Options are the words of ovn-cms-options ("enable-chassis-as-gw").
	Options []string
	// AvailabilityZones are those of ovn-cms-options.
	AvailabilityZones []string
	// Alive is false for one that has not followed OVN's last generation.
	Alive bool
	// Seen is when it last said that it lives.
	Seen time.Time
}
