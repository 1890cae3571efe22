// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// wantedBy is everything that the tables demand, for hosts.
func wantedBy(r store.Reader, tables *model.Tables, hosts []model.Chassis, o *Options, kinds []kind) (all []wanted) {
	v := view{Reader: r, Tables: tables, options: o, hosts: hosts}
	for _, k := range kinds {
		for id := range k.every(v) {
			all = append(all, wanted{unit{k.name, id}, k.rows(v, id)})
		}
	}
	return all
}

// compare tells what differs between a northbound database and what the
// tables demand, by a comparison that knows nothing of what was done before.
func compare(spy *ovsdb.Conn, tables *model.Tables, b *Backend) error {
	// What was written before this is answered is in the replica then.
	if err := spy.Transact(context.Background(), []ovsdb.Op{ovsdb.Delete(tableDNS, ovsdb.UUID{})}); err != nil {
		return err
	}
	var found []error
	tables.View(func(r store.Reader) {
		spy.Lock()
		defer spy.Unlock()
		ix := newIndex(kinds())
		for row := range spy.All() {
			ix.put(row)
		}
		all := wantedBy(r, tables, b.south.list(), &b.options, ix.kinds)
		demanded := map[unit]bool{}
		for _, w := range all {
			demanded[w.unit] = true
		}
		p := newPlan(ix, all)
		for _, difference := range p.differences() {
			found = append(found, errors.New(difference))
		}
		for u, rows := range ix.units {
			if !demanded[u] {
				found = append(found, fmt.Errorf("%d rows of %v, which nobody demands", len(rows), u))
			}
		}
		for row := range spy.All() {
			row.Mark = nil
		}
	})
	return errors.Join(found...)
}

// world is a small cloud whose rows come, change and go at random.
type world struct {
	tables *model.Tables
}

func (world) id(kind byte, n int) string {
	return fmt.Sprintf("%c0000000-0000-4000-8000-00000000000%d", kind, n)
}

// one draws an id of a kind.
func (w world) one(t *rapid.T, kind byte, n int) string {
	return w.id(kind, rapid.IntRange(1, n).Draw(t, string(kind)))
}

// maybe draws one or none.
func (w world) maybe(t *rapid.T, kind byte, n int) *string {
	if rapid.Bool().Draw(t, "some "+string(kind)) {
		return nil
	}
	id := w.one(t, kind, n)
	return &id
}

// Kinds of ids: hexadecimal digits.
const (
	aNetwork, aSubnet, thePort, aRouter, aFloating = 'a', 'b', 'c', 'd', 'e'
	aGroup, aRule, anAddressGroup, aPolicy, aTrunk = '1', '2', '3', '4', '5'
	aForwarding                                    = '6'
)

