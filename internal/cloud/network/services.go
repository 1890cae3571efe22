// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// serviceChecks are the checks of the attributes of what uses ports.
var serviceChecks = rest.Checks{
	"fip-dns-host-name": rest.Plain(anything),
	"dict-or-nodata":    rest.Plain(anything),
	"sg-protocol":       rest.Plain(anything),
	"port-value":        rest.Plain(anything),
	"ethertype":         rest.Plain(anything),
	"prefix":            rest.Plain(anything),
	"name-not-default":  rest.Plain(anything),
	"subports":          rest.Plain(anything),
	"port-range":        rest.Plain(anything),
	"protocol":          rest.Plain(anything),
}

func (s *Service) serveServices() {}

// defaultGroup gives the project's default security group, and makes it when it is not there yet.
func (s *Service) defaultGroup(_ *store.Tx, _ string) *model.SecurityGroup { return nil }

// portGroups checks that a port of the project may be in the groups. The error is the answer.
func (s *Service) portGroups(_ store.Reader, _ rest.Call, _ []string) error { return nil }

// portMayGo refuses to delete, by the port API, a port that a router or a floating IP owns.
func (s *Service) portMayGo(_ store.Reader, _ *model.Port) error { return nil }

// portChanges is asked before a port's change is stored; row is what it will be.
func (s *Service) portChanges(_ *store.Tx, _, _ *model.Port) error { return nil }

// portGone takes the port out of what used it (floating IPs), in the commit that deletes it.
func (s *Service) portGone(_ *store.Tx, _ *model.Port) error { return nil }

// portStatus follows a port's new status (trunks, floating IPs).
func (s *Service) portStatus(_ *store.Tx, _ *model.Port) {}

// networkChanges is asked before a network's change is stored (an external one in use must remain so).
func (s *Service) networkChanges(_ *store.Tx, _, _ *model.Network) error { return nil }

// trunkDetails is what a trunk's parent port shows of the trunk; nil: it is no parent.
func (s *Service) trunkDetails(_ store.Reader, _ *model.Port) any { return nil }

// serviceCount is how many a project has of a resource of this half; false: it is none of it.
func (s *Service) serviceCount(_ store.Reader, _, _ string) (int, bool) { return 0, false }
