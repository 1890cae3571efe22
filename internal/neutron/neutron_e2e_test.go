// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package neutron_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/neutron"
	"github.com/kuryr-go/kuryr/internal/neutron/neutrontest"
)

// bench is a project with a network of one small subnet.
type bench struct {
	*neutrontest.Project
	network, subnet string
}

func newBench(t *testing.T) bench {
	t.Helper()
	p := neutrontest.New(t)
	b := bench{Project: p, network: p.Network(t, p.Name+"-net", "")}
	b.subnet = p.Subnet(t, subnets.CreateOpts{NetworkID: b.network, Name: p.Name + "-subnet", CIDR: "10.9.0.0/26"})
	return b
}

// expect checks an error's class and words.
func expect(t *testing.T, err error, class fault.Class, says ...string) {
	t.Helper()
	f, ok := fault.As(err)
	if !ok || f.Class != class {
		t.Errorf("class %q, want %q: %v", fault.ClassOf(err), class, err)
		return
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%q does not say %q", err, s)
		}
	}
	if f.RequestID == "" || !strings.Contains(err.Error(), f.RequestID) {
		t.Errorf("%q has no request id", err)
	}
}

func TestARevokedTokenIsRenewed(t *testing.T) {
	b := newBench(t)
	c := b.Member(t)
	// Only a login: a token that Neutron has seen, it believes for minutes.
	if _, err := c.Scope(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := c.Token()
	b.Revoke(t, before)
	if _, err := c.CreatePort(t.Context(), neutron.PortCreate{NetworkID: b.network}); err != nil {
		t.Fatal(err)
	}
	if c.Token() == before {
		t.Error("the token is still the one that was revoked")
	}
	if ports := b.Ports(t); len(ports) != 1 {
		t.Errorf("%d ports were made by one create", len(ports))
	}
}

func TestAnApplicationCredentialLogsIn(t *testing.T) {
	b := newBench(t)
	c := b.ApplicationCredential(t)
	scope, err := c.Scope(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if scope.ProjectID != b.ID || scope.UserName != b.Name || scope.Endpoint == "" {
		t.Errorf("got %+v", scope)
	}
	nets, err := c.Networks(t.Context(), neutron.Filter{Name: b.Name + "-net"})
	if err != nil || len(nets) != 1 || nets[0].ID != b.network || nets[0].MTU == 0 {
		t.Errorf("got %+v, %v", nets, err)
	}
}

func TestBulkCreatePagingAndFilters(t *testing.T) {
	b := newBench(t)
	var specs []neutron.PortCreate
	for i := range 7 {
		specs = append(specs, neutron.PortCreate{
			NetworkID: b.network, ProjectID: b.ID, Name: fmt.Sprintf("%s-%d", b.Name, i),
			DeviceOwner: "compute:kuryr", DeviceID: fmt.Sprintf("d%d", i%2), HostID: b.Hosts[i%2], SecurityGroups: []string{},
		})
	}
	made, err := createAll(t, b.Admin, specs)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range made {
		if p.Name != specs[i].Name || p.VIFType == nil || *p.VIFType != "ovs" || *p.HostID != b.Hosts[i%2] || len(p.SecurityGroups) != 0 || len(p.FixedIPs) != 1 {
			t.Errorf("port %d: %+v", i, p)
		}
	}
	paging := neutrontest.Client(t, neutron.Options{PageSize: 2})
	address := made[3].FixedIPs[0].IPAddress
	for name, tt := range map[string]struct {
		filter neutron.PortFilter
		want   int
	}{
		"project and owner": {neutron.PortFilter{ProjectID: b.ID, DeviceOwner: "compute:kuryr"}, 7},
		"limit":             {neutron.PortFilter{ProjectID: b.ID, DeviceOwner: "compute:kuryr", Limit: 3}, 3},
		"host":              {neutron.PortFilter{ProjectID: b.ID, DeviceOwner: "compute:kuryr", Host: b.Hosts[0]}, 4},
		"device":            {neutron.PortFilter{DeviceID: "d1", NetworkID: b.network}, 3},
		"address":           {neutron.PortFilter{NetworkID: b.network, Address: address}, 1},
		"address in subnet": {neutron.PortFilter{SubnetID: b.subnet, Address: address}, 1},
		"MAC":               {neutron.PortFilter{NetworkID: b.network, MACAddress: made[0].MACAddress}, 1},
		"name":              {neutron.PortFilter{Name: made[2].Name}, 1},
		"ids":               {neutron.PortFilter{IDs: []string{made[0].ID, made[1].ID, made[2].ID}}, 3},
		"nothing":           {neutron.PortFilter{IDs: []string{"00000000-0000-4000-8000-000000000000"}}, 0},
	} {
		ports, err := paging.Ports(t.Context(), tt.filter)
		ids := map[string]bool{}
		for _, p := range ports {
			ids[p.ID] = true
		}
		if err != nil || len(ports) != tt.want || len(ids) != tt.want {
			t.Errorf("%s: %d ports, %d different, want %d: %v", name, len(ports), len(ids), tt.want, err)
		}
	}
}

// createAll asks for ports at the same time. The error joins those of all.
func createAll(t *testing.T, c *neutron.Client, specs []neutron.PortCreate) (ports []neutron.Port, err error) {
	var creations []*neutron.Creation
	for _, s := range specs {
		creations = append(creations, c.StartPort(t.Context(), s))
	}
	for _, creation := range creations {
		p, failure := creation.Wait(t.Context())
		ports, err = append(ports, p), errors.Join(err, failure)
	}
	return ports, err
}

func TestAPortThatIsRefusedDoesNotFailThoseBesideIt(t *testing.T) {
	b := newBench(t)
	made, err := createAll(t, b.Admin, []neutron.PortCreate{
		{NetworkID: b.network, ProjectID: b.ID},
		{NetworkID: b.network, ProjectID: b.ID, FixedIPs: []neutron.FixedIP{{IPAddress: netip.MustParseAddr("192.0.2.1")}}},
		{NetworkID: b.network, ProjectID: b.ID},
	})
	expect(t, err, fault.Invalid, "create port:", "192.0.2.1")
	if ports := b.Ports(t); len(ports) != 2 || made[0].ID == "" || made[1].ID != "" || made[2].ID == "" {
		t.Errorf("%d ports were made: %+v", len(ports), made)
	}
}

func TestAnUpdateOfAnOldRevisionIsAConflict(t *testing.T) {
	b := newBench(t)
	port, err := b.Admin.CreatePort(t.Context(), neutron.PortCreate{NetworkID: b.network, ProjectID: b.ID})
	if err != nil {
		t.Fatal(err)
	}
	name, revision := "first", port.Revision
	changed, err := b.Admin.UpdatePort(t.Context(), port.ID, neutron.PortUpdate{Name: &name, IfRevision: &revision})
	if err != nil || changed.Name != name || changed.Revision <= revision {
		t.Fatalf("%+v, %v", changed, err)
	}
	name = "second"
	_, err = b.Admin.UpdatePort(t.Context(), port.ID, neutron.PortUpdate{Name: &name, IfRevision: &revision})
	expect(t, err, fault.Conflict, "RevisionNumberConstraintFailed")
	if now, err := b.Admin.Port(t.Context(), port.ID); err != nil || now.Name != "first" {
		t.Errorf("%+v, %v", now, err)
	}
}

func TestNeutronsOwnWordsReachTheCaller(t *testing.T) {
	b := newBench(t)
	c := b.Member(t)
	port, err := c.CreatePort(t.Context(), neutron.PortCreate{NetworkID: b.network})
	if err != nil {
		t.Fatal(err)
	}
	address := port.FixedIPs[0].IPAddress
	create := func(spec neutron.PortCreate) error {
		spec.NetworkID = b.network
		_, err := c.CreatePort(t.Context(), spec)
		return err
	}
	err = create(neutron.PortCreate{FixedIPs: []neutron.FixedIP{{SubnetID: b.subnet, IPAddress: address}}})
	expect(t, err, fault.Conflict, "neutron: create port: IpAddressAlreadyAllocated", address.String())
	err = create(neutron.PortCreate{MACAddress: port.MACAddress})
	expect(t, err, fault.Conflict, neutron.TypeMACInUse, port.MACAddress)
	err = create(neutron.PortCreate{HostID: b.Hosts[0]})
	expect(t, err, fault.Unauthorized, "disallowed by policy", "lacks the policy rule create_port:binding:host_id")
	_, err = c.Port(t.Context(), "00000000-0000-4000-8000-000000000000")
	expect(t, err, fault.NotFound, "PortNotFound")
	_, err = b.Admin.CreatePort(t.Context(), neutron.PortCreate{NetworkID: "00000000-0000-4000-8000-000000000000"})
	expect(t, err, fault.NotFound, neutron.TypeNetworkNotFound)

	b.PortQuota(t, len(b.Ports(t)))
	err = create(neutron.PortCreate{})
	expect(t, err, fault.Quota, "OverQuota: Quota exceeded for resources: ['port'].")
}

func TestAMemberSeesNoBindingAndAnAdministratorDoes(t *testing.T) {
	b := newBench(t)
	c := b.Member(t)
	port, err := c.CreatePort(t.Context(), neutron.PortCreate{NetworkID: b.network})
	if err != nil || port.HostID != nil || port.VIFType != nil {
		t.Errorf("%+v, %v", port, err)
	}
	seen, err := b.Admin.Port(t.Context(), port.ID)
	if err != nil || seen.HostID == nil || *seen.HostID != "" || *seen.VIFType != "unbound" {
		t.Errorf("%+v, %v", seen, err)
	}
}

func TestTheExtensionTableIsNeutrons(t *testing.T) {
	p := neutrontest.New(t)
	table, err := p.Admin.Capabilities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, alias := range []string{"binding", "security-group", "port-security", "qos", "revision-if-match", "trunk"} {
		if !table.Has(alias) {
			t.Errorf("no %s in %v", alias, table.Aliases())
		}
	}
	if table.Has("no-such-extension") || !slices.IsSorted(table.Aliases()) {
		t.Errorf("%v", table.Aliases())
	}
}

func TestNamesAndIDsAreFound(t *testing.T) {
	b := newBench(t)
	group, policy := b.Group(t, b.Name+"-sg"), b.QoSPolicy(t, b.Name+"-qos")
	c := b.Member(t)
	subnet, err := c.Subnets(t.Context(), neutron.Filter{NetworkID: b.network})
	if err != nil || len(subnet) != 1 || subnet[0].ID != b.subnet || subnet[0].CIDR.String() != "10.9.0.0/26" || subnet[0].GatewayIP.String() != "10.9.0.1" {
		t.Errorf("%+v, %v", subnet, err)
	}
	groups, err := c.SecurityGroups(t.Context(), neutron.Filter{Name: b.Name + "-sg"})
	if err != nil || len(groups) != 1 || groups[0].ID != group {
		t.Errorf("%+v, %v", groups, err)
	}
	qos, err := c.QoSPolicies(t.Context(), neutron.Filter{IDs: []string{policy}})
	if err != nil || len(qos) != 1 || qos[0].Name != b.Name+"-qos" {
		t.Errorf("%+v, %v", qos, err)
	}
	nets, err := b.Admin.Networks(t.Context(), neutron.Filter{IDs: []string{b.network}})
	if err != nil || len(nets) != 1 || nets[0].NetworkType == "" {
		t.Errorf("%+v, %v", nets, err)
	}
}

func TestProjectsAreFoundAsFarAsTheRightsGo(t *testing.T) {
	p := neutrontest.New(t)
	want := neutron.Project{ID: p.ID, Name: p.Name, DomainID: "default"}
	for _, word := range []string{p.ID, p.Name} {
		found, err := p.Admin.FindProjects(t.Context(), word)
		if err != nil || !slices.Equal(found, []neutron.Project{want}) {
			t.Errorf("%s: %+v, %v", word, found, err)
		}
	}
	if found, err := p.Admin.FindProjects(t.Context(), p.Name+"-absent"); err != nil || len(found) != 0 {
		t.Errorf("absent: %+v, %v", found, err)
	}
	member := p.Member(t)
	if found, err := member.FindProjects(t.Context(), p.Name); err != nil || len(found) != 1 || found[0].ID != p.ID {
		t.Errorf("own: %+v, %v", found, err)
	}
	_, err := member.FindProjects(t.Context(), "admin")
	if !fault.Is(err, fault.Unauthorized) || !strings.Contains(err.Error(), `"admin"`) || !strings.Contains(err.Error(), "use the project's id") {
		t.Errorf("foreign name: %v", err)
	}
	const foreign = "0123456789abcdef0123456789abcdef"
	if found, err := member.FindProjects(t.Context(), foreign); err != nil || len(found) != 1 || found[0].ID != foreign {
		t.Errorf("foreign id: %+v, %v", found, err)
	}
	var cause *neutron.APIError
	if !errors.As(err, &cause) || cause.Status != 403 {
		t.Errorf("the cause is lost: %v", err)
	}
}
