// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func (s *site) count(who, collection string) int {
	s.Helper()
	return len(s.ask(who, http.MethodGet, "/"+collection, "")[collection].([]any))
}

// errorOf gives the type and the message of an answer that is Neutron's error.
func errorOf(answer any) (kind, message string) {
	object, _ := answer.(map[string]any)
	e, _ := object["NeutronError"].(map[string]any)
	kind, _ = e["type"].(string)
	message, _ = e["message"].(string)
	return kind, message
}

// refuse is call where the answer must be just this error.
func (s *site) refuse(who, method, path, body string, status int, kind, message string) {
	s.Helper()
	got, answer := s.call(who, method, path, body)
	if k, m := errorOf(answer); got != status || k != kind || m != message {
		s.Errorf("%s %s %s: %d %s: %s\nwant %d %s: %s", method, path, body, got, k, m, status, kind, message)
	}
}

// TestABulkIsMadeWholeOrNotAtAll: whatever is wrong with one port, wherever it
// stands, no other is there, no address is lost, and no quota is used.
func TestABulkIsMadeWholeOrNotAtAll(t *testing.T) {
	s := newSite(t, func(o *network.Options) { o.Quota["port"] = 30 })
	n := s.make("member", "/networks", `{"network":{}}`)
	s.make("member", "/subnets", `{"subnet":{"network_id":"`+n+`","ip_version":4,"cidr":"10.0.0.0/28","allocation_pools":[{"start":"10.0.0.2","end":"10.0.0.9"}]}}`)
	const pool = 8
	wrong := rapid.SampledFrom([]string{
		`{"network_id":"$N","name":5}`,
		`{"network_id":"b1a7c1d2-0000-4000-8000-000000000000"}`,
		`{"name":"without a network"}`,
		`{"network_id":"$N","fixed_ips":[{"ip_address":"192.0.2.1"}]}`,
		`{"network_id":"$N","fixed_ips":[{"ip_address":"10.0.0.3"},{"ip_address":"10.0.0.3"}]}`,
		`{"network_id":"$N","security_groups":["b1a7c1d2-0000-4000-8000-000000000000"]}`,
		`{"network_id":"$N","mac_address":"ff:ff"}`,
		`{"network_id":"$N","allowed_address_pairs":[{"ip_address":"x"}]}`,
		`{"network_id":"$N","qos_policy_id":"b1a7c1d2-0000-4000-8000-000000000000"}`,
		`{"network_id":"$N","binding:host_id":"node1"}`,
		`{"network_id":"$N","unknown":1}`,
	})
	rapid.Check(t, func(t *rapid.T) {
		var list []string
		for range rapid.IntRange(0, pool+2).Draw(t, "good") {
			list = append(list, `{"network_id":"$N"}`)
		}
		fails := len(list) > pool || len(list) == 0
		if rapid.Bool().Draw(t, "one is bad") {
			at := rapid.IntRange(0, len(list)).Draw(t, "at")
			list = append(list[:at:at], append([]string{wrong.Draw(t, "bad")}, list[at:]...)...)
			fails = true
		}
		body := strings.ReplaceAll(`{"ports":[`+strings.Join(list, ",")+`]}`, "$N", n)
		status, answer := s.call("member", http.MethodPost, "/ports", body)
		if failed := status != http.StatusCreated; failed != fails {
			t.Fatalf("%s: %d %v", body, status, answer)
		}
		if fails {
			if have := s.count("member", "ports"); have != 0 {
				t.Fatalf("%s: %d ports are there", body, have)
			}
			return
		}
		made := answer.(map[string]any)["ports"].([]any)
		if len(made) != len(list) {
			t.Fatalf("%d ports of %d", len(made), len(list))
		}
		for _, p := range made {
			s.ask("member", http.MethodDelete, "/ports/"+p.(map[string]any)["id"].(string), "")
		}
	})
}

func TestABulkOfNetworksOrSubnetsIsMadeWholeOrNotAtAll(t *testing.T) {
	s := newSite(t, nil)
	vlan := `{"provider:network_type":"vlan","provider:physical_network":"physnet1","provider:segmentation_id":%d}`
	s.refuse("admin", http.MethodPost, "/networks", `{"networks":[`+fmt.Sprintf(vlan+","+vlan, 150, 150)+`]}`,
		409, "VlanIdInUse", "Unable to create the network. The VLAN 150 on physical network physnet1 is in use.")
	if have := s.count("admin", "networks"); have != 1 {
		t.Errorf("%d networks", have)
	}
	// The segment of the one that was refused is free.
	n := s.make("admin", "/networks", `{"network":`+fmt.Sprintf(vlan, 150)+`}`)
	s.refuse("admin", http.MethodPost, "/subnets", fmt.Sprintf(
		`{"subnets":[{"network_id":%[1]q,"ip_version":4,"cidr":"10.0.0.0/24"},{"network_id":%[1]q,"ip_version":4,"cidr":"10.0.0.0/25"}]}`, n),
		400, "InvalidInput", "Invalid input for operation: Requested subnet with cidr: 10.0.0.0/25 for network: "+n+" overlaps with another subnet.")
	if list := s.column("networks", n, "subnets").([]any); len(list) != 0 {
		t.Errorf("subnets %v", list)
	}
}