// step is one commit with a few changes.
func (w world) step(t *rapid.T) {
	_, err := w.tables.Update(func(tx *store.Tx) error {
		for range rapid.IntRange(1, 8).Draw(t, "changes") {
			w.change(t, tx)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func meta(t *rapid.T, id string) model.Meta {
	return model.Meta{ID: id, RevisionNumber: int64(rapid.IntRange(1, 3).Draw(t, "revision")), ProjectID: "p"}
}

func (w world) change(t *rapid.T, tx *store.Tx) {
	x := w.tables
	gone := rapid.IntRange(0, 4).Draw(t, "gone") == 0
	switch rapid.IntRange(0, 12).Draw(t, "table") {
	case 0:
		n := w.network(t)
		alter(x.Networks, tx, n, n.ID, gone)
	case 1:
		s := w.subnet(t)
		alter(x.Subnets, tx, s, s.ID, gone)
	case 2, 3, 4:
		p := w.port(t)
		alter(x.Ports, tx, p, p.ID, gone)
	case 5:
		r := w.router(t)
		alter(x.Routers, tx, r, r.ID, gone)
	case 6:
		f := &model.FloatingIP{Meta: meta(t, w.one(t, aFloating, 2)), FloatingNetworkID: w.one(t, aNetwork, 3), RouterID: w.maybe(t, aRouter, 2),
			PortID: w.maybe(t, thePort, 6), QoSPolicyID: w.maybe(t, aPolicy, 2), FloatingIPAddress: pick(t, "floating", "203.0.113.1", "203.0.113.2"),
		}
		own := &model.Port{
			Meta: model.Meta{ID: strings.Replace(f.ID, "e", "f", 1)}, NetworkID: f.FloatingNetworkID, DeviceOwner: "network:floatingip", DeviceID: f.ID,
			MACAddress: pick(t, "mac", "fa:16:3e:00:00:03", "fa:16:3e:00:00:04"),
		}
		f.OwnPortID = own.ID
		alter(x.Ports, tx, own, own.ID, gone)
		if f.PortID != nil {
			f.FixedIPAddress = ptr(pick(t, "fixed", "10.1.0.1", "10.1.0.2"))
		}
		alter(x.FloatingIPs, tx, f, f.ID, gone)
	case 7:
		f := &model.PortForwarding{Meta: meta(t, w.one(t, aForwarding, 2)), FloatingIPID: w.one(t, aFloating, 2), Protocol: pick(t, "protocol", "tcp", "udp"),
			InternalIPAddress: "10.1.0.1", ExternalPortRange: pick(t, "range", "80:80", "80:82"), InternalPortRange: "90:92"}
		alter(x.PortForwardings, tx, f, f.ID, gone)
	case 8:
		g := &model.SecurityGroup{Meta: meta(t, w.one(t, aGroup, 2)), Stateful: rapid.Bool().Draw(t, "stateful")}
		alter(x.SecurityGroups, tx, g, g.ID, gone)
	case 9:
		r := w.rule(t)
		alter(x.SecurityGroupRules, tx, r, r.ID, gone)
	case 10:
		g := &model.AddressGroup{Meta: meta(t, w.one(t, anAddressGroup, 1))}
		for i := range rapid.IntRange(0, 20).Draw(t, "addresses") {
			g.Addresses = append(g.Addresses, fmt.Sprintf("10.0.%d.0/24", i), fmt.Sprintf("fd0%x::/64", i%16))
		}
		g.Addresses = slices.Compact(slices.Sorted(slices.Values(g.Addresses)))
		alter(x.AddressGroups, tx, g, g.ID, gone)
	case 11:
		q := &model.QoSPolicy{Meta: meta(t, w.one(t, aPolicy, 2))}
		for _, kind := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"bandwidth_limit", "dscp_marking", "minimum_bandwidth"}), 0, 3, rapid.ID).Draw(t, "rules") {
			q.Rules = append(q.Rules, model.QoSRule{Type: kind, Direction: pick(t, "direction", "egress", "ingress"), MaxKbps: rapid.IntRange(1, 2).Draw(t, "kbps"), MinKbps: 7, DSCPMark: 14})
		}
		alter(x.QoSPolicies, tx, q, q.ID, gone)
	case 12:
		k := &model.Trunk{Meta: meta(t, w.one(t, aTrunk, 1)), PortID: w.one(t, thePort, 2)}
		for i := range rapid.IntRange(0, 3).Draw(t, "subports") {
			k.SubPorts = append(k.SubPorts, model.SubPort{PortID: w.id(thePort, 4+i), SegmentationID: rapid.IntRange(1, 3).Draw(t, "vlan")})
		}
		alter(x.Trunks, tx, k, k.ID, gone)
	}
}

func ptr[T any](x T) *T { return &x }

func (w world) network(t *rapid.T) *model.Network {
	n := &model.Network{Meta: meta(t, w.one(t, aNetwork, 3)), Name: pick(t, "name", "x", "y"), MTU: pick(t, "mtu", 1442, 1500),
		QoSPolicyID: w.maybe(t, aPolicy, 2), DNSDomain: pick(t, "domain", "", "x.org."), NetworkType: "geneve", External: rapid.Bool().Draw(t, "external")}
	if rapid.Bool().Draw(t, "physical") {
		n.NetworkType, n.PhysicalNetwork, n.SegmentationID = "vlan", ptr("physnet1"), ptr(rapid.IntRange(1, 2).Draw(t, "vlan"))
	}
	return n
}

func pick[T any](t *rapid.T, label string, of ...T) T { return rapid.SampledFrom(of).Draw(t, label) }

func (w world) subnet(t *rapid.T) *model.Subnet {
	n := rapid.IntRange(1, 4).Draw(t, "subnet")
	s := &model.Subnet{Meta: meta(t, w.id(aSubnet, n)), NetworkID: w.id(aNetwork, (n+1)/2), EnableDHCP: rapid.IntRange(0, 3).Draw(t, "dhcp") > 0,
		IPVersion: 4, CIDR: fmt.Sprintf("10.%d.0.0/24", n), GatewayIP: pick(t, "gateway", nil, ptr(fmt.Sprintf("10.%d.0.254", n)))}
	if n%2 == 0 {
		s.IPVersion, s.CIDR = 6, fmt.Sprintf("fd0%d::/64", n)
		s.IPv6AddressMode = pick(t, "mode", nil, ptr("slaac"), ptr("dhcpv6-stateful"), ptr("dhcpv6-stateless"))
		s.GatewayIP = pick(t, "gateway", nil, ptr("fd01::1"))
	}
	if rapid.Bool().Draw(t, "routes") {
		s.HostRoutes = []model.Route{{Destination: "10.9.0.0/16", NextHop: "10.1.0.9"}}
	}
	return s
}

func (w world) port(t *rapid.T) *model.Port {
	network := rapid.IntRange(1, 2).Draw(t, "network")
	p := &model.Port{Meta: meta(t, w.one(t, thePort, 6)), NetworkID: w.id(aNetwork, network), MACAddress: pick(t, "mac", "fa:16:3e:00:00:01", "fa:16:3e:00:00:02"),
		AdminStateUp: rapid.Bool().Draw(t, "up"), PortSecurityEnabled: rapid.IntRange(0, 3).Draw(t, "security") > 0, QoSPolicyID: w.maybe(t, aPolicy, 2),
		DNSName: pick(t, "dns", "", "alpha", "beta"), HostID: pick(t, "host", "", "node1"), VNICType: pick(t, "vnic", "normal", "normal", "normal", "direct"),
		Claimed: rapid.Bool().Draw(t, "claimed")}
	p.DeviceOwner = pick(t, "owner", "compute:nova", "", "network:router_interface", "network:router_gateway", "network:dhcp", "network:distributed", "network:floatingip")
	if p.DeviceOwner != "" {
		p.DeviceID = w.one(t, aRouter, 2)
	}
	for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(2*network-1, 2*network), 0, 2, rapid.ID).Draw(t, "subnets") {
		address := fmt.Sprintf("10.%d.0.%d", n, rapid.IntRange(1, 2).Draw(t, "address"))
		if n%2 == 0 {
			address = fmt.Sprintf("fd0%d::%d", n, rapid.IntRange(1, 2).Draw(t, "address"))
		}
		p.FixedIPs = append(p.FixedIPs, model.FixedIP{SubnetID: w.id(aSubnet, n), IPAddress: address})
	}
	for range rapid.IntRange(0, 2).Draw(t, "pairs") {
		p.AllowedAddressPairs = append(p.AllowedAddressPairs, model.AddressPair{IPAddress: pick(t, "pair", "10.1.0.1", "10.1.0.2", "10.3.0.0/24"), MACAddress: pick(t, "its mac", p.MACAddress, "fa:16:3e:00:00:09")})
	}
	for _, g := range rapid.SliceOfNDistinct(rapid.IntRange(1, 2), 0, 2, rapid.ID).Draw(t, "groups") {
		p.SecurityGroups = append(p.SecurityGroups, w.id(aGroup, g))
	}
	if rapid.IntRange(0, 3).Draw(t, "options") == 0 {
		p.ExtraDHCPOpts = []model.DHCPOption{{Name: pick(t, "option", "mtu", "dhcp_disabled", "nonsense"), Value: ptr(pick(t, "value", "1400", "true")), IPVersion: pick(t, "version", 4, 6)}}
	}
	return p
}

