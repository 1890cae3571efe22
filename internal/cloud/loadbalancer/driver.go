// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"fmt"
	"strings"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/loadbalancer/wsme"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// The providers.
const (
	providerOVN     = "ovn"
	providerAmphora = "amphora"
)

// Provisioning and operating statuses.
const (
	active        = "ACTIVE"
	pendingCreate = "PENDING_CREATE"
	pendingUpdate = "PENDING_UPDATE"
	pendingDelete = "PENDING_DELETE"

	online    = "ONLINE"
	offline   = "OFFLINE"
	degraded  = "DEGRADED"
	failed    = "ERROR" // of both kinds
	draining  = "DRAINING"
	noMonitor = "NO_MONITOR"
)

// driver is a provider: what it refuses, and how what it accepts ends.
//
// The methods that look at a change get rows as they shall be. body is what the
// request gives, nil inside a tree. A next method sets Next, the operating
// status that rows will have, where the change decides on it.
type driver interface {
	// createVIP makes the port of a new load balancer, or takes the given one.
	createVIP(tx *store.Tx, request string, lb *model.LoadBalancer) error
	listener(l *model.Listener, body wsme.Object) error
	pool(p *model.LBPool, body wsme.Object) error
	member(tx *store.Tx, lb *model.LoadBalancer, p *model.LBPool, m *model.Member) error
	memberUpdate(lb *model.LoadBalancer, m *model.Member) error
	// memberBatch checks all members that a pool shall have; some are new.
	memberBatch(tx *store.Tx, lb *model.LoadBalancer, p *model.LBPool, all []*model.Member) error
	monitor(hm *model.HealthMonitor) error
	policy(l *model.Listener, verb string) error
	rule(verb string) error
	failover() error
	flavor(data map[string]any) error
	zone(data map[string]any) error
	flavorMetadata() (map[string]string, error)
	zoneMetadata() (map[string]string, error)

	nextLoadBalancer(lb *model.LoadBalancer)
	nextListener(l *model.Listener)
	nextPool(p *model.LBPool, created, used bool)
	nextMember(tx *store.Tx, p *model.LBPool, m *model.Member)
	nextMonitor(tx *store.Tx, p *model.LBPool, hm *model.HealthMonitor, created bool)
	// members looks at a pool whose members have been changed; left of them remain.
	members(p *model.LBPool, left int)

	// settle looks at a load balancer whose change is done, reported at one of
	// whose members something was reported.
	settle(tx *store.Tx, lb *model.LoadBalancer)
	reported(tx *store.Tx, lb *model.LoadBalancer)
	// delay is what a change takes.
	delay(create bool) time.Duration
}

func (s *Service) newDriver(name string) (driver, error) {
	switch name {
	case providerOVN:
		return &ovnDriver{s, s.o.OVNProvider}, nil
	case providerAmphora:
		return &amphoraDriver{s}, nil
	}
	return nil, fmt.Errorf("loadbalancer: there is no provider %q; there are %s and %s", name, providerOVN, providerAmphora)
}

// driver gives an enabled provider.
func (s *Service) driver(name string) (driver, error) {
	if d := s.drivers[name]; d != nil {
		return d, nil
	}
	return nil, badRequest("Provider '%s' is not enabled.", name)
}

// upDown is the operating status of what is as its administrator wants it.
func upDown(up bool) string {
	if up {
		return online
	}
	return offline
}

// isIPv6 tells whether an address or a CIDR that was checked is of IPv6.
func isIPv6(s string) bool { return strings.Contains(s, ":") }
