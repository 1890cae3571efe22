// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// switchPackages are what every cloud needs.
var switchPackages = []string{"openvswitch-switch", "ovn-central", "ovn-host"}

// servicePackages are what the real OpenStack and the tests on it need beside,
// of Debian 12.
var servicePackages = []string{
	"keystone", "neutron-server", "octavia-api", "octavia-driver-agent", "python3-ovn-octavia-provider",
	"mariadb-server", "python3-pymysql", "uwsgi-core", "uwsgi-plugin-python3",
	"python3-openstackclient", "python3-octaviaclient",
	"iputils-ping", "netcat-openbsd", "iproute2", "ethtool", "tcpdump", "busybox-static",
}

// Packages gives the names of the packages that a cloud needs.
func Packages(embedded bool) []string {
	if embedded {
		return slices.Clone(switchPackages)
	}
	return slices.Concat(switchPackages, servicePackages)
}

// MissingPackages gives the packages that are not installed.
func MissingPackages(ctx context.Context, embedded bool) ([]string, error) {
	packages := Packages(embedded)
	cmd := exec.CommandContext(ctx, program("dpkg-query"),
		append([]string{"-W", "-f", "${Package} ${db:Status-Status}\n"}, packages...)...)
	cmd.Env = environment()
	out, err := cmd.Output()
	// Status 1 says that it knows some of them not at all.
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		return nil, fmt.Errorf("openstack: ask for packages: %w", err)
	}
	installed := make(map[string]bool)
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 2 && f[1] == "installed" {
			installed[f[0]] = true
		}
	}
	var missing []string
	for _, p := range packages {
		if !installed[p] {
			missing = append(missing, p)
		}
	}
	return missing, nil
}

// policyFile is what Debian's package scripts ask whether they may start a
// service; status 101 says no.
const policyFile = "/usr/sbin/policy-rc.d"

// Install installs the packages that are missing, as Debian's apt is set up,
// and writes apt's output to log. No service is started, nothing is asked, no
// configuration file is replaced.
func Install(ctx context.Context, embedded bool, log io.Writer) error {
	missing, err := MissingPackages(ctx, embedded)
	if err != nil || len(missing) == 0 {
		return err
	}
	if _, err := os.Stat(policyFile); errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(policyFile, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil {
			return fmt.Errorf("openstack: forbid services to start: %w", err)
		}
		defer func() { _ = os.Remove(policyFile) }()
	}
	install := append([]string{
		"install", "-y", "-q", "--no-install-recommends",
		"-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold",
	}, missing...)
	for _, args := range [][]string{{"update", "-q"}, install} {
		cmd := exec.CommandContext(ctx, program("apt-get"), args...)
		// apt's own way to the mirror may need the caller's proxy.
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("openstack: apt-get %s: %w", args[0], err)
		}
	}
	return nil
}
