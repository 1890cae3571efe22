// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// How often progress is shown: on a terminal one line is written over, anywhere
// else, such as a log, each is a line of its own.
const (
	progressTerminal = 200 * time.Millisecond
	progressLine     = 5 * time.Second
)

// progress tells how far a long piece of work is. Its methods are called by one
// goroutine at a time.
type progress struct {
	w             io.Writer
	terminal      bool
	total         int
	done, failed  int
	began, showed time.Time
}

func newProgress(w io.Writer, total int) *progress {
	now := time.Now()
	return &progress{w: w, terminal: terminal(w), total: total, began: now, showed: now}
}

// step counts one more, and shows how far it is when that is due.
func (p *progress) step(failed bool) {
	p.done++
	if failed {
		p.failed++
	}
	pause := progressLine
	if p.terminal {
		pause = progressTerminal
	}
	if now := time.Now(); now.Sub(p.showed) >= pause {
		p.showed = now
		p.show(now)
	}
}

// end shows where it ended, if anything was shown before.
func (p *progress) end() {
	if p.showed == p.began {
		return
	}
	p.show(time.Now())
	if p.terminal {
		fmt.Fprintln(p.w)
	}
}

func (p *progress) show(now time.Time) {
	line := p.line(now)
	if p.terminal {
		// Back to the margin, and away with the rest of a longer line.
		fmt.Fprintf(p.w, "\r%s\x1b[K", line)
		return
	}
	fmt.Fprintln(p.w, line)
}

func (p *progress) line(now time.Time) string {
	line := fmt.Sprintf("%d of %d", p.done, p.total)
	if took := now.Sub(p.began).Seconds(); took > 0 {
		line += fmt.Sprintf(", %.1f/s", float64(p.done)/took)
	}
	if p.failed > 0 {
		line += fmt.Sprintf(", %d failed", p.failed)
	}
	return line
}

// terminal tells whether a stream is one.
func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
