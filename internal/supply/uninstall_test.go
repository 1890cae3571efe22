// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/portsbinding"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"github.com/kuryr-go/kuryr/internal/cloud"
	"github.com/kuryr-go/kuryr/internal/cloud/cloudtest"
	"github.com/kuryr-go/kuryr/internal/cloud/faults"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/neutron"
)

// site is an embedded cloud with a network on which several clusters and users
// have ports, all in one project.
type site struct {
	*cloudtest.Cloud
	api     *gophercloud.ServiceClient
	client  *neutron.Client
	network string
}

func newSite(t *testing.T) *site {
	t.Helper()
	seed := cloud.DefaultSeed()
	s := &site{Cloud: cloudtest.Start(t, cloud.Options{Seed: &seed})}
	s.api = s.Network(s.Admin)
	n, err := networks.Create(t.Context(), s.api, networks.CreateOpts{Name: "net"}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := subnets.Create(t.Context(), s.api, subnets.CreateOpts{NetworkID: n.ID, IPVersion: gophercloud.IPv4, CIDR: "10.0.0.0/20"}).Extract(); err != nil {
		t.Fatal(err)
	}
	s.network = n.ID
	file := filepath.Join(t.TempDir(), "clouds.yaml")
	text := fmt.Sprintf("clouds: {c: {auth: {auth_url: '%s', username: admin, password: '%s', project_name: admin, user_domain_name: Default, project_domain_name: Default}, region_name: %s}}",
		s.Endpoints().Identity, seed.AdminPassword, seed.Region)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// Small pages: the lists below take several.
	s.client, err = neutron.New(neutron.Options{Cloud: "c", ConfigFile: file, PageSize: 3, RequestTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.Close)
	return s
}

// port makes a port as somebody would: an agent, another cluster's, a user.
func (s *site) port(t *testing.T, owner, description, host string) string {
	t.Helper()
	p, err := ports.Create(t.Context(), s.api, portsbinding.CreateOptsExt{
		CreateOptsBuilder: ports.CreateOpts{NetworkID: s.network, Name: "p", Description: description, DeviceOwner: owner, DeviceID: "d"}, HostID: host,
	}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	return p.ID
}

// others makes ports that look like those of cluster "a" in one way or the
// other, and are not.
func (s *site) others(t *testing.T) []string {
	t.Helper()
	return []string{
		s.port(t, OwnerMade, "kuryr cluster=ab node=n1 pool=k", "n1"),
		s.port(t, OwnerMade, "kuryr cluster=b node=n1 pool=k", "n1"),
		s.port(t, OwnerMade, "kuryr cluster=b node=kuryr cluster=a node=n1 pool=k", "n1"),
		s.port(t, OwnerMade, "Kuryr cluster=a node=n1", "n1"),
		s.port(t, OwnerMade, " kuryr cluster=a node=n1", "n1"),
		s.port(t, OwnerMade, "", "n1"),
		s.port(t, "compute:kuryr2", "kuryr cluster=a node=n1 pool=k", "n1"),
		s.port(t, "compute:nova", "kuryr cluster=a node=n1 pool=k", "n1"),
		s.port(t, "", "kuryr cluster=a node=n1 pool=k", ""),
		s.port(t, OwnerAdopted, "kuryr cluster=a node=n1 pool=k", "n1"),
	}
}

func (s *site) uninstaller(t *testing.T, cluster, node string) *Uninstaller {
	t.Helper()
	u, err := NewUninstaller(s.client, UninstallOptions{Cluster: cluster, Node: node})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (s *site) list(t *testing.T, u *Uninstaller) Inventory {
	t.Helper()
	all, err := u.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// left gives the ids of all ports of the cloud.
func (s *site) left(t *testing.T) []string {
	t.Helper()
	all, err := s.client.Ports(t.Context(), neutron.PortFilter{NetworkID: s.network})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, p := range all {
		ids = append(ids, p.ID)
	}
	return slices.Sorted(slices.Values(ids))
}

func ids(list []OwnPort) []string {
	var all []string
	for _, p := range list {
		all = append(all, p.ID)
	}
	return slices.Sorted(slices.Values(all))
}

func sorted(list ...string) []string { return slices.Sorted(slices.Values(list)) }

func TestAnUninstallRemovesItsOwnClusterAndNothingElse(t *testing.T) {
	s := newSite(t)
	others := s.others(t)
	var one, two []string
	for i := range 7 {
		one = append(one, s.port(t, OwnerMade, fmt.Sprintf("kuryr cluster=a node=n1 sandbox=%d interface=eth0", i), "n1"))
		two = append(two, s.port(t, OwnerMade, "kuryr cluster=a node=n10 pool=k", "n10"))
	}
	u := s.uninstaller(t, "a", "n1")
	found := s.list(t, u)
	if !slices.Equal(ids(found.Ports), sorted(one...)) || found.Adopted != 1 || found.Others != 6+len(two) {
		t.Fatalf("of one node: %+v", found)
	}
	if p := found.Ports[0]; p.Node != "n1" || !strings.HasSuffix(p.Use, "interface=eth0") || p.Since.IsZero() || p.Name != "p" {
		t.Errorf("port %+v", p)
	}
	removeAll(t, u, found.Ports)
	if got := s.left(t); !slices.Equal(got, sorted(append(two, others...)...)) {
		t.Errorf("after the first node %v are left", got)
	}
	all := s.uninstaller(t, "a", "")
	removeAll(t, all, s.list(t, all).Ports)
	if got := s.left(t); !slices.Equal(got, sorted(others...)) {
		t.Errorf("after all nodes %v are left, want %v", got, others)
	}
	if found := s.list(t, all); len(found.Ports) != 0 {
		t.Errorf("then there still is %+v", found.Ports)
	}
}

func removeAll(t *testing.T, u *Uninstaller, list []OwnPort) {
	t.Helper()
	told := 0
	err := u.Remove(t.Context(), list, func(r Removal) {
		told++
		if r.Err != nil {
			t.Errorf("%s: %v", r.Port.ID, r.Err)
		}
	})
	if err != nil || told != len(list) {
		t.Errorf("told of %d of %d: %v", told, len(list), err)
	}
}

func TestAPortThatChangesHandsBeforeItsTurnIsSpared(t *testing.T) {
	s := newSite(t)
	mine, gone := s.port(t, OwnerMade, "kuryr cluster=a node=n1 pool=k", "n1"), s.port(t, OwnerMade, "kuryr cluster=a node=n1 pool=k", "n1")
	u := s.uninstaller(t, "a", "")
	found := s.list(t, u)
	owner := "compute:nova"
	if _, err := ports.Update(t.Context(), s.api, mine, ports.UpdateOpts{DeviceOwner: &owner}).Extract(); err != nil {
		t.Fatal(err)
	}
	if err := ports.Delete(t.Context(), s.api, gone).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	outcome := map[string]error{}
	if err := u.Remove(t.Context(), found.Ports, func(r Removal) { outcome[r.Port.ID] = r.Err }); err != nil {
		t.Fatal(err)
	}
	if !fault.Is(outcome[mine], fault.Conflict) || outcome[gone] != nil || len(outcome) != 2 {
		t.Errorf("%v", outcome)
	}
	if got := s.left(t); !slices.Equal(got, []string{mine}) {
		t.Errorf("left: %v", got)
	}
}

func TestAnUninstallGoesOnAfterFailuresAndIsRunAgain(t *testing.T) {
	s := newSite(t)
	for range 5 {
		s.port(t, OwnerMade, "kuryr cluster=a node=n1 pool=k", "n1")
	}
	s.inject(t, "rules: [{match: {method: DELETE, path: '/v2.0/ports/{id}'}, count: 2, answer: error, status: 409}]")
	u := s.uninstaller(t, "a", "")
	var failed int
	if err := u.Remove(t.Context(), s.list(t, u).Ports, func(r Removal) {
		if r.Err != nil {
			failed++
		}
	}); err != nil || failed != 2 {
		t.Errorf("%d failed, %v", failed, err)
	}
	removeAll(t, u, s.list(t, u).Ports)
	if got := s.left(t); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

func TestAnUninstallGivesUpOnACloudThatDoesNothing(t *testing.T) {
	s := newSite(t)
	all := make([]OwnPort, 3*uninstallBatch)
	for i := range all {
		all[i].ID = fmt.Sprint(i)
	}
	s.inject(t, "rules: [{match: {service: network}, answer: error, status: 500}]")
	told := 0
	err := s.uninstaller(t, "a", "").Remove(t.Context(), all, func(r Removal) {
		told++
		if r.Err == nil {
			t.Errorf("%s is said to be gone", r.Port.ID)
		}
	})
	if err == nil || told != futileBatches*uninstallBatch {
		t.Errorf("told of %d, %v", told, err)
	}
}

func TestAnUninstallThatIsInterruptedTellsOfNothingItDoesNotKnow(t *testing.T) {
	s := newSite(t)
	for range 4 {
		s.port(t, OwnerMade, "kuryr cluster=a node=n1 pool=k", "n1")
	}
	u, err := NewUninstaller(s.client, UninstallOptions{Cluster: "a", Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	found := s.list(t, u)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var told []Removal
	err = u.Remove(ctx, found.Ports, func(r Removal) {
		told = append(told, r)
		cancel()
	})
	if err == nil || len(told) != 1 || told[0].Err != nil {
		t.Errorf("%v, %v", told, err)
	}
	removeAll(t, u, s.list(t, u).Ports)
	if got := s.left(t); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

func TestAnUninstallWantsTheNameOfACluster(t *testing.T) {
	for _, o := range []UninstallOptions{{}, {Cluster: "a node=n1"}, {Cluster: "a", Node: "n1 pool=k"}} {
		if _, err := NewUninstaller(nil, o); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// inject has the cloud fail.
func (s *site) inject(t *testing.T, text string) {
	t.Helper()
	settings, err := faults.Read("faults", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Faults().Set(settings); err != nil {
		t.Fatal(err)
	}
}
