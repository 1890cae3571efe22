// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package neutrontest

import (
	"context"
	"errors"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/dns"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/qos/policies"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/quotas"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"github.com/kuryr-go/kuryr/internal/neutron"
)

// Network makes a network in the project, with a DNS domain unless it is empty.
func (p *Project) Network(t testing.TB, name, domain string) (id string) {
	t.Helper()
	var opts networks.CreateOptsBuilder = networks.CreateOpts{Name: name, ProjectID: p.ID}
	if domain != "" {
		opts = dns.NetworkCreateOptsExt{CreateOptsBuilder: opts, DNSDomain: domain}
	}
	n, err := networks.Create(t.Context(), p.network, opts).Extract()
	check(t, err)
	return n.ID
}

// Subnet makes a subnet in the project; opts need its network and CIDR.
func (p *Project) Subnet(t testing.TB, opts subnets.CreateOpts) (id string) {
	t.Helper()
	opts.ProjectID = p.ID
	if opts.IPVersion == 0 {
		opts.IPVersion = gophercloud.IPv4
	}
	s, err := subnets.Create(t.Context(), p.network, opts).Extract()
	check(t, err)
	return s.ID
}

// Group makes a security group in the project.
func (p *Project) Group(t testing.TB, name string) (id string) {
	t.Helper()
	g, err := groups.Create(t.Context(), p.network, groups.CreateOpts{Name: name, ProjectID: p.ID}).Extract()
	check(t, err)
	return g.ID
}

// QoSPolicy makes a QoS policy in the project.
func (p *Project) QoSPolicy(t testing.TB, name string) (id string) {
	t.Helper()
	q, err := policies.Create(t.Context(), p.network, policies.CreateOpts{Name: name, ProjectID: p.ID}).Extract()
	check(t, err)
	return q.ID
}

// PortQuota sets how many ports the project may have; -1 is any number.
func (p *Project) PortQuota(t testing.TB, n int) {
	t.Helper()
	_, err := quotas.Update(t.Context(), p.network, p.ID, quotas.UpdateOpts{Port: &n}).Extract()
	check(t, err)
}

// DeleteSubnet deletes a subnet before the test ends.
func (p *Project) DeleteSubnet(t testing.TB, id string) {
	t.Helper()
	check(t, subnets.Delete(t.Context(), p.network, id).ExtractErr())
}

// DeleteGroup deletes a security group before the test ends.
func (p *Project) DeleteGroup(t testing.TB, id string) {
	t.Helper()
	check(t, groups.Delete(t.Context(), p.network, id).ExtractErr())
}

// Ports lists what is left of the project's ports.
func (p *Project) Ports(t testing.TB) []neutron.Port {
	t.Helper()
	// Neutron's own ports, for metadata for example, are nobody's test's.
	all, err := p.Admin.Ports(context.WithoutCancel(t.Context()), neutron.PortFilter{ProjectID: p.ID})
	check(t, err)
	var ports []neutron.Port
	for _, port := range all {
		if port.DeviceOwner != "network:distributed" && port.DeviceOwner != "network:dhcp" {
			ports = append(ports, port)
		}
	}
	return ports
}

// empty deletes everything in the project.
func (p *Project) empty(ctx context.Context) error {
	var failures []error
	try := func(err error) {
		if err != nil && !gophercloud.ResponseCodeIs(err, 404) {
			failures = append(failures, err)
		}
	}
	ports, err := p.Admin.Ports(ctx, neutron.PortFilter{ProjectID: p.ID})
	try(err)
	for _, port := range ports {
		// Neutron deletes its own ports with the network.
		if port.DeviceOwner != "network:distributed" {
			try(p.Admin.DeletePort(ctx, port.ID))
		}
	}
	nets, err := p.Admin.Networks(ctx, neutron.Filter{ProjectID: p.ID})
	try(err)
	for _, n := range nets {
		try(networks.Delete(ctx, p.network, n.ID).ExtractErr())
	}
	sgs, err := p.Admin.SecurityGroups(ctx, neutron.Filter{ProjectID: p.ID})
	try(err)
	for _, g := range sgs {
		try(groups.Delete(ctx, p.network, g.ID).ExtractErr())
	}
	qos, err := p.Admin.QoSPolicies(ctx, neutron.Filter{ProjectID: p.ID})
	try(err)
	for _, q := range qos {
		try(policies.Delete(ctx, p.network, q.ID).ExtractErr())
	}
	try(quotas.Delete(ctx, p.network, p.ID).ExtractErr())
	return errors.Join(failures...)
}
