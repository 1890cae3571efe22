// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"github.com/kuryr-go/kuryr/internal/cloud"
	"github.com/kuryr-go/kuryr/internal/cloud/cloudtest"
)

// site is an embedded cloud with a network, and clients of it.
type site struct {
	*cloudtest.Cloud
	// network is gophercloud's client of it.
	network *gophercloud.ServiceClient
	// networkID and subnetID are of a network with room for 250 ports.
	networkID, subnetID string
}

func newSite(t *testing.T, change ...func(*cloud.Seed)) *site {
	t.Helper()
	seed := cloud.DefaultSeed()
	for _, f := range change {
		f(&seed)
	}
	s := &site{Cloud: cloudtest.Start(t, cloud.Options{Seed: &seed})}
	s.network = s.Network(s.Admin)
	n := must(t, networks.Create(t.Context(), s.network, networks.CreateOpts{Name: "n"}).Extract)
	s.networkID, s.subnetID = n.ID, s.subnet(t, n.ID, "10.0.0.0/24")
	return s
}

func (s *site) subnet(t *testing.T, network, cidr string) (id string) {
	t.Helper()
	return must(t, subnets.Create(t.Context(), s.network, subnets.CreateOpts{NetworkID: network, IPVersion: gophercloud.IPv4, CIDR: cidr}).Extract).ID
}

// client makes a client of the cloud's administrator.
func (s *site) client(t *testing.T, change ...func(*Options)) *Client {
	t.Helper()
	return newClient(t, writeCloudsOf(t, s.Endpoints().Identity, "admin", s.Seed().AdminPassword, "admin", s.Seed().Region), change...)
}

// must gives a call's result, which is no error.
func must[T any](t *testing.T, extract func() (T, error)) T {
	t.Helper()
	v, err := extract()
	if err != nil {
		t.Fatal(err)
	}
	return v
}
