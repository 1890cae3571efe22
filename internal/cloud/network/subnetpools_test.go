// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestAPoolsSubnetsNeverOverlapAndComeBack takes subnets of a pool by their
// size, by their prefix and as the pool likes, and gives them back.
func TestAPoolsSubnetsNeverOverlapAndComeBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newSite(t, nil)
		whole := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/26"), netip.MustParsePrefix("10.0.1.0/27")}
		pool := s.make("member", "/subnetpools", `{"subnetpool":{"name":"p","prefixes":["10.0.0.0/26","10.0.1.0/27"],"min_prefixlen":26,"max_prefixlen":30,"default_prefixlen":28}}`)
		// Subnets of one network may not overlap anyway: each has its own.
		made := map[string]netip.Prefix{}
		free := func(want netip.Prefix) bool {
			for _, have := range made {
				if have.Overlaps(want) {
					return false
				}
			}
			return slices.ContainsFunc(whole, func(w netip.Prefix) bool { return w.Bits() <= want.Bits() && w.Contains(want.Addr()) })
		}
		fits := func(bits int) bool {
			for _, w := range whole {
				for at := netip.PrefixFrom(w.Addr(), bits); bits >= w.Bits() && w.Contains(at.Addr()); {
					if free(at) {
						return true
					}
					next := at.Addr()
					for range 1 << (32 - bits) {
						next = next.Next()
					}
					at = netip.PrefixFrom(next, bits)
				}
			}
			return false
		}
		create := func(t *rapid.T, how string, can bool) {
			n := s.make("member", "/networks", `{"network":{}}`)
			body := fmt.Sprintf(`{"subnet":{"network_id":%q,"ip_version":4,"subnetpool_id":%q%s}}`, n, pool, how)
			status, answer := s.call("member", http.MethodPost, "/subnets", body)
			if can != (status == http.StatusCreated) {
				t.Fatalf("%s: %d %v, of %v", how, status, answer, made)
			}
			if !can {
				return
			}
			sub := answer.(map[string]any)["subnet"].(map[string]any)
			cidr := netip.MustParsePrefix(sub["cidr"].(string))
			if !free(cidr) {
				t.Fatalf("%s: %s is given, of %v", how, cidr, made)
			}
			made[sub["id"].(string)] = cidr
		}
		rt.Repeat(map[string]func(*rapid.T){
			"as it likes": func(t *rapid.T) { create(t, "", fits(28)) },
			"by size": func(t *rapid.T) {
				bits := rapid.IntRange(25, 31).Draw(t, "bits")
				create(t, fmt.Sprintf(`,"prefixlen":%d`, bits), bits >= 26 && bits <= 30 && fits(bits))
			},
			"by prefix": func(t *rapid.T) {
				bits := rapid.IntRange(26, 30).Draw(t, "bits")
				at := netip.AddrFrom4([4]byte{10, 0, byte(rapid.IntRange(0, 1).Draw(t, "net")), byte(rapid.IntRange(0, 31).Draw(t, "at") * 4)})
				want := netip.PrefixFrom(at, bits).Masked()
				create(t, fmt.Sprintf(`,"cidr":%q`, want), free(want))
			},
			"give back": func(t *rapid.T) {
				for id := range made {
					s.ask("member", http.MethodDelete, "/subnets/"+id, "")
					delete(made, id)
					return
				}
			},
		})
	})
}

func TestAPoolsQuotaIsOfAddresses(t *testing.T) {
	s := newSite(t, nil)
	pool := s.make("admin", "/subnetpools", `{"subnetpool":{"name":"p","prefixes":["10.0.0.0/16"],"default_quota":512,"shared":true}}`)
	n := s.make("member", "/networks", `{"network":{}}`)
	body := func(bits int) string {
		return fmt.Sprintf(`{"subnet":{"network_id":%q,"ip_version":4,"subnetpool_id":%q,"prefixlen":%d}}`, n, pool, bits)
	}
	s.make("member", "/subnets", body(24))
	s.refuse("member", http.MethodPost, "/subnets", body(23), 409, "SubnetPoolQuotaExceeded", "Per-tenant subnet pool prefix quota exceeded.")
	s.make("member", "/subnets", body(24))
	s.refuse("member", http.MethodPost, "/subnets", body(30), 409, "SubnetPoolQuotaExceeded", "Per-tenant subnet pool prefix quota exceeded.")
	// Another project has its own.
	other := s.make("other", "/networks", `{"network":{}}`)
	s.make("other", "/subnets", fmt.Sprintf(`{"subnet":{"network_id":%q,"ip_version":4,"subnetpool_id":%q,"prefixlen":24}}`, other, pool))
}

func TestPoolsOfAnAddressScopeDoNotOverlap(t *testing.T) {
	s := newSite(t, nil)
	scope := s.make("member", "/address-scopes", `{"address_scope":{"name":"s","ip_version":4}}`)
	body := func(prefix string) string {
		return fmt.Sprintf(`{"subnetpool":{"name":"p","prefixes":[%q],"address_scope_id":%q}}`, prefix, scope)
	}
	pool := s.make("member", "/subnetpools", body("10.0.0.0/16"))
	status, answer := s.call("member", http.MethodPost, "/subnetpools", body("10.0.4.0/24"))
	if kind, _ := errorOf(answer); status != http.StatusConflict || kind != "AddressScopePrefixConflict" {
		t.Errorf("%d %v", status, answer)
	}
	n := s.make("member", "/networks", `{"network":{}}`)
	s.make("member", "/subnets", fmt.Sprintf(`{"subnet":{"network_id":%q,"ip_version":4,"subnetpool_id":%q,"prefixlen":24}}`, n, pool))
	if got := s.column("networks", n, "ipv4_address_scope"); got != scope {
		t.Errorf("the network is of scope %v", got)
	}
}
