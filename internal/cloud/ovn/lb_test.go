// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// put puts a row into its table.
func put(tables *model.Tables, tx *store.Tx, row any) {
	switch row := row.(type) {
	case *model.Network:
		tables.Networks.Put(tx, row)
	case *model.Subnet:
		tables.Subnets.Put(tx, row)
	case *model.Port:
		tables.Ports.Put(tx, row)
	case *model.Router:
		tables.Routers.Put(tx, row)
	case *model.FloatingIP:
		tables.FloatingIPs.Put(tx, row)
	case *model.LoadBalancer:
		tables.LoadBalancers.Put(tx, row)
	case *model.Listener:
		tables.Listeners.Put(tx, row)
	case *model.LBPool:
		tables.LBPools.Put(tx, row)
	case *model.Member:
		tables.Members.Put(tx, row)
	case *model.HealthMonitor:
		tables.HealthMonitors.Put(tx, row)
	default:
		panic(fmt.Sprintf("no table for %T", row))
	}
}

// see reads tables that hold the rows. A row replaces one of the same id.
func see(t testing.TB, read func(v view), rows ...any) {
	t.Helper()
	tables := model.New()
	if _, err := tables.Update(func(tx *store.Tx) error {
		for _, row := range rows {
			put(tables, tx, row)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	tables.View(func(r store.Reader) { read(view{Reader: r, Tables: tables, options: &Options{}}) })
}

func lbMeta(id string) model.LBMeta {
	return model.LBMeta{ID: id, AdminStateUp: true, ProvisioningStatus: "ACTIVE"}
}

func aBalancer(change ...func(*model.LoadBalancer)) *model.LoadBalancer {
	return changedBy(&model.LoadBalancer{
		LBMeta: lbMeta("lb"), Provider: "ovn",
		VIPAddress: "10.0.0.100", VIPPortID: "vip", VIPSubnetID: "sub-a", VIPNetworkID: "a",
	}, change)
}

func aListener(id, protocol string, port int, pool string, change ...func(*model.Listener)) *model.Listener {
	l := &model.Listener{LBMeta: lbMeta(id), LoadBalancerID: "lb", Protocol: protocol, ProtocolPort: port}
	if pool != "" {
		l.DefaultPoolID = &pool
	}
	return changedBy(l, change)
}

func aPool(id, protocol string, change ...func(*model.LBPool)) *model.LBPool {
	return changedBy(&model.LBPool{LBMeta: lbMeta(id), LoadBalancerID: "lb", Protocol: protocol, LBAlgorithm: "SOURCE_IP_PORT"}, change)
}

func aMember(id, pool, address string, change ...func(*model.Member)) *model.Member {
	return changedBy(&model.Member{LBMeta: lbMeta(id), PoolID: pool, Address: address, ProtocolPort: 8080, Weight: 1}, change)
}

func aMonitor(pool string, change ...func(*model.HealthMonitor)) *model.HealthMonitor {
	return changedBy(&model.HealthMonitor{
		LBMeta: lbMeta("hm-" + pool), PoolID: pool, Type: "TCP", Delay: 5, Timeout: 3, MaxRetries: 2, MaxRetriesDown: 4,
	}, change)
}

func changedBy[T any](row *T, change []func(*T)) *T {
	for _, f := range change {
		f(row)
	}
	return row
}

func in(subnet string) func(*model.Member) { return func(m *model.Member) { m.SubnetID = &subnet } }
func weight(n int) func(*model.Member)     { return func(m *model.Member) { m.Weight = n } }

func down[T any, P interface {
	*T
	LB() *model.LBMeta
}](row P) {
	row.LB().AdminStateUp = false
}

func provisioning[T any, P interface {
	*T
	LB() *model.LBMeta
}](status string) func(P) {
	return func(row P) { row.LB().ProvisioningStatus = status }
}

func aPort(id, network string, fixed ...string) *model.Port {
	p := &model.Port{Meta: model.Meta{ID: id}, NetworkID: network, AdminStateUp: true}
	for _, f := range fixed {
		subnet, address, _ := strings.Cut(f, " ")
		p.FixedIPs = append(p.FixedIPs, model.FixedIP{SubnetID: subnet, IPAddress: address})
	}
	return p
}

func anInterface(router, network, subnet string) *model.Port {
	p := aPort(router+"-"+network, network, subnet+" 192.0.2.1")
	p.DeviceID, p.DeviceOwner = router, model.OwnerRouterInterface
	return p
}

func aSource(network, subnet, address string) *model.Port {
	p := aPort("ask-"+subnet, network, subnet+" "+address)
	p.DeviceOwner = model.OwnerDistributed
	return p
}

func aFloatingIP(address, port, fixed string) *model.FloatingIP {
	router := "r"
	return &model.FloatingIP{
		Meta: model.Meta{ID: "fip-" + address}, FloatingIPAddress: address, PortID: &port, FixedIPAddress: &fixed, RouterID: &router,
	}
}

// ground is two networks: a with IPv4 and IPv6, b with IPv4.
func ground() []any {
	network := func(id string) *model.Network { return &model.Network{Meta: model.Meta{ID: id}} }
	subnet := func(id, network, cidr string) *model.Subnet {
		return &model.Subnet{Meta: model.Meta{ID: id}, NetworkID: network, CIDR: cidr}
	}
	return []any{
		network("a"), network("b"),
		subnet("sub-a", "a", "10.0.0.0/24"), subnet("six-a", "a", "fd00::/64"), subnet("sub-b", "b", "10.0.1.0/24"),
	}
}

// told writes rows as a human would read them aloud.
func told(rows []Row) string {
	var b strings.Builder
	each := func(word string, m any) {
		entries := m.(ovsdb.Map)
		for _, k := range slices.Sorted(maps.Keys(entries)) {
			fmt.Fprintf(&b, "  %s %s=%s\n", word, k, entries[k])
		}
	}
	for _, row := range rows {
		if row.Table == tableHealthCheck {
			fmt.Fprintf(&b, "  check %s\n", row.Columns["vip"])
			continue
		}
		fmt.Fprintf(&b, "%v %s\n", row.Columns["protocol"], strings.Join(row.Columns["selection_fields"].(ovsdb.Set), ","))
		each("vip", row.Columns["vips"])
		each("ask", row.Columns["ip_port_mappings"])
		for _, place := range row.In {
			fmt.Fprintf(&b, "  on %s %s\n", place.Table, place.Key)
		}
	}
	return b.String()
}

func TestALoadBalancerIsLaidOutAsTheProviderDoes(t *testing.T) {
	rows := append(ground(),
		aBalancer(), anInterface("r", "a", "sub-a"), anInterface("r", "b", "sub-b"), aFloatingIP("203.0.113.86", "vip", "10.0.0.100"),
		aListener("l80", "TCP", 80, "p80"), aPool("p80", "TCP"), aMember("m1", "p80", "10.0.0.11"), aMember("m2", "p80", "10.0.1.11", in("sub-b"), down),
		aListener("l81", "TCP", 81, "", down), aPool("p81", "TCP", down), aMonitor("p80"),
		aPort("port1", "a", "sub-a 10.0.0.11"), aSource("a", "sub-a", "10.0.0.2"),
	)
	want := []Row{{
		Table: tableLoadBalancer, Key: "lb tcp " + byConnection,
		In: []Place{
			{tableSwitch, "neutron-a", "load_balancer"}, {tableSwitch, "neutron-b", "load_balancer"}, {tableRouter, "neutron-r", "load_balancer"},
		},
		Columns: ovsdb.Columns{
			"name": "lb", "protocol": "tcp", "selection_fields": ovsdb.Set{"ip_dst", "ip_src", "tp_dst", "tp_src"}, "options": ovsdb.Map{},
			"vips":             ovsdb.Map{"10.0.0.100:80": "10.0.0.11:8080", "203.0.113.86:80": "10.0.0.11:8080"},
			"ip_port_mappings": ovsdb.Map{"10.0.0.11": "port1:10.0.0.2"},
			"external_ids": ovsdb.Map{
				"enabled": "True", "neutron:vip": "10.0.0.100", "neutron:vip_port_id": "vip", "neutron:vip_fip": "203.0.113.86",
				"lr_ref": "neutron-r", "ls_refs": `{"neutron-a":2,"neutron-b":1}`,
				"listener_l80": "80:pool_p80", "listener_l81:D": "81:",
				"pool_p80": "member_m1_10.0.0.11:8080_sub-a,member_m2_10.0.1.11:8080_sub-b", "pool_p81:D": "",
			},
		},
	}}
	for _, vip := range []string{"10.0.0.100", "203.0.113.86"} {
		want = append(want, Row{
			Table: tableHealthCheck, Key: "lb tcp " + byConnection + " hm-p80 " + vip + ":80", In: []Place{{tableLoadBalancer, "lb tcp " + byConnection, "health_check"}},
			Columns: ovsdb.Columns{
				"vip":     vip + ":80",
				"options": ovsdb.Map{"interval": "5", "timeout": "3", "success_count": "2", "failure_count": "4"},
				"external_ids": ovsdb.Map{
					"octavia:healthmonitor": "hm-p80", "octavia:pool_id": "p80", "octavia:vip": vip,
				},
			},
		})
	}
	see(t, func(v view) {
		if diff := cmp.Diff(want, lbKind().rows(v, "lb")); diff != "" {
			t.Error(diff)
		}
	}, rows...)
}

const (
	tcp       = "tcp ip_dst,ip_src,tp_dst,tp_src\n"
	udp       = "udp ip_dst,ip_src,tp_dst,tp_src\n"
	sticky    = "tcp ip_dst,ip_src\n"
	untouched = "<nil> ip_dst,ip_src,tp_dst,tp_src\n"
	onA       = "  on Logical_Switch neutron-a\n"
	onB       = "  on Logical_Switch neutron-b\n"
	onR       = "  on Logical_Router neutron-r\n"
)

// web is a listener on port 80 and its pool with two members.
func web(more ...any) []any {
	return append([]any{
		aBalancer(), aListener("l", "TCP", 80, "p"), aPool("p", "TCP"), aMember("m1", "p", "10.0.0.11"), aMember("m2", "p", "10.0.0.12"),
	}, more...)
}

func TestVIPsLeadToTheMembersThatAreToBeAsked(t *testing.T) {
	persistent := func(p *model.LBPool) { p.SessionPersistence = &model.SessionPersistence{Type: "SOURCE_IP"} }
	later := func(m *model.Member) { m.CreatedAt = time.Unix(1, 0) }
	six := func(lb *model.LoadBalancer) { lb.VIPAddress, lb.VIPSubnetID = "fd00::100", "six-a" }
	more := func(lb *model.LoadBalancer) {
		lb.AdditionalVIPs = []model.AdditionalVIP{{IPAddress: "fd00::100", SubnetID: "six-a", PortID: "vip2"}, {SubnetID: "sub-a"}}
	}
	for _, c := range []struct {
		name string
		rows []any
		want string
	}{
		{"nothing in it", []any{aBalancer()}, untouched + onA},
		{"of another provider", []any{aBalancer(func(lb *model.LoadBalancer) { lb.Provider = "amphora" })}, ""},
		{"being deleted", web(aBalancer(provisioning[model.LoadBalancer]("PENDING_DELETE"))), ""},
		{"a listener without a pool", []any{aBalancer(), aListener("l", "TCP", 80, "")}, tcp + onA},
		{"a pool without a listener", []any{aBalancer(), aPool("p", "TCP"), aMember("m", "p", "10.0.0.11")}, tcp + onA},
		{"a pool without members", []any{aBalancer(), aListener("l", "TCP", 80, "p"), aPool("p", "TCP")}, tcp + onA},
		{"two members", web(), tcp + "  vip 10.0.0.100:80=10.0.0.11:8080,10.0.0.12:8080\n" + onA},
		{"members as they were made", web(aMember("m0", "p", "10.0.0.10", later)), tcp + "  vip 10.0.0.100:80=10.0.0.11:8080,10.0.0.12:8080,10.0.0.10:8080\n" + onA},
		{"one drained", web(aMember("m2", "p", "10.0.0.12", weight(0))), tcp + "  vip 10.0.0.100:80=10.0.0.11:8080\n" + onA},
		{"all drained", web(aMember("m1", "p", "10.0.0.11", weight(0)), aMember("m2", "p", "10.0.0.12", down)), tcp + "  vip 10.0.0.100:80=\n" + onA},
		{"one disabled", web(aMember("m1", "p", "10.0.0.11", down)), tcp + "  vip 10.0.0.100:80=10.0.0.12:8080\n" + onA},
		{"one being deleted", web(aMember("m1", "p", "10.0.0.11", provisioning[model.Member]("PENDING_DELETE"))), tcp + "  vip 10.0.0.100:80=10.0.0.12:8080\n" + onA},
		{"one being made", web(aMember("m3", "p", "10.0.0.13", provisioning[model.Member]("PENDING_CREATE"))), tcp + "  vip 10.0.0.100:80=10.0.0.11:8080,10.0.0.12:8080,10.0.0.13:8080\n" + onA},
		{"pool disabled", web(aPool("p", "TCP", down)), tcp + onA},
		{"listener disabled", web(aListener("l", "TCP", 80, "p", down)), tcp + onA},
		{"listener being deleted", web(aListener("l", "TCP", 80, "p", provisioning[model.Listener]("PENDING_DELETE"))), tcp + onA},
		{"load balancer disabled", web(aBalancer(down)), tcp + onA},
		{"two listeners, one pool", web(aListener("l2", "TCP", 81, "p")), tcp + "  vip 10.0.0.100:80=10.0.0.11:8080,10.0.0.12:8080\n  vip 10.0.0.100:81=10.0.0.11:8080,10.0.0.12:8080\n" + onA},
		{
			"two protocols", web(aListener("u", "UDP", 80, "pu"), aPool("pu", "UDP"), aMember("mu", "pu", "10.0.0.11")),
			tcp + "  vip 10.0.0.100:80=10.0.0.11:8080,10.0.0.12:8080\n" + onA + udp + "  vip 10.0.0.100:80=10.0.0.11:8080\n" + onA,
		},
		{"session persistence", web(aPool("p", "TCP", persistent)), sticky + "  vip 10.0.0.100:80=10.0.0.11:8080,10.0.0.12:8080\n" + onA},
		{
			"session persistence of one pool of two", web(aListener("l2", "TCP", 81, "p2"), aPool("p2", "TCP", persistent), aMember("m3", "p2", "10.0.0.11")),
			sticky + "  vip 10.0.0.100:81=10.0.0.11:8080\n" + onA + tcp + "  vip 10.0.0.100:80=10.0.0.11:8080,10.0.0.12:8080\n" + onA,
		},
		{"IPv6, as its user wrote it", web(aBalancer(six), aMember("m3", "p", "fd00:0::0:11")), tcp + "  vip [fd00::100]:80=[fd00::11]:8080\n" + onA},
		{
			"additional VIP", web(aBalancer(more), aMember("m3", "p", "fd00::11")),
			tcp + "  vip 10.0.0.100:80=10.0.0.11:8080,10.0.0.12:8080\n  vip [fd00::100]:80=[fd00::11]:8080\n" + onA,
		},
		{
			"floating IP", web(aFloatingIP("203.0.113.5", "vip", "10.0.0.100"), aFloatingIP("203.0.113.6", "vip", "10.0.0.101"), aFloatingIP("203.0.113.7", "m1", "10.0.0.11")),
			tcp + "  vip 10.0.0.100:80=10.0.0.11:8080,10.0.0.12:8080\n  vip 203.0.113.5:80=10.0.0.11:8080,10.0.0.12:8080\n" + onA,
		},
		{"router", web(anInterface("r", "a", "sub-a")), tcp + "  vip 10.0.0.100:80=10.0.0.11:8080,10.0.0.12:8080\n" + onA + onR},
		{"router to elsewhere", []any{aBalancer(), anInterface("r", "a", "sub-a"), anInterface("r", "b", "sub-b")}, untouched + onA + onB + onR},
		{"member elsewhere", web(aMember("m1", "p", "10.0.1.11", in("sub-b"))), tcp + "  vip 10.0.0.100:80=10.0.1.11:8080,10.0.0.12:8080\n" + onA + onB},
		{"router of a member elsewhere", web(aMember("m1", "p", "10.0.1.11", in("sub-b")), anInterface("r", "b", "sub-b")), tcp + "  vip 10.0.0.100:80=10.0.1.11:8080,10.0.0.12:8080\n" + onA + onB + onR},
		{"router elsewhere", []any{aBalancer(), anInterface("r", "b", "sub-b")}, untouched + onA},
	} {
		t.Run(c.name, func(t *testing.T) {
			see(t, func(v view) {
				if diff := cmp.Diff(c.want, told(lbKind().rows(v, "lb"))); diff != "" {
					t.Error(diff)
				}
			}, append(ground(), c.rows...)...)
		})
	}
}
