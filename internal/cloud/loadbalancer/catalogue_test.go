// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// admin makes a request as an administrator, which must have a status and a fault.
func (c *octavia) admin(call string, body any, status int, fault string) answer {
	c.t.Helper()
	a := c.send("admin", call, body)
	if a.status != status || a.fault != fault {
		c.t.Errorf("%s %v:\n got %d %q\nwant %d %q", call, body, a.status, a.fault, status, fault)
	}
	return a
}

const api2 = "/v2.0/lbaas"

func TestAFlavorChoosesTheProvider(t *testing.T) {
	c := start(t, quick())
	profile := func(name, provider, data string, status int, fault string) string {
		return c.admin("POST "+api2+"/flavorprofiles", ref{"flavorprofile": ref{"name": name, "provider_name": provider, "flavor_data": data}}, status, fault).text("flavorprofile.id")
	}
	profile("x", "f5", "{}", 400, "Provider 'f5' is not enabled.")
	profile("x", "amphora", "{", 400, "{ is not a valid option for flavor_data")
	profile("x", "amphora", `{"size": 1}`, 501, "Provider 'amphora' does not support a requested option: Additional properties are not allowed ('size' was unexpected)")
	profile("x", "amphora", `{"loadbalancer_topology": "BIG"}`, 501, "Provider 'amphora' does not support a requested option: loadbalancer_topology 'BIG' is not one of ['ACTIVE_STANDBY', 'SINGLE']")
	profile("x", "ovn", "{}", 501, "Provider 'ovn' does not support a requested action: This provider does not support validating flavors.")
	id := profile("ha", "amphora", `{"loadbalancer_topology": "ACTIVE_STANDBY"}`, 201, "")
	flavor := c.admin("POST "+api2+"/flavors", ref{"flavor": ref{"name": "ha", "flavor_profile_id": id}}, 201, "").text("flavor.id")
	c.admin("POST "+api2+"/flavors", ref{"flavor": ref{"name": "ha", "flavor_profile_id": id}}, 409, "A flavor of ha already exists.")
	c.admin("PUT "+api2+"/flavorprofiles/"+id, ref{"flavorprofile": ref{"flavor_data": "{}"}}, 409, "Flavor profile "+id+" is in use and cannot be modified.")
	c.admin("DELETE "+api2+"/flavorprofiles/"+id, nil, 409, "Flavor profile "+id+" is in use and cannot be modified.")

	c.refused("POST /loadbalancers", ref{"loadbalancer": ref{"vip_subnet_id": subnet4, "flavor_id": flavor, "provider": "ovn"}}, http.StatusBadRequest, "Flavor '"+flavor+"' is not compatible with provider 'ovn'")
	lb := c.make("", "/loadbalancers", "loadbalancer", ref{"vip_subnet_id": subnet4, "flavor_id": flavor})
	if got := c.get("/loadbalancers/" + lb).text("loadbalancer.provider"); got != "amphora" {
		t.Errorf("the provider is %s", got)
	}
	c.admin("DELETE "+api2+"/flavors/"+flavor, nil, 409, "Flavor "+flavor+" is in use and cannot be modified.")
	c.do(lb, "DELETE /loadbalancers/"+lb, nil)
	c.admin("PUT "+api2+"/flavors/"+flavor, ref{"flavor": ref{"enabled": false}}, 200, "")
	c.refused("POST /loadbalancers", ref{"loadbalancer": ref{"vip_subnet_id": subnet4, "flavor_id": flavor}}, http.StatusBadRequest, "The selected flavor is not allowed in this deployment: "+flavor)
	c.admin("DELETE "+api2+"/flavors/"+flavor, nil, 204, "")
	c.admin("DELETE "+api2+"/flavorprofiles/"+id, nil, 204, "")
}

func TestAnAvailabilityZoneMayNarrowTheNetworks(t *testing.T) {
	c := start(t, quick())
	id := c.admin("POST "+api2+"/availabilityzoneprofiles", ref{"availability_zone_profile": ref{
		"name": "p", "provider_name": "amphora", "availability_zone_data": `{"valid_vip_networks": ["` + foreign + `"]}`,
	}}, 201, "").text("availability_zone_profile.id")
	c.admin("POST "+api2+"/availabilityzones", ref{"availability_zone": ref{"name": "far", "availability_zone_profile_id": id}}, 201, "")
	c.admin("POST "+api2+"/availabilityzones", ref{"availability_zone": ref{"name": "far", "availability_zone_profile_id": id}}, 409, "A availability zone of far already exists.")
	c.refused("POST /loadbalancers", ref{"loadbalancer": ref{"vip_subnet_id": subnet4, "availability_zone": "far", "provider": "amphora"}}, http.StatusBadRequest,
		"Validation failure: Supplied VIP network_id is not allowed by the configuration of this deployment.")
	c.admin("DELETE "+api2+"/availabilityzoneprofiles/"+id, nil, 409, "Availability Zone Profile "+id+" is in use and cannot be modified.")
	c.admin("PUT "+api2+"/availabilityzones/far", ref{"availability_zone": ref{"enabled": false}}, 200, "")
	c.refused("POST /loadbalancers", ref{"loadbalancer": ref{"vip_subnet_id": subnet4, "availability_zone": "far"}}, http.StatusBadRequest,
		"The selected availability_zone is not allowed in this deployment: far")
	c.admin("DELETE "+api2+"/availabilityzones/far", nil, 204, "")
	c.admin("DELETE "+api2+"/availabilityzoneprofiles/"+id, nil, 204, "")
}

func TestProvidersTellWhatTheyCan(t *testing.T) {
	c := start(t, quick())
	want := []any{ref{"name": "amphora", "description": "The Octavia Amphora driver."}, ref{"name": "ovn", "description": "OVN provider"}}
	if diff := cmp.Diff(want, c.get("/providers").at("providers")); diff != "" {
		t.Error(diff)
	}
	a := c.admin("GET "+api2+"/providers/amphora/flavor_capabilities?name=compute_flavor", nil, 200, "")
	if diff := cmp.Diff(ref{"flavor_capabilities": []any{ref{"name": "compute_flavor", "description": "The compute driver flavor ID."}}}, a.body.(ref)); diff != "" {
		t.Error(diff)
	}
	a = c.admin("GET "+api2+"/providers/amphora/availability_zone_capabilities?fields=name", nil, 200, "")
	if list, _ := a.at("availability_zone_capabilities").([]any); len(list) != len(amphoraZone) {
		t.Errorf("zones can say %v", a.body)
	}
}

func TestStatisticsAreThoseOfTheListeners(t *testing.T) {
	o := quick()
	o.Statistics = func(string) Statistics {
		return Statistics{BytesIn: 1, BytesOut: 2, ActiveConnections: 3, TotalConnections: 4, RequestErrors: 5}
	}
	c := start(t, o)
	lb, listener, _, _ := small(c, nil)
	c.make(lb, "/listeners", "listener", ref{"loadbalancer_id": lb, "protocol": "UDP", "protocol_port": 80})
	one := ref{"bytes_in": 1.0, "bytes_out": 2.0, "active_connections": 3.0, "total_connections": 4.0, "request_errors": 5.0}
	if diff := cmp.Diff(one, c.get("/listeners/"+listener+"/stats").at("stats")); diff != "" {
		t.Error(diff)
	}
	both := ref{"bytes_in": 2.0, "bytes_out": 4.0, "active_connections": 6.0, "total_connections": 8.0, "request_errors": 10.0}
	if diff := cmp.Diff(both, c.get("/loadbalancers/"+lb+"/stats").at("stats")); diff != "" {
		t.Error(diff)
	}
}
