// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/neutron"
)

var compareAddrs = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// subnets of one dual-stack network, and a second pair.
var (
	v4a   = neutron.Subnet{ID: "v4a", Name: "pods", CIDR: netip.MustParsePrefix("10.0.0.0/24")}
	v4b   = neutron.Subnet{ID: "v4b", Name: "more", CIDR: netip.MustParsePrefix("10.0.1.0/24")}
	v6a   = neutron.Subnet{ID: "v6a", Name: "six", CIDR: netip.MustParsePrefix("2001:db8::/64")}
	slaac = neutron.Subnet{ID: "slaac", Name: "auto", CIDR: netip.MustParsePrefix("2001:db8:1::/64"), IPv6AddressMode: "slaac"}
	dup   = neutron.Subnet{ID: "dup", Name: "pods", CIDR: netip.MustParsePrefix("10.0.2.0/24")}
	all   = []neutron.Subnet{v4a, v4b, v6a, slaac}
)

func addrs(words ...string) []netip.Addr {
	var as []netip.Addr
	for _, w := range words {
		as = append(as, netip.MustParseAddr(w))
	}
	return as
}

func TestAddressesGoToTheirSubnets(t *testing.T) {
	ip := func(subnet, a string) neutron.FixedIP {
		f := neutron.FixedIP{SubnetID: subnet}
		if a != "" {
			f.IPAddress = netip.MustParseAddr(a)
		}
		return f
	}
	tests := []struct {
		name   string
		asked  []netip.Addr
		chosen []neutron.Subnet
		want   []neutron.FixedIP
	}{
		{"Neutron chooses", nil, nil, nil},
		{"one from each subnet", nil, []neutron.Subnet{v6a, v4a}, []neutron.FixedIP{ip("v6a", ""), ip("v4a", "")}},
		{"the same subnet twice", nil, []neutron.Subnet{v4a, v4a}, []neutron.FixedIP{ip("v4a", ""), ip("v4a", "")}},
		{"addresses alone", addrs("2001:db8::5", "10.0.1.5"), nil, []neutron.FixedIP{ip("v6a", "2001:db8::5"), ip("v4b", "10.0.1.5")}},
		{"one of two fixed", addrs("10.0.1.5"), []neutron.Subnet{v4a, v4b}, []neutron.FixedIP{ip("v4a", ""), ip("v4b", "10.0.1.5")}},
		{"two of one subnet", addrs("10.0.0.5", "10.0.0.6"), []neutron.Subnet{v4a}, []neutron.FixedIP{ip("v4a", "10.0.0.5"), ip("v4a", "10.0.0.6")}},
		{"SLAAC by subnet", nil, []neutron.Subnet{slaac}, []neutron.FixedIP{ip("slaac", "")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := chooseAddresses(tt.asked, tt.chosen, all)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, compareAddrs); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAddressesThatNoPortCanHaveAreRefused(t *testing.T) {
	tests := []struct {
		name   string
		asked  string
		chosen []neutron.Subnet
		says   []string
	}{
		{"outside", "192.0.2.1", nil, []string{"192.0.2.1", "10.0.0.0/24", "10.0.1.0/24", "2001:db8::/64"}},
		{"in a subnet that was not chosen", "10.0.1.5", []neutron.Subnet{v4a}, []string{"none of the subnets allowed", "10.0.0.0/24"}},
		{"network address", "10.0.0.0", nil, []string{"network address"}},
		{"broadcast address", "10.0.1.255", nil, []string{"broadcast address"}},
		{"SLAAC", "2001:db8:1::7", nil, []string{"follow from the MAC", "slaac"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := chooseAddresses(addrs(tt.asked), tt.chosen, all)
			f, ok := fault.As(err)
			if !ok || f.Class != fault.Invalid || f.Field != "fixedIPs[0]" {
				t.Fatalf("got %v", err)
			}
			for _, s := range tt.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %q", err, s)
				}
			}
		})
	}
}

func TestEveryAddressAskedForIsAskedOfNeutronInASubnetThatHoldsIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		usable := []neutron.Subnet{v4a, v4b, v6a}
		chosen := rapid.SliceOfN(rapid.SampledFrom(usable), 0, 4).Draw(t, "chosen")
		var asked []netip.Addr
		for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, 3*200), 0, 6, rapid.ID[int]).Draw(t, "asked") {
			base := usable[n%3].CIDR.Addr().AsSlice()
			base[len(base)-1] = byte(n/3 + 1)
			a, _ := netip.AddrFromSlice(base)
			asked = append(asked, a)
		}
		fixed, err := chooseAddresses(asked, chosen, usable)
		if err != nil {
			if len(chosen) == 0 {
				t.Fatalf("refused without a choice: %v", err)
			}
			return
		}
		given := 0
		for _, f := range fixed {
			if !f.IPAddress.IsValid() {
				continue
			}
			given++
			i := slices.IndexFunc(usable, func(s neutron.Subnet) bool { return s.ID == f.SubnetID })
			if !usable[i].CIDR.Contains(f.IPAddress) || !slices.Contains(asked, f.IPAddress) {
				t.Fatalf("%v", f)
			}
		}
		if given != len(asked) {
			t.Fatalf("asked for %v, got %v", asked, fixed)
		}
		// Every chosen subnet gives at least as many addresses as it was chosen for.
		for _, s := range usable {
			in := func(f neutron.FixedIP) bool { return f.SubnetID == s.ID }
			is := func(c neutron.Subnet) bool { return c.ID == s.ID }
			if len(matching(fixed, in)) < len(matching(chosen, is)) {
				t.Fatalf("%s: chosen %v, got %v", s.ID, chosen, fixed)
			}
		}
	})
}

func TestSubnetsAreChosenByNameOrID(t *testing.T) {
	network := neutron.Network{ID: "n1", Name: "net"}
	got, err := chooseSubnets([]string{"six", "v4a", "pods"}, network, all)
	if err != nil || len(got) != 3 || got[0].ID != "v6a" || got[1].ID != "v4a" || got[2].ID != "v4a" {
		t.Errorf("%v, %v", got, err)
	}
	_, err = chooseSubnets([]string{"six", "nowhere"}, network, all)
	f, _ := fault.As(err)
	if f == nil || f.Class != fault.NotFound || f.Field != "subnets[1]" || !strings.Contains(err.Error(), "10.0.0.0/24") {
		t.Errorf("unknown: %v", err)
	}
	_, err = chooseSubnets([]string{"pods"}, network, append(slices.Clone(all), dup))
	f, _ = fault.As(err)
	if f == nil || f.Class != fault.Invalid || f.Field != "subnets[0]" || !strings.Contains(err.Error(), "v4a") || !strings.Contains(err.Error(), "dup") || !strings.Contains(err.Error(), "use the id") {
		t.Errorf("ambiguous: %v", err)
	}
	if _, err = chooseSubnets([]string{"x"}, network, nil); err == nil || !strings.Contains(err.Error(), "it has none") {
		t.Errorf("no subnets: %v", err)
	}
}
