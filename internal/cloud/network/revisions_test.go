// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network_test

import (
	"net/http"
	"testing"
)

// What Neutron counts as a change of a thing, and what not.
func TestRevisionsCountAsNeutronCountsThem(t *testing.T) {
	s := newSite(t, nil)
	want := func(collection, id string, revision float64) {
		t.Helper()
		if got := s.column(collection, id, "revision_number"); got != revision {
			t.Errorf("%s: revision %v, want %v", collection, got, revision)
		}
	}
	put := func(path, body string) { t.Helper(); s.ask("admin", http.MethodPut, path, body) }

	n := s.make("admin", "/networks", `{"network":{}}`)
	want("networks", n, 1)
	sub := s.make("admin", "/subnets", `{"subnet":{"network_id":"`+n+`","ip_version":4,"cidr":"10.0.0.0/24"}}`)
	want("networks", n, 2) // a network changes with its subnets
	want("subnets", sub, 0)
	put("/subnets/"+sub, `{"subnet":{"name":"x"}}`)
	want("subnets", sub, 1)
	want("networks", n, 3)

	p := s.make("admin", "/ports", `{"port":{"network_id":"`+n+`"}}`)
	want("ports", p, 1)
	want("networks", n, 3)
	put("/ports/"+p, `{"port":{"name":"x"}}`)
	want("ports", p, 2)
	put("/ports/"+p+"/tags", `{"tags":["a"]}`)
	want("ports", p, 3)
	put("/ports/"+p+"/tags", `{"tags":["a"]}`) // the same
	want("ports", p, 3)

	bound := s.make("admin", "/ports", `{"port":{"network_id":"`+n+`","binding:host_id":"node1"}}`)
	s.await("the port is ACTIVE", s.active(bound))
	want("ports", bound, 3) // made, bound, up

	s.ask("admin", http.MethodDelete, "/ports/"+p, "")
	want("networks", n, 3)
	other := s.make("admin", "/subnets", `{"subnet":{"network_id":"`+n+`","ip_version":4,"cidr":"10.0.1.0/24"}}`)
	want("networks", n, 4)
	s.ask("admin", http.MethodDelete, "/subnets/"+other, "")
	want("networks", n, 5)
}
