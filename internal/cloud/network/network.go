// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"context"
	_ "embed" // the tables
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

//go:embed attributes.txt
var attributeTable string

//go:embed policy.txt
var policyTable string

// Backend makes the network real.
type Backend interface {
	// Settle returns when a commit of the store is in effect in OVN's northbound database.
	Settle(ctx context.Context, seq uint64) error
	// Chassis gives the hypervisors.
	Chassis() []model.Chassis
	// RemoveChassis makes OVN forget one.
	RemoveChassis(ctx context.Context, name string) error
}

// Options are what a Service is made of.
type Options struct {
	Authenticator api.Authenticator
	// IdentityURL is where a caller without a token is sent; may be empty.
	IdentityURL string
	// Policy gives further roles to whom a rule of policy.txt holds.
	Policy map[string][]string
	// PhysicalNetworks are those that flat networks may be on; VLANRanges are
	// "physnet:first:last", GeneveRange "first:last".
	PhysicalNetworks []string
	VLANRanges       []string
	GeneveRange      string
	// MTU of the physical networks in bytes, and how much of it geneve's headers take.
	MTU, MaxHeaderSize int
	// DNSDomain is the one of ports without another; with a dot at its end.
	DNSDomain string
	// MaxFixedIPsPerPort is of neutron.conf, which takes no notice of it any more.
	MaxFixedIPsPerPort int
	// Quota is a project's limit of each resource, where it has no other; -1 is none.
	Quota map[string]int
	// Extensions are optional ones to serve ("tag-ports-during-bulk-creation").
	Extensions []string
	// ActiveDelay is how long a port stays DOWN after its chassis has it.
	ActiveDelay func() time.Duration
	// Backend is OVN. Nil: every host binds, and a bound port is ACTIVE.
	Backend Backend
	Logger  *slog.Logger
	Now     func() time.Time
}

// Service is Neutron.
type Service struct {
	*model.Tables
	o          Options
	mux        *api.Mux
	engine     *rest.Engine
	attributes map[string]*rest.Attributes
	extensions []extension
	segments   *segments
	quota      map[string]int // a project's, where it has no other
	addresses  *addresses
	counts     counts
	timers     timers
}

// New makes the service over the tables. Close ends it.
func New(t *model.Tables, o Options) (*Service, error) {
	s := &Service{Tables: t, o: o, addresses: &addresses{of: map[string]*subnetAddresses{}}, quota: maps.Clone(defaultQuota)}
	maps.Copy(s.quota, o.Quota)
	policy, err := s.parse()
	if err != nil {
		return nil, err
	}
	s.mux = api.NewMux(api.Options{
		Name: "network", Authenticator: o.Authenticator, Render: rest.Render, Unauthorized: rest.Unauthorized(o.IdentityURL), Logger: o.Logger,
	})
	s.engine = &rest.Engine{Mux: s.mux, Store: t.Store, Policy: policy, Quota: s.withinQuota, Now: o.Now}
	if o.Backend != nil {
		s.engine.Settle = o.Backend.Settle
	}
	t.Subscribe(s.follow)
	t.View(func(r store.Reader) { s.counts = s.countAll(r) })
	s.serveCore()
	s.serveServices()
	s.resume()
	return s, nil
}

// parse reads the tables and what the options say in words.
func (s *Service) parse() (*rest.Policy, error) {
	checks := rest.Checks{"dns-host-name": rest.Plain(dnsNameCheck(s.o.DNSDomain))}
	maps.Copy(checks, coreChecks)
	maps.Copy(checks, serviceChecks)
	var err error
	if s.attributes, err = rest.ParseAttributes(attributeTable, checks); err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	if s.extensions, err = parseExtensions(extensionTable, s.o.Extensions); err != nil {
		return nil, err
	}
	if s.segments, err = newSegments(s.o); err != nil {
		return nil, err
	}
	policy, err := rest.ParsePolicy(policyTable, s.o.Policy)
	if err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	return policy, nil
}

// Mux is the service's HTTP side.
func (s *Service) Mux() *api.Mux { return s.mux }
