// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// history does things to a site at random, and remembers what there is.
type history struct {
	*rapid.T
	site *site
	// things are the ids of what was made, by the path of their collection.
	things map[string][]string
	made   int
}

// any gives one of the things of a kind, or an id of nothing.
func (h *history) any(path string) string {
	return rapid.SampledFrom(append([]string{"11111111-1111-1111-1111-111111111111"}, h.things[path]...)).Draw(h.T, path)
}

// do sends a request; no request may be the cloud's own fault.
func (h *history) do(method, path, body string) (int, any) {
	status, answer := h.site.call("member", method, path, body)
	if status >= http.StatusInternalServerError {
		h.Fatalf("%s %s %s: %d %v", method, path, body, status, answer)
	}
	return status, answer
}

// create makes a thing, and remembers it.
func (h *history) create(path, name, body string) {
	status, answer := h.do(http.MethodPost, path, fmt.Sprintf(`{"%s":%s}`, name, body))
	if status == http.StatusCreated {
		id := answer.(map[string]any)[name].(map[string]any)["id"].(string)
		h.things[path] = append(h.things[path], id)
	}
}

func (h *history) remove(path string) {
	id := h.any(path)
	if status, _ := h.do(http.MethodDelete, path+"/"+id, ""); status == http.StatusNoContent {
		h.things[path] = slices.DeleteFunc(h.things[path], func(x string) bool { return x == id })
	}
}

// number gives another number each time.
func (h *history) number() int {
	h.made++
	return h.made
}

func (h *history) gateway() string {
	return rapid.SampledFrom([]string{`{"network_id":"` + h.site.external + `"}`, "null"}).Draw(h.T, "gateway")
}

func (h *history) actions() map[string]func(*rapid.T) {
	act := func(do func()) func(*rapid.T) {
		return func(t *rapid.T) {
			h.T = t
			do()
		}
	}
	actions := map[string]func(*rapid.T){
		"": func(t *rapid.T) {
			if why := h.site.broken(); why != "" {
				t.Fatal(why)
			}
		},
		"port": act(func() {
			h.create("/ports", "port", fmt.Sprintf(`{"network_id":"%s","security_groups":[]}`, h.any("/networks")))
		}),
		"move port": act(func() {
			h.do(http.MethodPut, "/ports/"+h.any("/ports"), fmt.Sprintf(`{"port":{"fixed_ips":[{"subnet_id":"%s"}]}}`, h.any("/subnets")))
		}),
		"delete port": act(func() { h.remove("/ports") }),
	}
	maps.Copy(actions, h.routerActions(act))
	maps.Copy(actions, h.floatingActions(act))
	maps.Copy(actions, h.trunkActions(act))
	return actions
}

func (h *history) routerActions(act func(func()) func(*rapid.T)) map[string]func(*rapid.T) {
	which := func() string {
		if rapid.Bool().Draw(h.T, "by port") {
			return fmt.Sprintf(`{"port_id":"%s"}`, h.any("/ports"))
		}
		return fmt.Sprintf(`{"subnet_id":"%s"}`, h.any("/subnets"))
	}
	return map[string]func(*rapid.T){
		"router":        act(func() { h.create("/routers", "router", `{"external_gateway_info":`+h.gateway()+`}`) }),
		"delete router": act(func() { h.remove("/routers") }),
		"set gateway": act(func() {
			h.do(http.MethodPut, "/routers/"+h.any("/routers"), `{"router":{"external_gateway_info":`+h.gateway()+`}}`)
		}),
		"add interface": act(func() { h.do(http.MethodPut, "/routers/"+h.any("/routers")+"/add_router_interface", which()) }),
		"remove interface": act(func() {
			status, answer := h.do(http.MethodPut, "/routers/"+h.any("/routers")+"/remove_router_interface", which())
			if status == http.StatusOK {
				// A port with addresses of other subnets stays.
				port := answer.(map[string]any)["port_id"].(string)
				if there, _ := h.do(http.MethodGet, "/ports/"+port, ""); there != http.StatusOK {
					h.things["/ports"] = slices.DeleteFunc(h.things["/ports"], func(x string) bool { return x == port })
				}
			}
		}),
	}
}

