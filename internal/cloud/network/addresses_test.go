// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// addressing is a network with small subnets, and what a reader of the API
// would say is free in them.
type addressing struct {
	*site
	network string
	subnets map[string]*plan
	ports   map[string][]model.FixedIP
}

// plan is a subnet as its owner made it.
type plan struct {
	id      string
	cidr    netip.Prefix
	gateway netip.Addr
	pools   []model.Pool
	slaac   bool
}

func newAddressing(t testing.TB) *addressing {
	a := &addressing{site: newSite(t, nil), subnets: map[string]*plan{}, ports: map[string][]model.FixedIP{}}
	a.network = a.make("member", "/networks", `{"network":{}}`)
	for _, body := range []string{
		`"ip_version":4,"cidr":"10.0.0.0/28","allocation_pools":[{"start":"10.0.0.3","end":"10.0.0.6"},{"start":"10.0.0.9","end":"10.0.0.11"}]`,
		`"ip_version":4,"cidr":"10.0.1.0/29"`,
		`"ip_version":6,"cidr":"fd00::/125","ipv6_address_mode":"dhcpv6-stateful","ipv6_ra_mode":"dhcpv6-stateful"`,
		`"ip_version":6,"cidr":"fd01::/64","ipv6_address_mode":"slaac","ipv6_ra_mode":"slaac"`,
	} {
		a.learn(a.ask("member", http.MethodPost, "/subnets", fmt.Sprintf(`{"subnet":{"network_id":%q,%s}}`, a.network, body))["subnet"])
	}
	return a
}

// learn takes a subnet as the API shows it.
func (a *addressing) learn(shown any) {
	var s model.Subnet
	decode(a, shown, &s)
	p := &plan{id: s.ID, cidr: netip.MustParsePrefix(s.CIDR), pools: s.AllocationPools, slaac: s.IPv6AddressMode != nil && *s.IPv6AddressMode == "slaac"}
	if s.GatewayIP != nil {
		p.gateway = netip.MustParseAddr(*s.GatewayIP)
	}
	a.subnets[s.ID] = p
}

func decode(t testing.TB, shown, into any) {
	t.Helper()
	b, err := json.Marshal(shown)
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (p *plan) offers(addr netip.Addr) bool {
	return addr != p.gateway && slices.ContainsFunc(p.pools, func(pool model.Pool) bool {
		return netip.MustParseAddr(pool.Start).Compare(addr) <= 0 && addr.Compare(netip.MustParseAddr(pool.End)) <= 0
	})
}

func (a *addressing) taken(addr netip.Addr) bool {
	for _, fixed := range a.ports {
		for _, f := range fixed {
			if f.IPAddress == addr.String() {
				return true
			}
		}
	}
	return false
}

// free counts the addresses that a subnet still offers.
func (a *addressing) free(p *plan) (n int) {
	for addr := p.cidr.Addr(); p.cidr.Contains(addr); addr = addr.Next() {
		if p.offers(addr) && !a.taken(addr) {
			n++
		}
	}
	return n
}

// subnet draws one of the subnets.
func (a *addressing) subnet(t *rapid.T, which func(*plan) bool) *plan {
	ids := slices.DeleteFunc(slices.Sorted(maps.Keys(a.subnets)), func(id string) bool { return !which(a.subnets[id]) })
	return a.subnets[rapid.SampledFrom(ids).Draw(t, "subnet")]
}

func pooled(p *plan) bool { return !p.slaac }

// check compares a port's addresses with what was asked for: only those may be
// outside of the pools.
func (a *addressing) check(t *rapid.T, answer map[string]any, asked ...string) (id string, fixed []model.FixedIP) {
	var p model.Port
	decode(a, answer["port"], &p)
	for _, f := range p.FixedIPs {
		addr, plan := netip.MustParseAddr(f.IPAddress), a.subnets[f.SubnetID]
		switch {
		case plan == nil || !plan.cidr.Contains(addr):
			t.Fatalf("%s is no address of subnet %s", addr, f.SubnetID)
		case a.taken(addr):
			t.Fatalf("%s has a port already", addr)
		case !slices.Contains(asked, f.IPAddress) && !plan.slaac && !plan.offers(addr):
			t.Fatalf("%s was given, of pools %v with gateway %v", addr, plan.pools, plan.gateway)
		}
	}
	return p.ID, p.FixedIPs
}

// ask for a port, and say whether that must succeed; a refusal is Neutron's for want of an address.
func (a *addressing) create(t *rapid.T, fixed string, can bool, asked ...string) {
	body := fmt.Sprintf(`{"port":{"network_id":%q%s}}`, a.network, fixed)
	status, answer := a.call("member", http.MethodPost, "/ports", body)
	if can != (status == http.StatusCreated) {
		t.Fatalf("%s: %d %v, while it can be: %v", body, status, answer, can)
	}
	if can {
		id, fixed := a.check(t, answer.(map[string]any), asked...)
		a.ports[id] = fixed
	} else if status != http.StatusConflict {
		t.Fatalf("%s: %d %v", body, status, answer)
	}
}

func TestAddressesAreGivenOnceAndComeBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a := newAddressing(t)
		rt.Repeat(map[string]func(*rapid.T){
			"any": func(t *rapid.T) {
				four, six := 0, 0
				for _, p := range a.subnets {
					switch {
					case p.slaac:
					case p.cidr.Addr().Is4():
						four += a.free(p)
					default:
						six += a.free(p)
					}
				}
				a.create(t, "", four > 0 && six > 0)
			},
			"of a subnet": func(t *rapid.T) {
				p := a.subnet(t, pooled)
				a.create(t, fmt.Sprintf(`,"fixed_ips":[{"subnet_id":%q}]`, p.id), a.free(p) > 0)
			},
			"this one": func(t *rapid.T) {
				p := a.subnet(t, pooled)
				first := p.cidr.Addr().Next()
				for range rapid.IntRange(0, 5).Draw(t, "address") {
					first = first.Next()
				}
				a.create(t, fmt.Sprintf(`,"fixed_ips":[{"ip_address":%q}]`, first), !a.taken(first), first.String())
			},
			"change":  a.change,
			"delete":  a.remove,
			"pools":   a.repool,
			"gateway": a.regate,
			"":        func(t *rapid.T) { a.agree(t) },
		})
	})
}

