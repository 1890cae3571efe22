// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// Ports makes and removes the ports of VIPs. Its errors are *api.Error, in
// Neutron's words.
type Ports interface {
	// AllocatePort makes a port; what it does not say is filled in.
	AllocatePort(tx *store.Tx, p model.Port) (*model.Port, error)
	// ReleasePort removes one.
	ReleasePort(tx *store.Tx, id string)
}

// Backend makes load balancers real.
type Backend interface {
	// Settle returns when a commit of the store is in effect in OVN's northbound
	// database; an error: it may not be yet.
	Settle(ctx context.Context, seq uint64) error
}

// Statistics are the counters of a listener.
type Statistics struct {
	BytesIn           int64 `json:"bytes_in"`
	BytesOut          int64 `json:"bytes_out"`
	ActiveConnections int64 `json:"active_connections"`
	TotalConnections  int64 `json:"total_connections"`
	RequestErrors     int64 `json:"request_errors"`
}

// Options are what a Service is made of.
type Options struct {
	Authenticator api.Authenticator
	// Policy gives further roles to whom a rule of Octavia's policy holds:
	// "load-balancer:read", "load-balancer:write", "load-balancer:admin" and their
	// like, or one action, such as "os_load-balancer_api:loadbalancer:post". Rules
	// of others are not looked at.
	Policy map[string][]string
	Ports  Ports
	// Backend is OVN; nil: there is nothing to wait for.
	Backend Backend
	// Providers are those that are enabled; none: ovn and amphora.
	Providers []string
	// Provider is that of load balancers that name none; empty: the first of Providers.
	Provider string
	// OVNProvider is what the provider ovn can do beyond version 3.0.0.
	OVNProvider OVNProvider
	// Delay is how long at least a load balancer is PENDING; nil: no time.
	Delay func() time.Duration
	// AmphoraDelay is what the provider amphora takes beyond that, to make a load
	// balancer or to change one; nil: 3 seconds for a virtual machine that boots,
	// and 300 milliseconds.
	AmphoraDelay func(create bool) time.Duration
	// Quota is a project's limit of each resource (load_balancer, listener, pool,
	// health_monitor, member, l7policy, l7rule), where it has no other; -1, or
	// not to be there, is none.
	Quota map[string]int
	// Statistics gives a listener's counters; nil: zeros.
	Statistics func(listenerID string) Statistics
	// IdentityURL is Keystone's, for answers to who has no token; may be empty.
	IdentityURL string
	Logger      *slog.Logger
	// Now is the clock for what is stored; nil: time.Now.
	Now func() time.Time
}

// Service is Octavia.
type Service struct {
	*model.Tables
	o       Options
	mux     *api.Mux
	drivers map[string]driver
	work    *transitions
}

// New makes the service over the tables. What is PENDING goes on from Start.
func New(t *model.Tables, o Options) (*Service, error) {
	if len(o.Providers) == 0 {
		o.Providers = []string{providerOVN, providerAmphora}
	}
	if o.Provider == "" {
		o.Provider = o.Providers[0]
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.AmphoraDelay == nil {
		o.AmphoraDelay = amphoraDelay
	}
	s := &Service{Tables: t, o: o, drivers: map[string]driver{}}
	for _, name := range o.Providers {
		d, err := s.newDriver(name)
		if err != nil {
			return nil, err
		}
		s.drivers[name] = d
	}
	if s.drivers[o.Provider] == nil {
		return nil, fmt.Errorf("loadbalancer: the default provider %q is not enabled", o.Provider)
	}
	if err := checkPolicy(o.Policy); err != nil {
		return nil, err
	}
	for name := range o.Quota {
		if !isResource(name) {
			return nil, fmt.Errorf("loadbalancer: quota: there is no resource %q", name)
		}
	}
	s.work = newTransitions(s)
	s.mux = api.NewMux(api.Options{
		Name: "load-balancer", Authenticator: o.Authenticator, Render: render, Unauthorized: s.unauthorized, Logger: o.Logger,
	})
	s.serve()
	return s, nil
}

// Mux is the service's HTTP side.
func (s *Service) Mux() *api.Mux { return s.mux }

// Start carries on what is PENDING, now and from now on, until ctx ends or Close.
func (s *Service) Start(ctx context.Context) { s.work.start(ctx) }

// Close ends what Start began, and returns when it has ended.
func (s *Service) Close() { s.work.close() }

// change runs a request's whole change.
func (s *Service) change(do func(tx *store.Tx) (api.Reply, error)) (reply api.Reply, err error) {
	_, err = s.Update(func(tx *store.Tx) error {
		reply, err = do(tx)
		return err
	})
	return reply, err
}

// look runs a request that changes nothing.
func (s *Service) look(do func(r store.Reader) (api.Reply, error)) (reply api.Reply, err error) {
	s.View(func(r store.Reader) { reply, err = do(r) })
	return reply, err
}
