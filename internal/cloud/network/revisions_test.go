// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network_test

import (
	"net/http"
	"strings"
	"testing"
)

// revision finds the number in an answer; -1: it has none.
func revision(answer any) int {
	object, _ := answer.(map[string]any)
	if n, ok := object["revision_number"].(float64); ok {
		return int(n)
	}
	for _, inner := range object {
		if thing, ok := inner.(map[string]any); ok {
			if n, ok := thing["revision_number"].(float64); ok {
				return int(n)
			}
		}
	}
	return -1
}

// counted are requests, one after the other, and what Neutron counts: it is what
// it writes, of which one request may do much, partly after it has written its
// answer.
var counted = []struct {
	request string
	// answered is the number in the answer, kept the one that is read afterwards of what of tells; -1: none.
	answered int
	of       string
	kept     int
	name     string
}{
	{"PUT /routers/$r/add_router_interface {'subnet_id':'$s'}", -1, "/routers/$r", 1, ""},
	{"PUT /routers/$r {'router':{'external_gateway_info':{'network_id':'$EXT'}}}", 3, "/routers/$r", 3, ""},
	{"PUT /routers/$r {'router':{'external_gateway_info':{'network_id':'$EXT'}}}", 4, "/routers/$r", 4, ""},
	{"PUT /routers/$r {'router':{'name':'y'}}", 5, "/routers/$r", 5, ""},
	{"PUT /routers/$r {'router':{'name':'y'}}", 6, "/routers/$r", 6, ""},
	{"PUT /routers/$r {'router':{}}", 6, "/routers/$r", 6, ""},
	{"PUT /routers/$r {'router':{'name':'z','external_gateway_info':{'network_id':'$EXT'}}}", 8, "/routers/$r", 8, ""},
	{"PUT /routers/$r {'router':{'routes':[{'destination':'10.9.0.0/16','nexthop':'10.77.1.9'}]}}", 9, "/routers/$r", 9, ""},
	{"PUT /routers/$r {'router':{'routes':[{'destination':'10.9.0.0/16','nexthop':'10.77.1.9'}]}}", 9, "/routers/$r", 9, ""},
	{"PUT /routers/$r/add_extraroutes {'router':{'routes':[{'destination':'10.7.0.0/16','nexthop':'10.77.1.9'}]}}", 10, "/routers/$r", 10, ""},
	{"PUT /routers/$r {'router':{'routes':[]}}", 11, "/routers/$r", 11, ""},
	{"GET /floatingips/$f", 0, "/floatingips/$f", 0, ""},
	{"PUT /floatingips/$f {'floatingip':{'description':'d'}}", 1, "/floatingips/$f", 1, ""},
	{"PUT /floatingips/$f {'floatingip':{'port_id':'$p0'}}", 2, "/floatingips/$f", 3, ""},
	{"PUT /floatingips/$f {'floatingip':{'description':'e'}}", 4, "/floatingips/$f", 5, ""},
	{"PUT /floatingips/$f {'floatingip':{}}", 6, "/floatingips/$f", 7, ""},
	{"PUT /floatingips/$f {'floatingip':{}}", 8, "/floatingips/$f", 8, ""},
	{"POST /floatingips/$f/port_forwardings {'port_forwarding':{'protocol':'tcp','external_port':80,'internal_port':80,'internal_port_id':'$p0','internal_ip_address':'$a0'}}", -1, "/floatingips/$f", 10, "$pf"},
	{"PUT /floatingips/$f/port_forwardings/$pf {'port_forwarding':{'external_port':82}}", -1, "/floatingips/$f", 11, ""},
	{"DELETE /floatingips/$f/port_forwardings/$pf", -1, "/floatingips/$f", 13, ""},
	{"POST /floatingips {'floatingip':{'floating_network_id':'$EXT','port_id':'$p2'}}", 0, "/floatingips/$g", 1, "$g"},
	{"DELETE /ports/$p2", -1, "/floatingips/$g", 3, ""},
	{"PUT /routers/$r/remove_router_interface {'subnet_id':'$s'}", -1, "/routers/$r", 12, ""},
	{"PUT /routers/$r {'router':{'external_gateway_info':null}}", 15, "/routers/$r", 15, ""},
	{"PUT /routers/$r {'router':{'external_gateway_info':{}}}", 16, "/routers/$r", 16, ""},
	{"PUT /routers/$r {'router':{'external_gateway_info':{'network_id':'$EXT'}}}", 18, "/routers/$r", 18, ""},
	{"PUT /routers/$r {'router':{'name':'n','external_gateway_info':{}}}", 22, "/routers/$r", 22, ""},
	{"POST /routers {'router':{'external_gateway_info':{'network_id':'$EXT'}}}", 2, "/routers/$w", 2, "$w"},
	{"POST /trunks {'trunk':{'port_id':'$p0'}}", 1, "/trunks/$t", 1, "$t"},
	{"PUT /trunks/$t/add_subports {'sub_ports':[{'port_id':'$p1','segmentation_type':'vlan','segmentation_id':101}]}", 2, "/trunks/$t", 3, ""},
	{"PUT /trunks/$t/add_subports {'sub_ports':[]}", 4, "/trunks/$t", 4, ""},
	{"PUT /trunks/$t {'trunk':{}}", 4, "/trunks/$t", 4, ""},
	{"PUT /trunks/$t {'trunk':{'admin_state_up':false}}", 5, "/trunks/$t", 5, ""},
	{"PUT /trunks/$t {'trunk':{'admin_state_up':true}}", 6, "/trunks/$t", 6, ""},
	{"PUT /trunks/$t/remove_subports {'sub_ports':[{'port_id':'$p1'}]}", 7, "/trunks/$t", 8, ""},
	{"POST /address-groups {'address_group':{'addresses':['10.0.0.0/24','10.0.1.0/24','10.0.2.0/24']}}", -1, "", 0, "$ag"},
	{"PUT /address-groups/$ag {'address_group':{'name':'b'}}", -1, "", 0, ""},
	{"PUT /address-groups/$ag/add_addresses {'addresses':['10.0.3.0/24','10.0.4.0/24']}", 6, "", 0, ""},
	{"PUT /address-groups/$ag/remove_addresses {'addresses':['10.0.3.0/24','10.0.4.0/24','10.0.0.0/24']}", 9, "", 0, ""},
	{"PUT /address-groups/$ag/remove_addresses {'addresses':[]}", 9, "", 0, ""},
	{"POST /security-groups {'security_group':{'name':'a'}}", 1, "/security-groups/$sg", 1, "$sg"},
	{"POST /security-group-rules {'security_group_rules':[{'security_group_id':'$sg','direction':'ingress','protocol':'udp'},{'security_group_id':'$sg','direction':'ingress','protocol':'tcp'}]}", -1, "/security-groups/$sg", 3, ""},
	{"PUT /security-groups/$sg {'security_group':{'name':'b'}}", 4, "/security-groups/$sg", 4, ""},
	{"POST /qos/policies {'policy':{'name':'q'}}", 0, "/qos/policies/$q", 0, "$q"},
	{"POST /qos/policies/$q/bandwidth_limit_rules {'bandwidth_limit_rule':{'max_kbps':1000}}", -1, "/qos/policies/$q", 1, "$b"},
	{"PUT /qos/policies/$q/bandwidth_limit_rules/$b {'bandwidth_limit_rule':{'max_kbps':1000}}", -1, "/qos/policies/$q", 2, ""},
	{"DELETE /qos/policies/$q/bandwidth_limit_rules/$b", -1, "/qos/policies/$q", 3, ""},
}