// The extension tells of what works without it, too: OVN's driver lists only some.
func TestPortsAreTaggedAsTheyAreMade(t *testing.T) {
	for _, extensions := range [][]string{nil, {"tag-ports-during-bulk-creation"}} {
		s := newSite(t, func(o *network.Options) { o.Extensions = extensions })
		n := s.make("member", "/networks", `{"network":{}}`)
		made := s.ask("member", http.MethodPost, "/ports", `{"ports":[{"network_id":"`+n+`","tags":["b","a"]},{"network_id":"`+n+`"}]}`)["ports"].([]any)
		if got := fmt.Sprint(made[0].(map[string]any)["tags"], made[1].(map[string]any)["tags"]); got != "[a b] []" {
			t.Errorf("tags %s", got)
		}
		if got := len(s.ask("member", http.MethodGet, "/ports?tags=a,b", "")["ports"].([]any)); got != 1 {
			t.Errorf("%d ports with the tags", got)
		}
		want := http.StatusNotFound
		if extensions != nil {
			want = http.StatusOK
		}
		r := httptest.NewRequest(http.MethodGet, "/v2.0/extensions/tag-ports-during-bulk-creation", nil)
		r.Header.Set("X-Auth-Token", "member")
		answer := httptest.NewRecorder()
		s.Mux().ServeHTTP(answer, r)
		if answer.Code != want {
			t.Errorf("the extension with %v: %d %s", extensions, answer.Code, answer.Body)
		}
	}
}

func TestAQuotaIsKeptInBulksAndInARush(t *testing.T) {
	s := newSite(t, func(o *network.Options) { o.Quota["port"], o.Quota["network"], o.Quota["subnet"] = 5, 1, 1 })
	n := s.make("member", "/networks", `{"network":{}}`)
	s.refuse("member", http.MethodPost, "/networks", `{"network":{}}`, 409, "OverQuota", "Quota exceeded for resources: ['network'].")
	s.make("member", "/subnets", `{"subnet":{"network_id":"`+n+`","ip_version":4,"cidr":"10.0.0.0/24"}}`)
	s.refuse("member", http.MethodPost, "/subnets", `{"subnet":{"network_id":"`+n+`","ip_version":4,"cidr":"10.0.1.0/24"}}`,
		409, "OverQuota", "Quota exceeded for resources: ['subnet'].")
	one := `{"network_id":"` + n + `"}`
	s.refuse("member", http.MethodPost, "/ports", `{"ports":[`+strings.Repeat(one+",", 5)+one+`]}`, 409, "OverQuota", "Quota exceeded for resources: ['port'].")

	var made, refused int
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			status, answer := s.call("member", http.MethodPost, "/ports", `{"port":`+one+`}`)
			mu.Lock()
			defer mu.Unlock()
			switch kind, _ := errorOf(answer); {
			case status == http.StatusCreated:
				made++
			case kind == "OverQuota":
				refused++
			}
		})
	}
	all.Wait()
	if made != 5 || refused != 15 || s.count("member", "ports") != 5 {
		t.Errorf("%d made, %d refused", made, refused)
	}
	used := s.ask("admin", http.MethodGet, "/quotas/"+memberProject+"/details", "")["quota"].(map[string]any)
	for resource, want := range map[string]float64{"port": 5, "network": 1, "subnet": 1, "router": 0} {
		if got := used[resource].(map[string]any)["used"]; got != want {
			t.Errorf("%v of quota %s are used", got, resource)
		}
	}
	s.View(func(r store.Reader) {
		if why := s.brokenAddresses(r); why != "" {
			t.Error(why)
		}
	})
}

func TestALoadBalancersPort(t *testing.T) {
	s := newSite(t, nil)
	n := s.make("member", "/networks", `{"network":{}}`)
	four := s.make("member", "/subnets", `{"subnet":{"network_id":"`+n+`","ip_version":4,"cidr":"10.0.0.0/24"}}`)
	var p *model.Port
	_, err := s.Update(func(tx *store.Tx) (err error) {
		p, err = s.AllocatePort(tx, model.Port{
			Meta: model.Meta{ProjectID: memberProject}, Name: "vip", NetworkID: n, DeviceOwner: "ovn-lb-vip:lb", FixedIPs: []model.FixedIP{{SubnetID: four}},
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.FixedIPs) != 1 || p.FixedIPs[0].SubnetID != four || !strings.HasPrefix(p.MACAddress, "fa:16:3e:") {
		t.Errorf("%+v", p)
	}
	s.want(p.ID, "name", "vip")
	s.want(p.ID, "status", "DOWN")
	if _, err = s.Update(func(tx *store.Tx) error {
		_, err := s.AllocatePort(tx, model.Port{Meta: model.Meta{ProjectID: memberProject}, NetworkID: n, FixedIPs: p.FixedIPs})
		return err
	}); err == nil || !strings.Contains(err.Error(), "already allocated") {
		t.Errorf("an address twice: %v", err)
	}
	if _, err = s.Update(func(tx *store.Tx) error { s.ReleasePort(tx, p.ID); return nil }); err != nil {
		t.Fatal(err)
	}
	s.make("member", "/ports", fmt.Sprintf(`{"port":{"network_id":%q,"fixed_ips":[{"ip_address":%q}]}}`, n, p.FixedIPs[0].IPAddress))
}
