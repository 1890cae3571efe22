// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build crashpoints

package journal

import (
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// In a program built with the tag crashpoints, these variables of the
// environment make it kill itself right after a transaction is on the disk and
// before anybody knows: after the one of that number, counted from the start,
// or after one in so many, at random.
const (
	crashAfter = "KURYR_CRASH_AFTER_WRITE"
	crashOneIn = "KURYR_CRASH_ONE_WRITE_IN"
)

var (
	written atomic.Int64
	after   = number(crashAfter)
	oneIn   = number(crashOneIn)
)

// number is zero where nothing is to happen.
func number(name string) int64 {
	n, _ := strconv.ParseInt(os.Getenv(name), 10, 64)
	return n
}

// crashPoint kills the process, as kill -9 does, if it is time.
func crashPoint() {
	n := written.Add(1)
	if after > 0 && n == after || oneIn > 0 && rand.N(oneIn) == 0 {
		_ = unix.Kill(unix.Getpid(), unix.SIGKILL)
		select {}
	}
}
