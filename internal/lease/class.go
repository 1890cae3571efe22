// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package lease

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
)

// Class is what the leases of one pool have in common: everything of a Demand
// that does not ask for a port of its own. Names are Neutron names or ids as
// they were asked for, with the node's defaults filled in, so that a class can
// be told without asking the cloud.
type Class struct {
	// Project owns the ports; empty: the project of the credentials.
	Project string `json:"project,omitempty"`
	// Network is the ports' network.
	Network string `json:"network"`
	// Subnets are subnets of Network, one address from each, in this order.
	// Empty: Neutron chooses.
	Subnets []string `json:"subnets,omitempty"`
	// SecurityGroups are the ports' groups. nil: the project's default group;
	// empty but not nil: none at all.
	SecurityGroups []string `json:"securityGroups"`
}

// keyLength is that of a pool's key, in characters. Sixty bits tell the few
// dozen classes of a node apart.
const keyLength = 15

// Key names the class: the same for the same ports, whatever the order in which
// the security groups were listed.
func (c Class) Key() string {
	c = c.sorted()
	if len(c.Subnets) == 0 {
		c.Subnets = nil
	}
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // strings and lists of strings
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])[:keyLength]
}

// Family names the classes that differ in their security groups alone: the
// groups of a port can be changed, its network cannot.
func (c Class) Family() string {
	c.SecurityGroups = nil
	return c.Key()
}

// sorted has the security groups in the order of the alphabet, each once.
func (c Class) sorted() Class {
	if c.SecurityGroups != nil {
		groups := slices.Clone(c.SecurityGroups)
		slices.Sort(groups)
		c.SecurityGroups = append([]string{}, slices.Compact(groups)...)
	}
	return c
}

// String describes the class to a human: "blue, groups web,db".
func (c Class) String() string {
	var b strings.Builder
	b.WriteString(c.Network)
	if len(c.Subnets) > 0 {
		b.WriteString(", subnets " + strings.Join(c.Subnets, ","))
	}
	switch {
	case c.SecurityGroups == nil:
	case len(c.SecurityGroups) == 0:
		b.WriteString(", no groups")
	default:
		b.WriteString(", groups " + strings.Join(c.sorted().SecurityGroups, ","))
	}
	if c.Project != "" {
		b.WriteString(", project " + c.Project)
	}
	return b.String()
}
