// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"fmt"
	"testing"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func TestANetworkIsASwitchAsSoonAsItsCommitIsSettled(t *testing.T) {
	c := startCentral(t)
	tables := model.New()
	b := c.backend(tables, nil)
	settled(t, b)
	n := &model.Network{Meta: model.Meta{ID: "6f1f2c1e-0000-4000-8000-000000000001", RevisionNumber: 1}, Name: "blue", MTU: 1442}
	commit(t, tables, b, func(tx *store.Tx) { tables.Networks.Put(tx, n) })
	if got := c.nbctl("get", "Logical_Switch", "neutron-"+n.ID, `external_ids:"neutron:network_name"`); got != "blue" {
		t.Errorf("name: %s", got)
	}
	c.nbctl("set", "Logical_Switch", "neutron-"+n.ID, `external_ids:"neutron:network_name"=red`)
	eventually(t, func() error {
		if got := c.nbctl("get", "Logical_Switch", "neutron-"+n.ID, `external_ids:"neutron:network_name"`); got != "blue" {
			return fmt.Errorf("name: %s", got)
		}
		return nil
	})
	commit(t, tables, b, func(tx *store.Tx) { tables.Networks.Delete(tx, n.ID) })
	if got := c.nbctl("--columns=name", "list", "Logical_Switch"); got != "" {
		t.Errorf("left: %s", got)
	}
}
