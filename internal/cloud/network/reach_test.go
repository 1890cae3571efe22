// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// refused wants an error with a status, a type and a part of its text.
func (s *site) refused(who, method, path, body string, status int, kind, text string) {
	s.Helper()
	got, answer := s.call(who, method, path, body)
	object, _ := answer.(map[string]any)
	fault, _ := object["NeutronError"].(map[string]any)
	message, _ := fault["message"].(string)
	if got != status || fault["type"] != kind || !strings.Contains(message, text) {
		s.Errorf("%s %s %s: %d %v, not %d %s: %s", method, path, body, got, answer, status, kind, text)
	}
}

func TestARouterShowsTheAddressesOfItsGatewayPort(t *testing.T) {
	s := newSite(t, nil)
	r := s.make("member", "/routers", `{"router":{"external_gateway_info":{"network_id":"`+s.external+`"}}}`)
	ports := s.ask("admin", http.MethodGet, "/ports?device_owner=network:router_gateway&device_id="+r, "")["ports"].([]any)
	port := "/ports/" + ports[0].(map[string]any)["id"].(string)
	s.ask("admin", http.MethodPut, port, `{"port":{"fixed_ips":[{"ip_address":"203.0.113.77"}]}}`)
	info := s.ask("member", http.MethodGet, "/routers/"+r, "")["router"].(map[string]any)["external_gateway_info"].(map[string]any)
	if got := fmt.Sprint(info["external_fixed_ips"]); !strings.Contains(got, "203.0.113.77") || strings.Count(got, "ip_address") != 1 {
		t.Errorf("the router shows %s", got)
	}
	s.refused("admin", http.MethodPut, port, `{"port":{"fixed_ips":[]}}`, http.StatusConflict, "ServicePortInUse", "Router port must have at least one IP.")
}

func TestAnExternalNetworkWithGatewaysStaysExternal(t *testing.T) {
	s := newSite(t, nil)
	r := s.make("member", "/routers", `{"router":{"external_gateway_info":{"network_id":"`+s.external+`"}}}`)
	s.refused("admin", http.MethodPut, "/networks/"+s.external, `{"network":{"router:external":false}}`, http.StatusConflict, "ExternalNetworkInUse", "it has existing gateway ports.")
	s.ask("member", http.MethodDelete, "/routers/"+r, "")
	s.ask("admin", http.MethodPut, "/networks/"+s.external, `{"network":{"router:external":false}}`)
}

func TestASharedSubnetIsAttachedWithinItsPoolsAlone(t *testing.T) {
	s := newSite(t, nil)
	n := s.make("member", "/networks", `{"network":{}}`)
	sub := s.make("member", "/subnets", `{"subnet":{"network_id":"`+n+`","ip_version":4,"cidr":"10.0.0.0/24","allocation_pools":[{"start":"10.0.0.100","end":"10.0.0.200"}]}}`)
	s.make("admin", "/rbac-policies", `{"rbac_policy":{"object_type":"network","object_id":"`+n+`","action":"access_as_shared","target_tenant":"*"}}`)
	r := s.make("other", "/routers", `{"router":{}}`)
	add := "/routers/" + r + "/add_router_interface"
	s.refused("other", http.MethodPut, add, `{"subnet_id":"`+sub+`"}`, http.StatusBadRequest, "BadRequest",
		"Cannot add interface to router because subnet "+sub+" is not owned by project making the request")

	// As the other project may not choose an address, the owner's administrator makes its ports.
	port := func(address string) string {
		return s.make("admin", "/ports", `{"port":{"network_id":"`+n+`","project_id":"`+otherProject+`","fixed_ips":[{"ip_address":"`+address+`"}]}}`)
	}
	s.refused("other", http.MethodPut, add, `{"port_id":"`+port("10.0.0.5")+`"}`, http.StatusBadRequest, "BadRequest",
		"has an IP address out of the allocation pool of subnet "+sub+", which is not owned by the project making the request")
	s.ask("other", http.MethodPut, add, `{"port_id":"`+port("10.0.0.150")+`"}`)

	// One that is shared with the project by its name may be attached as if it were its own.
	n = s.make("member", "/networks", `{"network":{}}`)
	sub = s.make("member", "/subnets", `{"subnet":{"network_id":"`+n+`","ip_version":4,"cidr":"10.1.0.0/24"}}`)
	s.make("member", "/rbac-policies", `{"rbac_policy":{"object_type":"network","object_id":"`+n+`","action":"access_as_shared","target_tenant":"`+otherProject+`"}}`)
	s.ask("other", http.MethodPut, add, `{"subnet_id":"`+sub+`"}`)
}

func TestAQoSPolicyInUseStaysShared(t *testing.T) {
	s := newSite(t, nil)
	q := s.make("admin", "/qos/policies", `{"policy":{"name":"q","shared":true}}`)
	n := s.make("member", "/networks", `{"network":{"qos_policy_id":"`+q+`"}}`)
	text := "cannot be removed because other objects depend on it.\nDetails: project_id=" + memberProject
	s.refused("admin", http.MethodPut, "/qos/policies/"+q, `{"policy":{"shared":false}}`, http.StatusConflict, "QosPolicySharedAndInUse", text)
	s.refused("admin", http.MethodDelete, "/qos/policies/"+q, ``, http.StatusConflict, "QosPolicyInUse", "is used by network "+n)

	// A policy for the project alone does as well.
	s.make("admin", "/rbac-policies", `{"rbac_policy":{"object_type":"qos_policy","object_id":"`+q+`","action":"access_as_shared","target_tenant":"`+memberProject+`"}}`)
	s.ask("admin", http.MethodPut, "/qos/policies/"+q, `{"policy":{"shared":false}}`)
	s.ask("member", http.MethodGet, "/qos/policies/"+q, "")
	s.refused("other", http.MethodGet, "/qos/policies/"+q, "", http.StatusNotFound, "QosPolicyNotFound", q)
	s.ask("member", http.MethodPut, "/networks/"+n, `{"network":{"qos_policy_id":null}}`)
	s.ask("admin", http.MethodDelete, "/qos/policies/"+q, "")
}

func TestANetworksQoSPolicyIsWhatItsPortsCanHave(t *testing.T) {
	s := newSite(t, nil)
	n := s.make("admin", "/networks", `{"network":{}}`)
	s.make("admin", "/ports", `{"port":{"network_id":"`+n+`"}}`)
	q := s.make("admin", "/qos/policies", `{"policy":{"name":"q"}}`)
	s.make("admin", "/qos/policies/"+q+"/bandwidth_limit_rules", `{"bandwidth_limit_rule":{"max_kbps":1000}}`)
	s.ask("admin", http.MethodPut, "/networks/"+n, `{"network":{"qos_policy_id":"`+q+`"}}`)
	other := s.make("admin", "/qos/policies", `{"policy":{"name":"r"}}`)
	s.ask("admin", http.MethodPut, "/networks/"+n, `{"network":{"qos_policy_id":"`+other+`"}}`)
	s.ask("admin", http.MethodDelete, "/qos/policies/"+q, "")
	s.refused("admin", http.MethodDelete, "/qos/policies/"+other, ``, http.StatusConflict, "QosPolicyInUse", "is used by network "+n)
}
