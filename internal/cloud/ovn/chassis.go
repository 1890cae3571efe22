// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"context"
	"fmt"

	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
)

// RemoveChassis removes a hypervisor from the southbound database, as
// `ovn-sbctl chassis-del` does. One whose ovn-controller runs comes back.
func (b *Backend) RemoveChassis(ctx context.Context, name string) error {
	b.south.mu.Lock()
	sb := b.south.sb
	b.south.mu.Unlock()
	if sb == nil {
		return fmt.Errorf("ovn: remove chassis %s: %w", name, errNotYet)
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	var ops []ovsdb.Op
	sb.Lock()
	for row := range sb.All() {
		if table := row.Table.Name; (table == tableChassis || table == tableChassisPrivate) && row.String("name") == name {
			ops = append(ops, ovsdb.Delete(table, row.UUID))
		}
	}
	sb.Unlock()
	if err := sb.Transact(ctx, ops); err != nil {
		return fmt.Errorf("ovn: remove chassis %s: %w", name, err)
	}
	return nil
}
