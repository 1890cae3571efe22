// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// The transaction makes a group too: without that ovsdb-server itself would
// take the port out of the set.
func TestAGroupForgetsAPortInTheTransactionThatGivesItAnother(t *testing.T) {
	c := startCentral(t)
	tables := model.New()
	b := c.backend(tables, nil)
	settled(t, b)
	id := func(n int) string { return fmt.Sprintf("6f1f2c1e-0000-4000-8000-%012d", n) }
	network, group := id(1), id(2)
	port := func(n int) *model.Port {
		return &model.Port{
			Meta: model.Meta{ID: id(n)}, NetworkID: network, MACAddress: fmt.Sprintf("fa:16:3e:00:00:%02x", n), AdminStateUp: true,
			PortSecurityEnabled: true, SecurityGroups: []string{group}, VNICType: "normal",
		}
	}
	commit(t, tables, b, func(tx *store.Tx) {
		tables.Networks.Put(tx, &model.Network{Meta: model.Meta{ID: network}})
		tables.SecurityGroups.Put(tx, &model.SecurityGroup{Meta: model.Meta{ID: group}})
		tables.Ports.Put(tx, port(3))
	})
	commit(t, tables, b, func(tx *store.Tx) {
		tables.Ports.Delete(tx, id(3))
		tables.Ports.Put(tx, port(4))
		tables.SecurityGroups.Put(tx, &model.SecurityGroup{Meta: model.Meta{ID: id(5)}})
	})
	if got := strings.Fields(c.nbctl("--bare", "--columns=ports", "list", "Port_Group", groupName(group))); len(got) != 1 {
		t.Errorf("the group has %d ports: %v", len(got), got)
	}
}