// change has a port leave its addresses for others.
func (a *addressing) change(t *rapid.T) {
	if len(a.ports) == 0 {
		return
	}
	id := rapid.SampledFrom(slices.Sorted(maps.Keys(a.ports))).Draw(t, "port")
	p := a.subnet(t, pooled)
	kept := slices.DeleteFunc(slices.Clone(a.ports[id]), func(model.FixedIP) bool { return rapid.Bool().Draw(t, "drop") })
	list := []string{fmt.Sprintf(`{"subnet_id":%q}`, p.id)}
	var asked []string
	for _, f := range kept {
		list = append(list, fmt.Sprintf(`{"subnet_id":%q,"ip_address":%q}`, f.SubnetID, f.IPAddress))
		asked = append(asked, f.IPAddress)
	}
	status, answer := a.call("member", http.MethodPut, "/ports/"+id, `{"port":{"fixed_ips":[`+strings.Join(list, ",")+`]}}`)
	if status != http.StatusOK {
		if status != http.StatusConflict && status != http.StatusBadRequest {
			t.Fatalf("%v: %d %v", list, status, answer)
		}
		return
	}
	before := a.ports[id]
	delete(a.ports, id)
	for _, f := range before {
		asked = append(asked, f.IPAddress) // an address of the same subnet may stay
	}
	_, a.ports[id] = a.check(t, answer.(map[string]any), asked...)
}

func (a *addressing) remove(t *rapid.T) {
	if len(a.ports) == 0 {
		return
	}
	id := rapid.SampledFrom(slices.Sorted(maps.Keys(a.ports))).Draw(t, "port")
	a.ask("member", http.MethodDelete, "/ports/"+id, "")
	delete(a.ports, id)
}

// repool gives a subnet other pools, in which addresses may be taken already.
func (a *addressing) repool(t *rapid.T) {
	p := a.subnet(t, pooled)
	start := p.cidr.Addr().Next().Next()
	for range rapid.IntRange(0, 2).Draw(t, "from") {
		start = start.Next()
	}
	end := start
	for range rapid.IntRange(0, 2).Draw(t, "more") {
		end = end.Next()
	}
	a.put(p, fmt.Sprintf(`"allocation_pools":[{"start":%q,"end":%q}]`, start, end))
}

func (a *addressing) regate(t *rapid.T) {
	p := a.subnet(t, pooled)
	gateway := "null"
	if rapid.Bool().Draw(t, "some") {
		gateway = fmt.Sprintf("%q", p.cidr.Addr().Next())
	}
	a.put(p, `"gateway_ip":`+gateway)
}

func (a *addressing) put(p *plan, change string) {
	status, answer := a.call("member", http.MethodPut, "/subnets/"+p.id, `{"subnet":{`+change+`}}`)
	if status == http.StatusOK {
		a.learn(answer.(map[string]any)["subnet"])
	}
}

// agree compares the model with the tables.
func (a *addressing) agree(t *rapid.T) {
	a.View(func(r store.Reader) {
		if why := a.brokenAddresses(r); why != "" {
			t.Fatal(why)
		}
		for id, fixed := range a.ports {
			p := a.Ports.Get(r, id)
			if p == nil || len(p.FixedIPs) != len(fixed) {
				t.Fatalf("port %s is %+v, want addresses %v", id, p, fixed)
			}
		}
	})
}

// A process that starts again knows which addresses are taken, and how much of the quotas is used.
func TestANewProcessGoesOnWhereTheOldOneStopped(t *testing.T) {
	const quota = 13
	s := newSite(t, func(o *network.Options) { o.Quota["port"] = quota })
	n := s.make("member", "/networks", `{"network":{}}`)
	s.make("member", "/subnets", `{"subnet":{"network_id":"`+n+`","ip_version":4,"cidr":"10.0.0.0/28"}}`)
	body := `{"port":{"network_id":"` + n + `"}}`
	const first = 6
	for range first {
		s.make("member", "/ports", body)
	}
	s.Close()
	again, err := network.New(s.Tables, network.Options{
		Authenticator: callers{"member": {ProjectID: memberProject, Roles: []string{"member"}}}, GeneveRange: "1:2000", Quota: map[string]int{"port": quota}, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Service = again
	defer again.Close()
	for range quota - first {
		s.make("member", "/ports", body)
	}
	s.refuse("member", http.MethodPost, "/ports", body, 409, "OverQuota", "Quota exceeded for resources: ['port'].")
	s.View(func(r store.Reader) {
		if why := s.brokenAddresses(r); why != "" {
			t.Error(why)
		}
	})
}