func TestRevisionsCountAsNeutronsDo(t *testing.T) {
	s := newSite(t, nil)
	n := s.make("member", "/networks", `{"network":{}}`)
	sub := s.make("member", "/subnets", `{"subnet":{"network_id":"`+n+`","ip_version":4,"cidr":"10.77.1.0/24"}}`)
	port := func() string { return s.make("member", "/ports", `{"port":{"network_id":"`+n+`"}}`) }
	known := map[string]string{"$EXT": s.external, "$s": sub, "$p0": port(), "$p1": port(), "$p2": port()}
	known["$a0"] = s.ask("member", http.MethodGet, "/ports/"+known["$p0"], "")["port"].(map[string]any)["fixed_ips"].([]any)[0].(map[string]any)["ip_address"].(string)
	known["$r"] = s.make("member", "/routers", `{"router":{}}`)
	known["$f"] = s.make("member", "/floatingips", `{"floatingip":{"floating_network_id":"`+s.external+`"}}`)
	for _, x := range counted {
		method, rest, _ := strings.Cut(strings.ReplaceAll(x.request, "'", `"`), " ")
		path, body, _ := strings.Cut(rest, " ")
		path, body = fill(known, path), fill(known, body)
		who := "member"
		if strings.HasPrefix(path, "/qos") {
			who = "admin"
		}
		answer := s.ask(who, method, path, body)
		if got := revision(answer); got != x.answered {
			t.Errorf("%s: answered with revision %d, not %d", x.request, got, x.answered)
		}
		if x.name != "" {
			for _, made := range answer {
				known[x.name] = made.(map[string]any)["id"].(string)
			}
		}
		if x.of == "" {
			continue
		}
		if got := revision(s.ask(who, http.MethodGet, fill(known, x.of), "")); got != x.kept {
			t.Errorf("%s: left revision %d, not %d", x.request, got, x.kept)
		}
	}
}

// fill puts what is known in the place of its names.
func fill(known map[string]string, text string) string {
	for _, name := range []string{"$EXT", "$pf", "$p0", "$p1", "$p2", "$ag", "$a0", "$sg", "$s", "$r", "$f", "$g", "$w", "$t", "$q", "$b"} {
		if id := known[name]; id != "" {
			text = strings.ReplaceAll(text, name, id)
		}
	}
	return text
}
