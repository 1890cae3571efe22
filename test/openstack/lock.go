// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// locked runs f while no other process or goroutine changes the cloud. The
// lock goes with its holder, however that ends.
func (c *Cloud) locked(ctx context.Context, f func() error) error {
	lock, err := os.OpenFile(c.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("openstack: lock %s: %w", c.dir, err)
	}
	defer func() { _ = lock.Close() }()
	if err := await(ctx, "another's work on "+c.dir, func(context.Context) error {
		return unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}); err != nil {
		return err
	}
	return f()
}
