// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package sandbox

import (
	"errors"

	"github.com/vishvananda/netlink"
)

// maxDumps is how often an interrupted dump is tried. On a node where
// interfaces come and go all the time every try may be interrupted.
const maxDumps = 5

// Dump calls a netlink function that lists, again when the kernel says that
// the list changed meanwhile (NLM_F_DUMP_INTR). The last try's answer stands
// even if interrupted: it holds everything that did not change, and may miss
// what did.
func Dump[T any](list func() (T, error)) (T, error) {
	var out T
	var err error
	for range maxDumps {
		out, err = list()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return out, err
		}
	}
	return out, nil
}
