// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func TestAfterAnyHistoryTheLoadBalancersAreAsTheTablesDemand(t *testing.T) {
	c := startCentral(t)
	rapid.Check(t, func(t *rapid.T) {
		w := world{model.New()}
		b := startBackend(t, c, w.tables)
		defer func() { b.Close() }()
		spy, err := ovsdb.Dial(context.Background(), c.address("nb"), northbound, func([]ovsdb.Change) {})
		if err != nil {
			t.Fatal(err)
		}
		defer spy.Close()
		w.balanceAll(t)
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				b.Close()
				w.balance(t)
				b = startBackend(t, c, w.tables)
			case 1:
				damage(t, spy)
			default:
				w.balance(t)
			}
			inStep(t, spy, w.tables, b)
		}
	})
}

// Kinds of ids of what Octavia has.
const lbID, listenerID, poolID, memberID, monitorID = '7', '8', '9', 'f', '0'

// balanceAll makes a load balancer with a health check on each of two members.
func (w world) balanceAll(t *rapid.T) {
	id := func(kind byte, n int) model.LBMeta {
		return model.LBMeta{ID: w.id(kind, n), AdminStateUp: true, ProvisioningStatus: "ACTIVE"}
	}
	port := func(n int, owner, address string) *model.Port {
		return &model.Port{Meta: model.Meta{ID: w.id(thePort, n)}, NetworkID: w.id(aNetwork, 1), MACAddress: "fa:16:3e:00:00:01", AdminStateUp: true, DeviceOwner: owner,
			FixedIPs: []model.FixedIP{{SubnetID: w.id(aSubnet, 1), IPAddress: address}}}
	}
	member := func(n int, address string) *model.Member {
		return &model.Member{LBMeta: id(memberID, n), PoolID: w.id(poolID, 1), Weight: 1, ProtocolPort: 8080, Address: address}
	}
	_, err := w.tables.Update(func(tx *store.Tx) error {
		for _, row := range []any{
			&model.Network{Meta: model.Meta{ID: w.id(aNetwork, 1)}, NetworkType: "geneve"},
			&model.Subnet{Meta: model.Meta{ID: w.id(aSubnet, 1)}, NetworkID: w.id(aNetwork, 1), IPVersion: 4, CIDR: "10.1.0.0/24"},
			port(1, "compute:nova", "10.1.0.1"), port(2, "compute:nova", "10.1.0.2"), port(3, model.OwnerDistributed, "10.1.0.3"),
			&model.LoadBalancer{LBMeta: id(lbID, 1), Provider: "ovn", VIPAddress: "10.1.0.9", VIPPortID: w.id(thePort, 4), VIPSubnetID: w.id(aSubnet, 1), VIPNetworkID: w.id(aNetwork, 1)},
			&model.Listener{LBMeta: id(listenerID, 1), LoadBalancerID: w.id(lbID, 1), Protocol: "TCP", ProtocolPort: 80, DefaultPoolID: ptr(w.id(poolID, 1))},
			&model.LBPool{LBMeta: id(poolID, 1), LoadBalancerID: w.id(lbID, 1), Protocol: "TCP"},
			member(1, "10.1.0.1"), member(2, "10.1.0.2"), member(3, "192.0.2.9"),
			&model.HealthMonitor{LBMeta: id(monitorID, 1), PoolID: w.id(poolID, 1), Delay: 1},
		} {
			put(w.tables, tx, row)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// balance is one commit with a few changes, most of them to load balancers.
func (w world) balance(t *rapid.T) {
	_, err := w.tables.Update(func(tx *store.Tx) error {
		for range rapid.IntRange(1, 8).Draw(t, "changes") {
			gone := rapid.IntRange(0, 4).Draw(t, "gone") == 0
			switch what := rapid.IntRange(0, 12).Draw(t, "table"); what {
			case 0:
				n := w.network(t)
				change(w.tables.Networks, tx, n, n.ID, gone)
			case 1:
				s := w.subnet(t)
				change(w.tables.Subnets, tx, s, s.ID, gone)
			case 2, 3, 4:
				p := w.port(t)
				change(w.tables.Ports, tx, p, p.ID, gone)
			case 5, 6:
				w.change(t, tx)
			default:
				w.changeBalancer(t, tx, what, gone)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (w world) changeBalancer(t *rapid.T, tx *store.Tx, what int, gone bool) {
	meta := func(kind byte, n int) model.LBMeta {
		return model.LBMeta{
			ID: w.one(t, kind, n), AdminStateUp: rapid.IntRange(0, 4).Draw(t, "down") > 0,
			ProvisioningStatus: some(t, "status", "ACTIVE", "ACTIVE", "PENDING_CREATE", "PENDING_UPDATE", "PENDING_DELETE", "ERROR"),
		}
	}
	switch what {
	case 7:
		lb := &model.LoadBalancer{LBMeta: meta(lbID, 2), Provider: some(t, "provider", "ovn", "ovn", "ovn", "amphora"), VIPAddress: "10.1.0.9",
			VIPPortID: w.one(t, thePort, 6), VIPSubnetID: w.one(t, aSubnet, 2), VIPNetworkID: w.one(t, aNetwork, 2)}
		if rapid.Bool().Draw(t, "more") {
			lb.AdditionalVIPs = []model.AdditionalVIP{{IPAddress: some(t, "vip", "10.1.0.2", "fd02::9"), PortID: w.one(t, thePort, 6)}}
		}
		change(w.tables.LoadBalancers, tx, lb, lb.ID, gone)
	case 8:
		l := &model.Listener{LBMeta: meta(listenerID, 3), LoadBalancerID: w.one(t, lbID, 2), Protocol: some(t, "protocol", "TCP", "UDP"),
			ProtocolPort: rapid.IntRange(80, 82).Draw(t, "port"), DefaultPoolID: w.maybe(t, poolID, 2)}
		change(w.tables.Listeners, tx, l, l.ID, gone)
	case 9:
		p := &model.LBPool{LBMeta: meta(poolID, 2), LoadBalancerID: w.one(t, lbID, 2), Protocol: some(t, "protocol", "TCP", "UDP", "SCTP"),
			LBAlgorithm: some(t, "algorithm", "SOURCE_IP_PORT", "SOURCE_IP")}
		change(w.tables.LBPools, tx, p, p.ID, gone)
	case 10, 11:
		m := &model.Member{LBMeta: meta(memberID, 4), PoolID: w.one(t, poolID, 2), SubnetID: w.maybe(t, aSubnet, 4), Weight: rapid.IntRange(0, 2).Draw(t, "weight"),
			Address: some(t, "address", "10.1.0.1", "10.1.0.2", "10.3.0.1", "fd02:0::1", "192.0.2.9"), ProtocolPort: 8080}
		change(w.tables.Members, tx, m, m.ID, gone)
	case 12:
		hm := &model.HealthMonitor{LBMeta: meta(monitorID, 2), PoolID: w.one(t, poolID, 2), Delay: rapid.IntRange(1, 2).Draw(t, "delay")}
		change(w.tables.HealthMonitors, tx, hm, hm.ID, gone)
	}
}

func TestAStrangersLoadBalancerIsLeftAloneAndOneOfOursThatNobodyDemandsGoes(t *testing.T) {
	c := startCentral(t)
	c.nbctl("lb-add", "strange", "192.0.2.1:80", "192.0.2.2:80")
	c.nbctl("create", "Load_Balancer", "name="+(world{}).id(lbID, 1), "vips:192.0.2.3=192.0.2.4")
	settled(t, c.backend(model.New(), nil))
	if got := strings.Fields(c.nbctl("--bare", "--columns=name", "list", "Load_Balancer")); fmt.Sprint(got) != "[strange]" {
		t.Errorf("load balancers: %v", got)
	}
}

// some draws one of a few words.
func some(t *rapid.T, label string, words ...string) string {
	return rapid.SampledFrom(words).Draw(t, label)
}

// change puts a row, or deletes it.
func change[T any](table *store.Table[T], tx *store.Tx, row *T, id string, gone bool) {
	if gone {
		table.Delete(tx, id)
		return
	}
	table.Put(tx, row)
}
