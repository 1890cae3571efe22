// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// testdata/neutron holds what a real Neutron (Zed, ML2/OVN) said of some of
// everything in its API, and what its driver had in the northbound database
// then: nothing left out of a row but its empty columns.

func TestOnWhatNeutronsDriverWroteThereIsNothingToDo(t *testing.T) {
	c := startCentral(t)
	tables := neutronTables(t)
	c.insertRecorded(t, tables)
	v := view{Tables: tables, options: &Options{
		DNSServers: []string{"203.0.113.1"}, DNSDomain: "kuryr.test.", DHCPLease: 43200e9,
	}, hosts: recordedHosts()}
	ix := newIndex(kinds())
	conn, err := ovsdb.Dial(context.Background(), c.address("nb"), northbound, func(changes []ovsdb.Change) {
		for _, change := range changes {
			ix.put(change.Row)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var all []wanted
	tables.View(func(r store.Reader) {
		v.Reader = r
		for _, k := range kinds() {
			for id := range k.every(v) {
				all = append(all, wanted{unit{k.name, id}, k.rows(v, id)})
			}
		}
	})
	conn.Lock()
	defer conn.Unlock()
	p := newPlan(ix, all)
	for u := range ix.units {
		if !slices.ContainsFunc(all, func(w wanted) bool { return w.unit == u }) {
			t.Errorf("nobody demands %v", u)
		}
	}
	for _, difference := range p.differences() {
		if !slices.ContainsFunc(knownDifferences, func(known string) bool { return strings.HasPrefix(difference, known) }) {
			t.Error(difference)
		}
	}
	for ref, units := range p.missing {
		t.Errorf("%v is missing for %v", ref, units)
	}
}

// knownDifferences are what is written in another way than Neutron Zed's driver does.
var knownDifferences = []string{
	// It does not know address groups.
	"insert Address_Set", "update ACL 780340f6-2bd8-4c4e-add3-3d90d716b00e match",
	// Its order of gateways depends on history.
	"update Gateway_Chassis", "update HA_Chassis",
	// It does not tell a port that it has become a trunk's.
	"update Logical_Switch_Port 4971fd4f-6f99-41fe-8146-3d438e5941ba external_ids",
	"update Logical_Switch_Port 6a392017-4343-49aa-aa94-113a5d839dea external_ids",
	// It forgets the guaranteed rate of its network when a port is bound.
	"update Logical_Switch_Port b8a0a6c8-56d7-4cf5-8090-1b68ad058ebf options",
}

func recordedHosts() (hosts []model.Chassis) {
	for _, name := range []string{"node1", "node2"} {
		hosts = append(hosts, model.Chassis{Name: name, Options: []string{asGateway}, BridgeMappings: map[string]string{"physnet1": "br-ex"}})
	}
	return hosts
}

// differences tells what a plan would do, a line for each.
func (p *plan) differences() (all []string) {
	for _, in := range p.inserts {
		all = append(all, fmt.Sprintf("insert %s %v", in.table, in.columns))
	}
	for row, columns := range p.updates {
		is := row.Mark.(*identity)
		for column, value := range columns {
			all = append(all, fmt.Sprintf("update %s %s %s: want %v, have %v", row.Table.Name, is.key, column, value, row.Value(column)))
		}
	}
	for at, d := range p.deltas {
		all = append(all, fmt.Sprintf("mutate %s %s %s: %+v", at.Row.Table.Name, at.Row.Mark.(*identity).key, at.Column, *d))
	}
	for row := range p.deletes {
		all = append(all, fmt.Sprintf("delete %s %s", row.Table.Name, row.Mark.(*identity).key))
	}
	sort.Strings(all)
	return all
}

func readRecorded(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile("testdata/neutron/" + name)
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(text)).Decode(into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// neutronTables are the recorded objects. Their revisions are left out, because
// those in the database are of before the last change, as often as not.
func neutronTables(t *testing.T) *model.Tables {
	t.Helper()
	var o struct {
		Networks           []model.Network                   `json:"networks"`
		Subnets            []model.Subnet                    `json:"subnets"`
		Ports              []model.Port                      `json:"ports"`
		Routers            []model.Router                    `json:"routers"`
		FloatingIPs        []model.FloatingIP                `json:"floatingips"`
		SecurityGroups     []model.SecurityGroup             `json:"security_groups"`
		SecurityGroupRules []model.SecurityGroupRule         `json:"security_group_rules"`
		Trunks             []model.Trunk                     `json:"trunks"`
		AddressGroups      []model.AddressGroup              `json:"address_groups"`
		Policies           []model.QoSPolicy                 `json:"policies"`
		Forwardings        map[string][]model.PortForwarding `json:"port_forwardings"`
	}
	readRecorded(t, "objects.json", &o)
	tables := model.New()
	_, err := tables.Update(func(tx *store.Tx) error {
		own := map[string]string{}
		for _, p := range o.Ports {
			own[p.DeviceOwner+p.DeviceID] = p.ID
		}
		for i := range o.Routers {
			if g := o.Routers[i].Gateway; g != nil {
				g.PortID = own[ownerGateway+o.Routers[i].ID]
			}
		}
		for i := range o.FloatingIPs {
			o.FloatingIPs[i].OwnPortID = own["network:floatingip"+o.FloatingIPs[i].ID]
		}
		for id, all := range o.Forwardings {
			for i := range all {
				all[i].FloatingIPID = id
			}
			putAll(tx, tables.PortForwardings, all)
		}
		putAll(tx, tables.Networks, o.Networks)
		putAll(tx, tables.Subnets, o.Subnets)
		putAll(tx, tables.Ports, o.Ports)
		putAll(tx, tables.Routers, o.Routers)
		putAll(tx, tables.FloatingIPs, o.FloatingIPs)
		putAll(tx, tables.SecurityGroups, o.SecurityGroups)
		putAll(tx, tables.SecurityGroupRules, o.SecurityGroupRules)
		putAll(tx, tables.Trunks, o.Trunks)
		putAll(tx, tables.AddressGroups, o.AddressGroups)
		putAll(tx, tables.QoSPolicies, o.Policies)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

func putAll[T any](tx *store.Tx, table *store.Table[T], rows []T) {
	for i := range rows {
		if m, ok := any(&rows[i]).(model.Resource); ok {
			m.Of().RevisionNumber = 0
		}
		table.Put(tx, &rows[i])
	}
}

// insertRecorded puts the recorded rows into the database, with what cannot be
// the same made so: revisions, the random MACs of DHCP servers, and the names of
// the ports to physical networks, which are after a network's segment.
func (c *central) insertRecorded(t *testing.T, tables *model.Tables) {
	t.Helper()
	var recorded map[string][]map[string]any
	readRecorded(t, "rows.json", &recorded)
	localnets := map[string]string{} // by the row's uuid
	for _, s := range recorded[tableSwitch] {
		for _, ref := range list(s["ports"]) {
			localnets[strings.TrimPrefix(ref.(string), "ref:")] = localnetName + strings.TrimPrefix(s["name"].(string), namePrefix)
		}
	}
	var ops []ovsdb.Op
	for table, rows := range recorded {
		for _, row := range rows {
			uuid := row["uuid"].(string)
			if name, _ := row["name"].(string); strings.HasPrefix(name, localnetName) {
				row["name"] = localnets[uuid]
			}
			if marks, ok := row[columnIDs].(map[string]any); ok && marks[idRevision] != nil {
				marks[idRevision] = "0"
			}
			if options, ok := row["options"].(map[string]any); ok && table == tableDHCP {
				mac := serverMAC(row[columnIDs].(map[string]any)[idDHCPSubnet].(string))
				if options["server_mac"] != nil {
					options["server_mac"] = mac
				} else {
					options["server_id"] = mac
				}
			}
			ops = append(ops, ovsdb.Insert(table, rowName(uuid), recordedColumns(table, row)))
		}
	}
	if err := c.spy().Transact(context.Background(), ops); err != nil {
		t.Fatal(err)
	}
}

func list(value any) []any {
	if all, ok := value.([]any); ok {
		return all
	}
	if value == nil {
		return nil
	}
	return []any{value}
}

func rowName(uuid string) ovsdb.Name { return ovsdb.Name("u" + strings.ReplaceAll(uuid, "-", "_")) }

func recordedColumns(table string, row map[string]any) ovsdb.Columns {
	columns := ovsdb.Columns{}
	for _, column := range northbound.Table(table).Columns {
		value, ok := row[column.Name]
		if !ok {
			continue
		}
		switch column.Kind {
		case ovsdb.Strong, ovsdb.Weak:
			refs := ovsdb.IDs{}
			for _, ref := range list(value) {
				refs = append(refs, rowName(strings.TrimPrefix(ref.(string), "ref:")))
			}
			columns[column.Name] = refs
		case ovsdb.Strings:
			set := ovsdb.Set{}
			for _, s := range list(value) {
				set = append(set, s.(string))
			}
			columns[column.Name] = set
		case ovsdb.Text:
			m := ovsdb.Map{}
			for k, s := range value.(map[string]any) {
				m[k] = s.(string)
			}
			columns[column.Name] = m
		case ovsdb.Integers:
			m := ovsdb.IntMap{}
			for k, n := range value.(map[string]any) {
				m[k] = int(n.(float64))
			}
			columns[column.Name] = m
		default:
			if ref, ok := value.(string); ok && strings.HasPrefix(ref, "ref:") {
				value = rowName(strings.TrimPrefix(ref, "ref:"))
			}
			columns[column.Name] = value
		}
	}
	return columns
}