func (w world) router(t *rapid.T) *model.Router {
	r := &model.Router{Meta: meta(t, w.one(t, aRouter, 2)), AdminStateUp: rapid.Bool().Draw(t, "up"), Name: pick(t, "name", "x", "y")}
	if rapid.Bool().Draw(t, "gateway") {
		n := rapid.IntRange(1, 4).Draw(t, "gateway's subnet")
		r.Gateway = &model.Gateway{NetworkID: w.id(aNetwork, (n+1)/2), EnableSNAT: rapid.Bool().Draw(t, "snat"), PortID: w.one(t, thePort, 6), QoSPolicyID: w.maybe(t, aPolicy, 2),
			FixedIPs: []model.FixedIP{{SubnetID: w.id(aSubnet, n), IPAddress: "203.0.113.9"}}}
	}
	if rapid.Bool().Draw(t, "routes") {
		r.Routes = []model.Route{{Destination: "10.8.0.0/16", NextHop: pick(t, "hop", "10.1.0.7", "10.1.0.8")}}
	}
	return r
}

func (w world) rule(t *rapid.T) *model.SecurityGroupRule {
	return &model.SecurityGroupRule{Meta: meta(t, w.one(t, aRule, 4)), SecurityGroupID: w.one(t, aGroup, 2), Direction: pick(t, "direction", "ingress", "egress"),
		EtherType: pick(t, "family", "IPv4", "IPv6"), Protocol: pick(t, "protocol", nil, ptr("tcp"), ptr("icmp"), ptr("47")), RemoteGroupID: w.maybe(t, aGroup, 2),
		RemoteAddressGroupID: w.maybe(t, anAddressGroup, 1), PortRangeMin: pick(t, "port", nil, ptr(80))}
}

