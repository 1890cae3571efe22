// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rig

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/vishvananda/netns"
)

// What a rig leaves when its process is killed: a folder with agents that
// still run, and sandboxes. Both have the process id in their names.
const (
	dirPrefix  = "rig-"
	pidName    = "agent.pid"
	netnsGlob  = "/run/netns/" + sandboxPrefix + "*"
	folderGlob = "/tmp/" + dirPrefix + "*"
)

// sweep removes what rigs of processes left that are gone.
func sweep() error {
	boxes, err := filepath.Glob(netnsGlob)
	if err != nil {
		return fmt.Errorf("rig: %w", err)
	}
	for _, path := range boxes {
		if name := filepath.Base(path); orphaned(name, sandboxPrefix) {
			if err := netns.DeleteNamed(name); err != nil {
				return fmt.Errorf("rig: remove %s: %w", path, err)
			}
		}
	}
	folders, err := filepath.Glob(folderGlob)
	if err != nil {
		return fmt.Errorf("rig: %w", err)
	}
	for _, dir := range folders {
		if !orphaned(filepath.Base(dir), dirPrefix) {
			continue
		}
		if err := errors.Join(KillAgents(dir), os.RemoveAll(dir)); err != nil {
			return fmt.Errorf("rig: sweep %s: %w", dir, err)
		}
	}
	return nil
}

// orphaned tells from a name (prefix, process id, dash, anything) that its
// maker is gone.
func orphaned(name, prefix string) bool {
	id, _, _ := strings.Cut(strings.TrimPrefix(name, prefix), "-")
	pid, err := strconv.Atoi(id)
	return err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

// KillAgents ends the agents below a folder that still run, whoever started them.
func KillAgents(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*", pidName))
	if err != nil {
		return err
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		pid, err := strconv.Atoi(string(b))
		if err != nil {
			return err
		}
		// The number may be another process's by now.
		cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil || !strings.Contains(string(cmdline), dir) {
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}
