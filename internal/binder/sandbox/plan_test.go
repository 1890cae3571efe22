// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package sandbox

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/kuryr-go/kuryr/internal/binder"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/lease"
)

func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }
func cidr(s string) netip.Prefix   { return netip.MustParsePrefix(s) }
func pointer(b bool) *bool         { return &b }
func routesOf(rs ...Route) []Route { return rs }

func fixedIP(prefix, gateway string) lease.Address {
	a := lease.Address{Prefix: cidr(prefix)}
	if gateway != "" {
		a.Gateway = addr(gateway)
	}
	return a
}

func TestRoutesFollowGatewaysAndHostRoutes(t *testing.T) {
	v4, v6 := fixedIP("10.0.0.5/24", "10.0.0.1"), fixedIP("fd00::5/64", "fd00::1")
	for _, c := range []struct {
		name         string
		iface        string
		defaultRoute *bool
		addresses    []lease.Address
		hostRoutes   []lease.Route
		want         []Route
	}{
		{"dual stack", "eth0", nil, []lease.Address{v4, v6}, nil, routesOf(
			Route{Dst: cidr("0.0.0.0/0"), Via: addr("10.0.0.1")},
			Route{Dst: cidr("::/0"), Via: addr("fd00::1"), Metric: 1024})},
		{"the number is the metric", "eth3", nil, []lease.Address{v4, v6}, nil, routesOf(
			Route{Dst: cidr("0.0.0.0/0"), Via: addr("10.0.0.1"), Metric: 3},
			Route{Dst: cidr("::/0"), Via: addr("fd00::1"), Metric: 1027})},
		{"a name without a number", "uplink", nil, []lease.Address{v4}, nil, routesOf(
			Route{Dst: cidr("0.0.0.0/0"), Via: addr("10.0.0.1")})},
		{"true: the best metric", "eth3", pointer(true), []lease.Address{v4, v6}, nil, routesOf(
			Route{Dst: cidr("0.0.0.0/0"), Via: addr("10.0.0.1")},
			Route{Dst: cidr("::/0"), Via: addr("fd00::1"), Metric: 1024})},
		{"false: none", "eth0", pointer(false), []lease.Address{v4, v6}, nil, nil},
		{"no gateway", "eth0", nil, []lease.Address{fixedIP("10.0.0.5/24", "")}, nil, nil},
		{"two subnets, one default route", "eth0", nil, []lease.Address{v4, fixedIP("10.1.0.5/24", "10.1.0.1")}, nil, routesOf(
			Route{Dst: cidr("0.0.0.0/0"), Via: addr("10.0.0.1")})},
		{"a gateway outside of the prefix", "eth0", nil, []lease.Address{fixedIP("10.0.0.5/32", "10.0.0.1"), fixedIP("fd00::5/128", "fd00::1")}, nil, routesOf(
			Route{Dst: cidr("0.0.0.0/0"), Via: addr("10.0.0.1"), Onlink: true},
			Route{Dst: cidr("::/0"), Via: addr("fd00::1"), Metric: 1024, Onlink: true})},
		{"a link-local gateway", "eth0", nil, []lease.Address{fixedIP("fd00::5/64", "fe80::1")}, nil, routesOf(
			Route{Dst: cidr("::/0"), Via: addr("fe80::1"), Metric: 1024})},
		{
			"host routes, each once, unmasked bits dropped", "eth1", pointer(false),
			[]lease.Address{v4, v6},
			[]lease.Route{
				{Dst: cidr("192.168.0.9/16"), Via: addr("10.0.0.9")},
				{Dst: cidr("192.168.0.0/16"), Via: addr("10.0.0.8")},
				{Dst: cidr("fd99::/64"), Via: addr("fd00::9")},
				{Dst: cidr("172.16.0.0/12"), Via: addr("0.0.0.0")},
			},
			routesOf(
				Route{Dst: cidr("192.168.0.0/16"), Via: addr("10.0.0.9"), Metric: 1},
				Route{Dst: cidr("fd99::/64"), Via: addr("fd00::9"), Metric: 1025},
				Route{Dst: cidr("172.16.0.0/12"), Metric: 1}),
		},
		{
			"a host route to everywhere takes the gateway's place", "eth0", nil,
			[]lease.Address{v4},
			[]lease.Route{{Dst: cidr("0.0.0.0/0"), Via: addr("10.0.0.254")}},
			routesOf(
				Route{Dst: cidr("0.0.0.0/0"), Via: addr("10.0.0.254")}),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := binder.Request{Interface: c.iface, DefaultRoute: c.defaultRoute, Lease: lease.Lease{
				MAC: "fa:16:3e:00:00:01", Addresses: c.addresses, Routes: c.hostRoutes,
			}}
			got, err := Plan(r, 1442)
			if err != nil {
				t.Fatal(err)
			}
			same := cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateEmpty()}
			if d := cmp.Diff(c.want, got.Routes, same); d != "" {
				t.Error("routes (-want +got):\n", d)
			}
		})
	}
}

// Two routes of one sandbox clash when destination and metric are the same.
func TestTwoInterfacesNeverClaimTheSameRoute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOfNDistinct(rapid.IntRange(0, 9999), 2, 2, rapid.ID[int]).Draw(t, "numbers")
		l := lease.Lease{
			MAC:       "fa:16:3e:00:00:01",
			Addresses: []lease.Address{fixedIP("10.0.0.5/24", "10.0.0.1"), fixedIP("fd00::5/64", "fd00::1")},
			Routes:    []lease.Route{{Dst: cidr("169.254.169.254/32"), Via: addr("10.0.0.2")}},
		}
		taken := make(map[string]bool)
		for _, n := range numbers {
			c, err := Plan(binder.Request{Interface: "eth" + strconv.Itoa(n), Lease: l}, 1500)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range c.Routes {
				r.Via = netip.Addr{}
				if taken[r.String()] {
					t.Fatalf("two interfaces claim %s", r)
				}
				taken[r.String()] = true
			}
		}
	})
}

func TestTheInterfaceNumberIsBounded(t *testing.T) {
	for name, want := range map[string]int{"eth0": 0, "eth": 0, "e1h": 0, "net12": 12, "eth007": 7, "7": 7, "e99999999999999": maxMetric} {
		if got := interfaceNumber(name); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}

func TestNamesThatTheKernelRefusesAreInvalid(t *testing.T) {
	for _, name := range []string{"", ".", "..", "eth0/1", "eth0:1", "eth 0", "eth\n", "eth%d", "sixteen-chars-xx", strings.Repeat("x", 300)} {
		_, err := Plan(binder.Request{Interface: name, Lease: lease.Lease{MAC: "fa:16:3e:00:00:01"}}, 1500)
		if e, ok := fault.As(err); !ok || e.Class != fault.Invalid || e.Field != "interface" {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"eth0", "eth0.7", "fifteen-chars-x", "ü"} {
		if err := validateName(name); err != nil {
			t.Error(err)
		}
	}
}