func (h *history) floatingActions(act func(func()) func(*rapid.T)) map[string]func(*rapid.T) {
	port := func() string {
		return rapid.SampledFrom([]string{"null", `"` + h.any("/ports") + `"`}).Draw(h.T, "port")
	}
	return map[string]func(*rapid.T){
		"floating IP": act(func() {
			h.create("/floatingips", "floatingip", fmt.Sprintf(`{"floating_network_id":"%s","port_id":%s}`, h.site.external, port()))
		}),
		"associate": act(func() {
			h.do(http.MethodPut, "/floatingips/"+h.any("/floatingips"), `{"floatingip":{"port_id":`+port()+`}}`)
		}),
		"describe": act(func() {
			h.do(http.MethodPut, "/floatingips/"+h.any("/floatingips"), rapid.SampledFrom([]string{`{"floatingip":{"description":"x"}}`, `{"floatingip":{}}`}).Draw(h.T, "update"))
		}),
		"delete floating IP": act(func() { h.remove("/floatingips") }),
		"forward": act(func() {
			id, address := h.any("/ports"), ""
			h.site.View(func(r store.Reader) {
				if p := h.site.Ports.Get(r, id); p != nil && len(p.FixedIPs) > 0 {
					address = p.FixedIPs[0].IPAddress
				}
			})
			h.do(http.MethodPost, "/floatingips/"+h.any("/floatingips")+"/port_forwardings", fmt.Sprintf(
				`{"port_forwarding":{"protocol":"tcp","internal_port_id":"%s","internal_ip_address":"%s","internal_port":%d,"external_port":%d}}`,
				id, address, h.number(), rapid.IntRange(1, 5).Draw(h.T, "external port")))
		}),
		"stop forwarding": act(func() {
			fip := h.any("/floatingips")
			_, answer := h.do(http.MethodGet, "/floatingips/"+fip+"/port_forwardings", "")
			list, _ := answer.(map[string]any)["port_forwardings"].([]any)
			if len(list) > 0 {
				h.do(http.MethodDelete, "/floatingips/"+fip+"/port_forwardings/"+list[0].(map[string]any)["id"].(string), "")
			}
		}),
	}
}

func (h *history) trunkActions(act func(func()) func(*rapid.T)) map[string]func(*rapid.T) {
	sub := func() string {
		return fmt.Sprintf(`{"port_id":"%s","segmentation_type":"vlan","segmentation_id":%d}`, h.any("/ports"), rapid.IntRange(1, 4).Draw(h.T, "tag"))
	}
	return map[string]func(*rapid.T){
		"trunk": act(func() {
			h.create("/trunks", "trunk", fmt.Sprintf(`{"port_id":"%s","sub_ports":[%s]}`, h.any("/ports"), sub()))
		}),
		"add subport": act(func() { h.do(http.MethodPut, "/trunks/"+h.any("/trunks")+"/add_subports", `{"sub_ports":[`+sub()+`]}`) }),
		"drop subport": act(func() {
			h.do(http.MethodPut, "/trunks/"+h.any("/trunks")+"/remove_subports", `{"sub_ports":[`+sub()+`]}`)
		}),
		"delete trunk": act(func() { h.remove("/trunks") }),
	}
}

// clear removes everything, in an order in which nothing is in use.
func (h *history) clear() {
	for _, id := range h.things["/floatingips"] {
		_, answer := h.do(http.MethodGet, "/floatingips/"+id+"/port_forwardings", "")
		for _, pf := range answer.(map[string]any)["port_forwardings"].([]any) {
			h.must("/floatingips/" + id + "/port_forwardings/" + pf.(map[string]any)["id"].(string))
		}
		h.must("/floatingips/" + id)
	}
	for _, id := range h.things["/trunks"] {
		h.must("/trunks/" + id)
	}
	for _, id := range h.things["/routers"] {
		_, answer := h.do(http.MethodGet, "/ports?device_owner=network:router_interface&device_id="+id, "")
		for _, p := range answer.(map[string]any)["ports"].([]any) {
			port := p.(map[string]any)["id"].(string)
			h.do(http.MethodPut, "/routers/"+id+"/remove_router_interface", `{"port_id":"`+port+`"}`)
			h.things["/ports"] = slices.DeleteFunc(h.things["/ports"], func(x string) bool { return x == port })
		}
		h.must("/routers/" + id)
	}
	for _, path := range []string{"/ports", "/networks"} {
		for _, id := range h.things[path] {
			h.must(path + "/" + id)
		}
	}
}

func (h *history) must(path string) {
	if status, answer := h.do(http.MethodDelete, path, ""); status != http.StatusNoContent {
		h.Fatalf("DELETE %s: %d %v", path, status, answer)
	}
}

// TestWhateverIsAskedNothingDangles does random things to ports, routers,
// floating IPs and trunks: what they have of each other is always there, and
// when all is deleted nothing is left, so that its networks can go.
func TestWhateverIsAskedNothingDangles(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newSite(t, nil)
		h := &history{T: rt, site: s, things: map[string][]string{}}
		for i := range 3 {
			h.create("/networks", "network", `{}`)
			h.create("/subnets", "subnet", fmt.Sprintf(`{"network_id":"%s","ip_version":4,"cidr":"10.%d.0.0/24"}`, h.things["/networks"][i], i))
		}
		h.create("/subnets", "subnet", fmt.Sprintf(`{"network_id":"%s","ip_version":6,"cidr":"fd00::/64"}`, h.things["/networks"][0]))
		rt.Repeat(h.actions())
		h.T = rt
		h.clear()
		if status, answer := s.call("admin", http.MethodDelete, "/networks/"+s.external, ""); status != http.StatusNoContent {
			rt.Fatalf("the external network cannot go: %d %v", status, answer)
		}
		s.View(func(r store.Reader) {
			if n := s.Ports.Len(r); n != 0 {
				rt.Fatalf("%d ports are left", n)
			}
		})
	})
}
