// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// probeEvery is how often await asks. The states it waits for are in other
// programs that tell nobody.
const probeEvery = 25 * time.Millisecond

// await asks ready until it answers nil or the context ends. The error is the
// context's cause together with ready's last answer before that.
func await(ctx context.Context, what string, ready func(context.Context) error) error {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	var last error
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("openstack: wait for %s: %w; last answer: %w", what, context.Cause(ctx), last)
		case <-tick.C:
		}
	}
}

// searchPath is where programs are looked for, whatever the caller's PATH is.
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// program gives the path of a program of the distribution; a name that is
// nowhere is given back, for exec to complain about.
func program(name string) string {
	for _, dir := range filepath.SplitList(searchPath) {
		if st, err := os.Stat(filepath.Join(dir, name)); err == nil && st.Mode().IsRegular() {
			return filepath.Join(dir, name)
		}
	}
	return name
}

// environment is what every process gets: nothing of the caller's (OS_*,
// proxies, REQUESTS_CA_BUNDLE, a Python of another path) may reach it.
func environment(extra ...string) []string {
	return append([]string{
		"PATH=" + searchPath,
		"HOME=/nonexistent",
		"LANG=C.UTF-8",
		"PYTHONDONTWRITEBYTECODE=1",
		"PYTHONWARNINGS=ignore",
	}, extra...)
}

// tool runs a short-lived program in the clean environment and gives its output.
func tool(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program(name), args...)
	cmd.Env = environment()
	return output(cmd)
}

// output runs cmd and gives its standard output without the last newline.
func output(cmd *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout = &stdout
	if cmd.Stderr == nil {
		cmd.Stderr = &stderr
	}
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("openstack: run %s: %w: %s", filepath.Base(cmd.Path), err, lastLines(stderr.String(), 400))
	}
	return strings.TrimSuffix(stdout.String(), "\n"), nil
}

// lastLines gives the end of s, at most n bytes and from the start of a line.
func lastLines(s string, n int) string {
	s = strings.TrimSpace(s)
	if len(s) <= n {
		return s
	}
	s = s[len(s)-n:]
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		s = s[i+1:]
	}
	return s
}