// damage changes the database behind the back end's back.
func damage(t *rapid.T, spy *ovsdb.Conn) {
	var rows []*ovsdb.Row
	spy.Lock()
	for row := range spy.All() {
		if row.Table.Name != tableGlobal {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b *ovsdb.Row) int { return slices.Compare(a.UUID[:], b.UUID[:]) })
	var ops []ovsdb.Op
	if len(rows) > 0 {
		row := rows[rapid.IntRange(0, 1<<20).Draw(t, "row")%len(rows)]
		ops = harm(t, row)
	}
	spy.Unlock()
	// What the server refuses is no damage.
	_ = spy.Transact(context.Background(), ops)
}

func harm(t *rapid.T, row *ovsdb.Row) (ops []ovsdb.Op) {
	column := row.Table.Columns[rapid.IntRange(0, len(row.Table.Columns)-1).Draw(t, "column")]
	strange := ovsdb.Columns{"name": "b4d00000-0000-4000-8000-000000000001"}
	switch rapid.IntRange(0, 4).Draw(t, "harm") {
	case 0:
		// What is referred to is taken from where it is, and so ends.
		for place := range row.Places() {
			ops = append(ops, ovsdb.Mutate(place.Row.Table.Name, place.Row.UUID, ovsdb.Mutation{Column: place.Column, Mutator: "delete", Value: ovsdb.IDs{row.UUID}}))
		}
		return append(ops, ovsdb.Delete(row.Table.Name, row.UUID))
	case 1:
		for place := range row.Places() {
			return []ovsdb.Op{ovsdb.Mutate(place.Row.Table.Name, place.Row.UUID, ovsdb.Mutation{Column: place.Column, Mutator: "delete", Value: ovsdb.IDs{row.UUID}})}
		}
	case 2:
		if row.Table.Name == tableSwitch {
			return []ovsdb.Op{ovsdb.Insert(tableSwitchPort, "x", strange),
				ovsdb.Mutate(tableSwitch, row.UUID, ovsdb.Mutation{Column: "ports", Mutator: "insert", Value: ovsdb.IDs{ovsdb.Name("x")}})}
		}
		if row.Table.Name == tablePortGroup {
			return []ovsdb.Op{ovsdb.Insert(tableACL, "x", ovsdb.Columns{"direction": "to-lport", "match": "1", "action": "allow", "priority": 1}),
				ovsdb.Mutate(tablePortGroup, row.UUID, ovsdb.Mutation{Column: "acls", Mutator: "insert", Value: ovsdb.IDs{ovsdb.Name("x")}})}
		}
		if row.Table.Name == tableRouter {
			return []ovsdb.Op{ovsdb.Insert(tableNAT, "x", ovsdb.Columns{"type": "snat", "external_ip": "1.1.1.1", "logical_ip": "2.2.2.2"}),
				ovsdb.Insert(tableRoute, "y", ovsdb.Columns{"ip_prefix": "9.9.9.0/24", "nexthop": "8.8.8.8"}),
				ovsdb.Mutate(tableRouter, row.UUID, ovsdb.Mutation{Column: "nat", Mutator: "insert", Value: ovsdb.IDs{ovsdb.Name("x")}},
					ovsdb.Mutation{Column: "static_routes", Mutator: "insert", Value: ovsdb.IDs{ovsdb.Name("y")}})}
		}
	}
	// The columns by which rows of these are known are left: without them they are anybody's.
	switch {
	case column.Name == "name" || column.Name == "up", row.Table.Name == tableDHCP && column.Name == columnIDs, row.Table.Name == tableDNS && column.Name == columnIDs,
		row.Table.Name == tableLoadBalancer:
		return nil
	}
	switch column.Kind {
	case ovsdb.Text:
		return []ovsdb.Op{ovsdb.Update(row.Table.Name, row.UUID, ovsdb.Columns{column.Name: ovsdb.Map{"what": "ever"}})}
	case ovsdb.Strings:
		return []ovsdb.Op{ovsdb.Update(row.Table.Name, row.UUID, ovsdb.Columns{column.Name: ovsdb.Set{"whatever"}})}
	case ovsdb.Optional:
		return []ovsdb.Op{ovsdb.Update(row.Table.Name, row.UUID, ovsdb.Columns{column.Name: nil})}
	case ovsdb.Scalar:
		if row.String(column.Name) != "" {
			return []ovsdb.Op{ovsdb.Update(row.Table.Name, row.UUID, ovsdb.Columns{column.Name: "whatever"})}
		}
	}
	return nil
}

