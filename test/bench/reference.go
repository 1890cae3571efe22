// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/kuryr-go/kuryr/test/openstack"
	"github.com/kuryr-go/kuryr/test/rig"
)

// referencePlugins is where Debian's package containernetworking-plugins puts them.
const referencePlugins = "/usr/lib/cni"

// measureReference times the plugins bridge and host-local, called as
// Kuryr's is, in a namespace that stands for the host.
func measureReference(ctx context.Context, calls int) (p pair, err error) {
	if _, err := os.Stat(filepath.Join(referencePlugins, "bridge")); err != nil {
		return p, fmt.Errorf("the reference plugins are missing (Debian's containernetworking-plugins): %w", err)
	}
	host, err := rig.NewSandbox()
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, host.Close()) }()
	dir, err := os.MkdirTemp("", "host-local-")
	if err != nil {
		return p, fmt.Errorf("reference: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	conf := rig.Conf{
		"cniVersion": "1.0.0", "name": "reference", "type": "bridge", "bridge": "ref0", "isGateway": true,
		"ipam": map[string]any{"type": "host-local", "subnet": "10.91.0.0/16", "dataDir": dir},
	}
	call := func(command string, s *rig.Sandbox) error { return reference(ctx, host.Netns, command, s, conf) }
	return pairs(ctx, calls,
		func(s *rig.Sandbox) error { return call("ADD", s) },
		func(s *rig.Sandbox) error { return call("DEL", s) },
		func() error { return nil })
}

func reference(ctx context.Context, host openstack.Netns, command string, s *rig.Sandbox, conf rig.Conf) error {
	cmd := exec.CommandContext(ctx, filepath.Join(referencePlugins, "bridge"))
	cmd.Env = []string{
		"CNI_COMMAND=" + command, "CNI_CONTAINERID=" + s.ID, "CNI_NETNS=" + s.Path(), "CNI_IFNAME=eth0",
		"CNI_PATH=" + referencePlugins, "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
	}
	cmd.Stdin = bytes.NewReader(conf.JSON())
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := host.Start(cmd); err != nil {
		return fmt.Errorf("reference %s: %w", command, err)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("reference %s: %w: %s", command, err, out.String())
	}
	return nil
}
