// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// netnsID identifies the network namespace at path by device and inode.
// It returns a fault.Invalid error about the field "netns" when there is
// none, as after the sandbox's end.
func netnsID(path string) (string, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return "", fault.InvalidField("netns", "network namespace %s does not exist", path)
		}
		return "", fault.InvalidField("netns", "network namespace %s: %w", path, err)
	}
	// A file in its place is what is left of a bind mount when the namespace
	// was unmounted: the path is there, the namespace is not.
	if st.Type != unix.NSFS_MAGIC {
		return "", fault.InvalidField("netns", "%s is not a network namespace", path)
	}
	var fi syscall.Stat_t
	if err := syscall.Stat(path, &fi); err != nil {
		return "", fault.InvalidField("netns", "network namespace %s: %w", path, err)
	}
	return fmt.Sprintf("%d:%d", fi.Dev, fi.Ino), nil
}
