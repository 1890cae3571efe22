// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cloud

import (
	"context"
	"maps"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/identity"
	"github.com/kuryr-go/kuryr/internal/cloud/loadbalancer"
	"github.com/kuryr-go/kuryr/internal/cloud/network"
	"github.com/kuryr-go/kuryr/internal/cloud/ovn"
)

// parts are what serves, and OVN.
type parts struct {
	identity      *identity.Service
	network       *network.Service
	loadBalancers *loadbalancer.Service
	ovn           *ovn.Backend // nil: a simulator
	// muxes are in the order of served.
	muxes []*api.Mux
}

// events are what OVN reports, told to whom it concerns.
type events struct{ *parts }

// PortUp implements ovn.Events.
func (e events) PortUp(id string, up bool) { e.network.PortUp(id, up) }

// MemberStatus implements ovn.Events.
func (e events) MemberStatus(id string, online bool) { e.loadBalancers.MemberStatus(id, online) }

// close ends the parts in the opposite order of their beginning.
func (p *parts) close() {
	if p.loadBalancers != nil {
		p.loadBalancers.Close()
	}
	if p.ovn != nil {
		p.ovn.Close()
	}
	if p.network != nil {
		p.network.Close()
	}
}

func (p *parts) healthy() error {
	if p.ovn == nil {
		return nil
	}
	return p.ovn.Healthy()
}

// assemble puts the services over the tables, and OVN under them.
func (c *Cloud) assemble(ctx context.Context) (err error) {
	p := &c.parts
	if p.identity, err = identity.New(c.tables, c.identityOptions()); err != nil {
		return err
	}
	if c.options.OVNNB != "" {
		if p.ovn, err = ovn.New(c.tables, c.ovnOptions()); err != nil {
			return err
		}
	}
	if p.network, err = network.New(c.tables, c.networkOptions()); err != nil {
		return err
	}
	if p.loadBalancers, err = loadbalancer.New(c.tables, c.loadBalancerOptions()); err != nil {
		return err
	}
	if p.ovn != nil {
		p.ovn.Start(ctx, events{p})
	}
	p.loadBalancers.Start(context.WithoutCancel(ctx))
	p.muxes = []*api.Mux{p.identity.Mux(), p.network.Mux(), p.loadBalancers.Mux()}
	return nil
}

func (c *Cloud) identityOptions() identity.Options {
	s := c.seed
	endpoints := maps.Clone(s.Endpoints)
	if endpoints == nil {
		endpoints = map[string]string{}
	}
	for i, w := range served {
		endpoints[w.kind] = c.url(i)
	}
	return identity.Options{
		AdminPassword: s.AdminPassword, Region: s.Region, TokenLifetime: s.TokenLifetime, Roles: s.Roles, Projects: s.Projects,
		Users: s.Users, ApplicationCredentials: s.ApplicationCredentials, Endpoints: endpoints,
		Logger: c.options.Logger, Now: c.options.Now,
	}
}

func (c *Cloud) ovnOptions() ovn.Options {
	return ovn.Options{
		NB: c.options.OVNNB, SB: c.options.OVNSB, DNSServers: c.seed.Network.DNSServers, DNSDomain: c.seed.Network.DNSDomain,
		CentralFloatingIPs: c.seed.Network.CentralFloatingIPs,
		Logger:             c.options.Logger, Now: c.options.Now,
	}
}

// policy gives the seed's policy of Octavia, or that of Neutron.
func (c *Cloud) policy(ofOctavia bool) map[string][]string {
	rules := map[string][]string{}
	for rule, roles := range c.seed.Policy {
		if ofOctavia == (strings.HasPrefix(rule, "load-balancer:") || strings.HasPrefix(rule, "os_load-balancer_api:")) {
			rules[rule] = roles
		}
	}
	return rules
}

func (c *Cloud) networkOptions() network.Options {
	n := c.seed.Network
	o := network.Options{
		Authenticator: c.parts.identity, IdentityURL: c.url(0), Policy: c.policy(false),
		PhysicalNetworks: n.PhysicalNetworks, VLANRanges: n.VLANRanges, GeneveRange: n.GeneveRange,
		MTU: n.MTU, MaxHeaderSize: n.MaxHeaderSize, DNSDomain: n.DNSDomain, MaxFixedIPsPerPort: n.MaxFixedIPsPerPort,
		Quota: n.Quota, Extensions: n.Extensions, ActiveDelay: c.faults.PortActiveDelay,
		Logger: c.options.Logger, Now: c.options.Now,
	}
	if c.parts.ovn != nil {
		o.Backend = c.parts.ovn
	}
	return o
}

func (c *Cloud) loadBalancerOptions() loadbalancer.Options {
	l := c.seed.LoadBalancer
	o := loadbalancer.Options{
		Authenticator: c.parts.identity, Policy: c.policy(true), Ports: c.parts.network, Providers: l.Providers, Provider: l.Provider,
		Quota: l.Quota, Delay: c.faults.LoadBalancerDelay, AmphoraDelay: c.faults.AmphoraDelay,
		IdentityURL: c.url(0), Logger: c.options.Logger, Now: c.options.Now,
	}
	if l.OVNProvider == latest {
		o.OVNProvider = loadbalancer.LatestOVNProvider()
	}
	if c.parts.ovn != nil {
		o.Backend = c.parts.ovn
	}
	return o
}
