// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cni

import (
	"encoding/json"
	"net/netip"
	"slices"

	"github.com/kuryr-go/kuryr/internal/agent"
	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/internal/fault"
)

// previous is what matters here of a prevResult of version 0.3.0 and newer,
// the only ones that come with one.
type previous struct {
	Interfaces []struct {
		Name    string `json:"name"`
		Sandbox string `json:"sandbox"`
	} `json:"interfaces"`
	IPs []previousIP `json:"ips"`
}

type previousIP struct {
	Address netip.Prefix `json:"address"`
}

// readPrevious takes the prevResult where it belongs. On ADD it would mean
// that another plugin came first; on CHECK the specification demands it.
func (c *Call) readPrevious(members []member) error {
	m, ok := find(members, "prevResult")
	ok = ok && !m.isNull()
	switch c.Command {
	case agentapi.CommandAdd:
		if ok {
			e := fault.InvalidField("prevResult", "kuryr-cni makes the interface, so it must be the first plugin of the list")
			e.Hint = "put portmap, bandwidth, tuning and the like behind it"
			return e
		}
	case agentapi.CommandCheck:
		if !ok {
			return fault.InvalidField("prevResult", "missing: CHECK needs the result of the ADD")
		}
		if kindOf(m.raw) != "an object" {
			return m.wanted("the result of the ADD")
		}
		if err := json.Unmarshal(m.raw, &c.previous); err != nil {
			return fault.InvalidField("prevResult", "not a result of version %s: %w", c.Version, err)
		}
	}
	return nil
}

// lacks names what the attachment has and the result does not. The result may
// hold more: plugins behind Kuryr add to it. A MAC or MTU that they changed is
// theirs to check.
func (p previous) lacks(at agent.Attachment) error {
	for _, want := range []struct{ name, sandbox string }{{at.Bound.Host.Name, ""}, {at.Bound.Container.Name, at.Netns}} {
		found := false
		for _, have := range p.Interfaces {
			found = found || have.Name == want.name && have.Sandbox == want.sandbox
		}
		if !found {
			return fault.New(fault.Conflict, "prevResult: the attachment's interface %s is not in it", want.name)
		}
	}
	for _, address := range at.Lease.Addresses {
		if !slices.Contains(p.IPs, previousIP{address.Prefix}) {
			return fault.New(fault.Conflict, "prevResult: the port's address %s is not in it", address.Prefix)
		}
	}
	return nil
}
