// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package neutron

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/external"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/qos/policies"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"pgregory.net/rapid"

	"github.com/kuryr-go/kuryr/internal/cloud"
	"github.com/kuryr-go/kuryr/internal/fault"
)

func TestAPortTellsWhenItWasMadeAndItsTags(t *testing.T) {
	const tagged = "tag-ports-during-bulk-creation"
	s := newSite(t, func(s *cloud.Seed) { s.Network.Extensions = []string{tagged} })
	c := s.client(t)
	table, err := c.Capabilities(t.Context())
	if err != nil || !table.Has(tagged) {
		t.Fatalf("%v, %v", table, err)
	}
	before := time.Now().Truncate(time.Second)
	made, err := c.CreatePort(t.Context(), PortCreate{NetworkID: s.networkID, Tags: []string{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	seen, err := c.Port(t.Context(), made.ID)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(seen.Tags)
	if seen.CreatedAt.Before(before) || seen.CreatedAt.After(time.Now()) || !slices.Equal(seen.Tags, []string{"a", "b"}) {
		t.Errorf("made at %v with tags %v", seen.CreatedAt, seen.Tags)
	}
	for _, silent := range []string{`{"id": "x"}`, `{"id": "x", "created_at": null, "tags": null}`} {
		var p Port
		if err := json.Unmarshal([]byte(silent), &p); err != nil || !p.CreatedAt.IsZero() || p.Tags != nil {
			t.Errorf("%s: %+v, %v", silent, p, err)
		}
	}
}

func TestEveryAttributeOfAPortCanBeChangedAndTakenBack(t *testing.T) {
	s := newSite(t)
	c := s.client(t)
	policy := must(t, policies.Create(t.Context(), s.network, policies.CreateOpts{Name: "q"}).Extract).ID
	group := must(t, groups.Create(t.Context(), s.network, groups.CreateOpts{Name: "g"}).Extract).ID
	old, err := c.CreatePort(t.Context(), PortCreate{NetworkID: s.networkID})
	if err != nil {
		t.Fatal(err)
	}
	fixed := []FixedIP{{SubnetID: s.subnetID, IPAddress: netip.MustParseAddr("10.0.0.99")}}
	pairs := []AddressPair{{IPAddress: "10.1.0.0/16", MACAddress: "fa:16:3e:00:00:09"}}
	changed, err := c.UpdatePort(t.Context(), old.ID, PortUpdate{
		Description: new("d"), AdminStateUp: new(false), FixedIPs: &fixed, SecurityGroups: &[]string{group},
		AllowedAddressPairs: &pairs, QoSPolicyID: &Nullable[string]{&policy},
	})
	if err != nil {
		t.Fatal(err)
	}
	if changed.Description != "d" || changed.AdminStateUp || *changed.QoSPolicyID != policy {
		t.Errorf("%+v", changed)
	}
	if diff := cmp.Diff(fixed, changed.FixedIPs, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if !slices.Equal(changed.SecurityGroups, []string{group}) || !slices.Equal(changed.AllowedAddressPairs, pairs) {
		t.Errorf("%+v", changed)
	}
	var none []string
	bare, err := c.UpdatePort(t.Context(), old.ID, PortUpdate{
		Description: new(""), AdminStateUp: new(true), SecurityGroups: &none, AllowedAddressPairs: new([]AddressPair),
		PortSecurityEnabled: new(false), QoSPolicyID: &Nullable[string]{},
	})
	if err != nil {
		t.Fatal(err)
	}
	if bare.Description != "" || !bare.AdminStateUp || bare.QoSPolicyID != nil || *bare.PortSecurityEnabled {
		t.Errorf("%+v", bare)
	}
	if len(bare.SecurityGroups)+len(bare.AllowedAddressPairs) != 0 || !slices.Equal(bare.FixedIPs, fixed) {
		t.Errorf("%+v", bare)
	}
}

func TestAnUpdateSaysWhatShallBeEmptyAndWhatIsToGo(t *testing.T) {
	got, err := json.Marshal(PortUpdate{DNSName: new(""), QoSPolicyID: &Nullable[string]{}, SecurityGroups: &[]string{}})
	if want := `{"security_groups":[],"qos_policy_id":null,"dns_name":""}`; err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
}

func TestALongFilterIsAskedInParts(t *testing.T) {
	var requests atomic.Int32
	e := newEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if len(r.URL.String()) > 4096 {
			t.Errorf("an address of %d bytes", len(r.URL.String()))
		}
		found := []map[string]any{}
		for _, id := range r.URL.Query()["device_id"] {
			found = append(found, map[string]any{"id": "port of " + id, "device_id": id})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"ports": found})
	})
	c := e.client(t)
	devices := make([]string, 500)
	for i := range devices {
		devices[i] = fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
	}
	found, err := c.Ports(t.Context(), PortFilter{DeviceIDs: append(devices, devices[7])})
	if err != nil {
		t.Fatal(err)
	}
	var owners []string
	for _, p := range found {
		owners = append(owners, p.DeviceID)
	}
	if diff := cmp.Diff(devices, owners); diff != "" || requests.Load() < 2 {
		t.Errorf("%d requests: %s", requests.Load(), diff)
	}
	requests.Store(0)
	if some, err := c.Ports(t.Context(), PortFilter{DeviceIDs: devices, Limit: 3}); err != nil || len(some) != 3 || requests.Load() != 1 {
		t.Errorf("with a limit of 3: %d ports in %d requests, %v", len(some), requests.Load(), err)
	}
}

// Whatever the two lists are, the parts ask for every pair of their values,
// each once, and leave the other filters as they are.
func TestPartsOfAFilterCoverIt(t *testing.T) {
	ids := func(prefix string) *rapid.Generator[[]string] {
		return rapid.SliceOfNDistinct(rapid.StringMatching(prefix+`[0-9a-f]{36}`), 0, 200, rapid.ID)
	}
	rapid.Check(t, func(t *rapid.T) {
		f := PortFilter{IDs: ids("i").Draw(t, "ids"), DeviceIDs: ids("d").Draw(t, "devices"), SubnetID: "s", Address: netip.MustParseAddr("10.0.0.1")}
		asked := map[[2]string]int{}
		for _, q := range split(f.query()) {
			if len(q.Encode()) > maxQuery || len(q["fixed_ips"]) != 2 {
				t.Fatalf("%d bytes: %v", len(q.Encode()), q)
			}
			for _, id := range orNone(q["id"]) {
				for _, device := range orNone(q["device_id"]) {
					asked[[2]string{id, device}]++
				}
			}
		}
		want := map[[2]string]int{}
		for _, id := range orNone(f.IDs) {
			for _, device := range orNone(f.DeviceIDs) {
				want[[2]string{id, device}] = 1
			}
		}
		if diff := cmp.Diff(want, asked); diff != "" {
			t.Fatal(diff)
		}
	})
}

func orNone(list []string) []string {
	if len(list) == 0 {
		return []string{""}
	}
	return list
}

func TestAFilterThatCannotBeSplitStaysWhole(t *testing.T) {
	q := url.Values{"name": {strings.Repeat("x", 2*maxQuery)}, "id": {"a"}}
	if parts := split(q); len(parts) != 1 {
		t.Errorf("%d parts", len(parts))
	}
}

func TestAFloatingIPIsFoundByItsPortAndTakenOff(t *testing.T) {
	s := newSite(t)
	c, ctx := s.client(t), t.Context()
	outside := must(t, networks.Create(ctx, s.network, external.CreateOptsExt{CreateOptsBuilder: networks.CreateOpts{Name: "out"}, External: new(true)}).Extract).ID
	s.subnet(t, outside, "192.0.2.0/24")
	r := must(t, routers.Create(ctx, s.network, routers.CreateOpts{GatewayInfo: &routers.GatewayInfo{NetworkID: outside}}).Extract)
	must(t, routers.AddInterface(ctx, s.network, r.ID, routers.AddInterfaceOpts{SubnetID: s.subnetID}).Extract)
	port, err := c.CreatePort(ctx, PortCreate{NetworkID: s.networkID})
	if err != nil {
		t.Fatal(err)
	}
	made := must(t, floatingips.Create(ctx, s.network, floatingips.CreateOpts{FloatingNetworkID: outside, PortID: port.ID}).Extract)
	attached := FloatingIPFilter{PortIDs: []string{port.ID, "another"}}
	found, err := c.FloatingIPs(ctx, attached)
	if err != nil || len(found) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	if f := found[0]; f.ID != made.ID || f.PortID != port.ID || f.FloatingIPAddress.String() != made.FloatingIP || f.FixedIPAddress != port.FixedIPs[0].IPAddress {
		t.Errorf("%+v", f)
	}
	if err := c.DetachFloatingIP(ctx, made.ID); err != nil {
		t.Fatal(err)
	}
	if found, err := c.FloatingIPs(ctx, attached); err != nil || len(found) != 0 {
		t.Errorf("after it was taken off: %+v, %v", found, err)
	}
	if left := must(t, floatingips.Get(ctx, s.network, made.ID).Extract); left.PortID != "" {
		t.Errorf("%+v", left)
	}
	if err := c.DetachFloatingIP(ctx, "00000000-0000-4000-8000-000000000000"); !fault.Is(err, fault.NotFound) {
		t.Errorf("one that is gone: %v", err)
	}
}

func TestACloudWithoutRoutersHasNoFloatingIPs(t *testing.T) {
	e := newEndpoint(t, answer(404, `{"NeutronError": {"type": "HTTPNotFound", "message": "The resource could not be found.", "detail": ""}}`))
	if found, err := e.client(t).FloatingIPs(t.Context(), FloatingIPFilter{PortIDs: []string{"p"}}); found != nil || err != nil {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestNoPortsHaveNoFloatingIPs(t *testing.T) {
	e := newEndpoint(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s", r.Method, r.URL) })
	if found, err := e.client(t).FloatingIPs(t.Context(), FloatingIPFilter{}); found != nil || err != nil {
		t.Errorf("%+v, %v", found, err)
	}
}
