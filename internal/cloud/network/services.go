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

// defaultGroup gives the project's default security group, and makes it when
// it is not there yet. It is nil where the caller may not make one for the
// project; c is nil where nobody asks.
func (s *Service) defaultGroup(_ *store.Tx, _ *rest.Call, _ string) (*model.SecurityGroup, error) {
	return nil, nil
}

// portGroups checks that a port may be in the security groups that it names. The error is the answer.
func (s *Service) portGroups(_ store.Reader, _ *rest.Call, _ *model.Port) error { return nil }

// qosPolicy gives a QoS policy that the caller may use. The error is the answer.
func (s *Service) qosPolicy(_ store.Reader, _ *rest.Call, _ string) (*model.QoSPolicy, error) {
	return nil, nil
}

// defaultQoSPolicy is what a project's new networks have where they name none; nil: none.
func (s *Service) defaultQoSPolicy(_ store.Reader, _ string) *string { return nil }

// portMayGo refuses to delete, by the port API, a port that a router, a floating IP or a trunk has.
func (s *Service) portMayGo(_ store.Reader, _ *model.Port) error { return nil }

// portChanges is asked before a port is stored; row is what it will be, old is nil for a new one,
// c where nobody asks.
func (s *Service) portChanges(_ *store.Tx, _ *rest.Call, _, _ *model.Port) error { return nil }

// portGone takes the port out of what used it, in the commit that deletes it.
func (s *Service) portGone(_ *store.Tx, _ *model.Port) error { return nil }

// portStatus follows a port's new status or binding, after it is stored (trunks).
func (s *Service) portStatus(_ *store.Tx, _ *model.Port) {}

// networkChanges is asked before a network is stored; old is nil for a new one.
func (s *Service) networkChanges(_ *store.Tx, _ *rest.Call, _, _ *model.Network) error { return nil }

// trunkDetails is what a trunk's parent port shows of the trunk; nil: it is no parent. A list does
// without the subports' MAC addresses.
func (s *Service) trunkDetails(_ store.Reader, _ *model.Port, _ bool) any { return nil }

// serviceCount is how many a project has of a resource of this half; false: it is none of it.
func (s *Service) serviceCount(_ store.Reader, _, _ string) (int, bool) { return 0, false }