// everything is what each unit wants, as text.
func everything(tables *model.Tables, o *Options, hosts []model.Chassis) map[unit]string {
	all := map[unit]string{}
	tables.View(func(r store.Reader) {
		for _, w := range wantedBy(r, tables, hosts, o, kinds()) {
			if len(w.rows) > 0 {
				all[w.unit] = fmt.Sprint(w.rows)
			}
		}
	})
	return all
}

func TestACommitStirsWhateverItChanges(t *testing.T) {
	hosts := recordedHosts()
	rapid.Check(t, func(t *rapid.T) {
		w := world{model.New()}
		o := &Options{DNSServers: []string{"192.0.2.53"}, DNSDomain: "kuryr.test.", NeedToFrag: rapid.Bool().Draw(t, "need to frag")}
		var last store.Commit
		w.tables.Subscribe(func(c store.Commit) { last = c })
		before := everything(w.tables, o, hosts)
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			w.step(t)
			stirred := map[unit]bool{}
			w.tables.View(func(r store.Reader) {
				v := view{Reader: r, Tables: w.tables, options: o, hosts: hosts}
				for _, k := range kinds() {
					for _, c := range last.Changes {
						if stir := k.stirs[c.Table]; stir != nil {
							stir(v, c, func(id string) { stirred[unit{k.name, id}] = true })
						}
					}
				}
			})
			after := everything(w.tables, o, hosts)
			for u, rows := range after {
				if rows != before[u] && !stirred[u] {
					t.Fatalf("%v is not stirred\nwas: %s\nis:  %s", u, before[u], rows)
				}
			}
			for u := range before {
				if _, left := after[u]; !left && !stirred[u] {
					t.Fatalf("%v is not stirred, and wants nothing any more", u)
				}
			}
			before = after
		}
	})
}

func TestAfterAnyHistoryTheDatabaseIsAsTheTablesDemand(t *testing.T) {
	c := startCentral(t)
	c.addChassis("node1", "physnet1:br-ex", asGateway)
	c.addChassis("node2", "", asGateway)
	rapid.Check(t, func(t *rapid.T) {
		w := world{model.New()}
		b := startBackend(t, c, w.tables)
		defer func() { b.Close() }()
		spy, err := ovsdb.Dial(context.Background(), c.address("nb"), northbound, func([]ovsdb.Change) {})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { spy.Close() }()
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			switch rapid.IntRange(0, 19).Draw(t, "what") {
			case 0:
				// The server ends in the middle of it all, and comes back.
				c.kill("nb")
				w.step(t)
				c.startDB("nb")
				spy.Close()
				if spy, err = ovsdb.Dial(context.Background(), c.address("nb"), northbound, func([]ovsdb.Change) {}); err != nil {
					t.Fatal(err)
				}
			case 1, 2:
				// The process ends in the middle of it all, and another one begins.
				b.Close()
				w.step(t)
				b = startBackend(t, c, w.tables)
			case 3, 4, 5, 6, 7:
				damage(t, spy)
			case 8:
				inStep(t, spy, w.tables, b)
			default:
				w.step(t)
			}
		}
		inStep(t, spy, w.tables, b)
	})
}

func startBackend(t *rapid.T, c *central, tables *model.Tables) *Backend {
	b, err := New(tables, Options{NB: c.address("nb"), SB: c.address("sb"), DNSServers: []string{"192.0.2.53"}, DNSDomain: "kuryr.test.", NeedToFrag: true})
	if err != nil {
		t.Fatal(err)
	}
	b.Start(context.Background(), nil)
	return b
}

// inStep waits until the database is as the tables demand.
func inStep(t *rapid.T, spy *ovsdb.Conn, tables *model.Tables, b *Backend) {
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if err = b.Healthy(); err == nil {
			if err = compare(spy, tables, b); err == nil {
				return
			}
		}
	}
	t.Fatalf("out of step:\n%v", err)
}

func alter[T any](table *store.Table[T], tx *store.Tx, row *T, id string, gone bool) {
	if gone {
		table.Delete(tx, id)
		return
	}
	table.Put(tx, row)
}
