// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network_test

import (
	"fmt"
	"net/http"
	"testing"

	"pgregory.net/rapid"

	"github.com/kuryr-go/kuryr/internal/cloud/network"
)

// TestSegmentsAreOfOneNetworkAndComeBack makes and deletes networks in narrow
// ranges, with and without naming their ids.
func TestSegmentsAreOfOneNetworkAndComeBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newSite(t, func(o *network.Options) {
			o.GeneveRange, o.VLANRanges, o.PhysicalNetworks = "1:5", []string{"physnet1:100:103"}, []string{"physnet1"}
		})
		type segment struct {
			kind string
			id   float64
		}
		made := map[string]segment{}
		taken := func(seg segment) bool {
			for _, have := range made {
				if have == seg {
					return true
				}
			}
			return false
		}
		room := func(kind string, first, last float64) bool {
			for id := first; id <= last; id++ {
				if !taken(segment{kind, id}) {
					return true
				}
			}
			return false
		}
		create := func(t *rapid.T, body string, can bool, status int, kind string) {
			got, answer := s.call("admin", http.MethodPost, "/networks", `{"network":{`+body+`}}`)
			if !can {
				if k, _ := errorOf(answer); got != status || k != kind {
					t.Fatalf("%s: %d %v, want %d %s", body, got, answer, status, kind)
				}
				return
			}
			if got != http.StatusCreated {
				t.Fatalf("%s: %d %v, of %v", body, got, answer, made)
			}
			n := answer.(map[string]any)["network"].(map[string]any)
			seg := segment{n["provider:network_type"].(string), n["provider:segmentation_id"].(float64)}
			if taken(seg) {
				t.Fatalf("%s: %v is of two networks", body, seg)
			}
			made[n["id"].(string)] = seg
		}
		vlan := `"provider:network_type":"vlan","provider:physical_network":"physnet1"`
		rt.Repeat(map[string]func(*rapid.T){
			"any": func(t *rapid.T) { create(t, "", room("geneve", 1, 5), 503, "NoNetworkAvailable") },
			"any VLAN": func(t *rapid.T) {
				create(t, vlan, room("vlan", 100, 103), 503, "NoNetworkAvailable")
			},
			"this VLAN": func(t *rapid.T) {
				id := rapid.IntRange(98, 105).Draw(t, "id") // those of no range, too
				create(t, fmt.Sprintf(`%s,"provider:segmentation_id":%d`, vlan, id), !taken(segment{"vlan", float64(id)}), 409, "VlanIdInUse")
			},
			"this tunnel": func(t *rapid.T) {
				id := rapid.IntRange(1, 7).Draw(t, "id")
				create(t, fmt.Sprintf(`"provider:network_type":"geneve","provider:segmentation_id":%d`, id), !taken(segment{"geneve", float64(id)}), 409, "TunnelIdInUse")
			},
			"delete": func(*rapid.T) {
				for id := range made {
					s.ask("admin", http.MethodDelete, "/networks/"+id, "")
					delete(made, id)
					return
				}
			},
		})
	})
}
