// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"

	"github.com/containernetworking/cni/pkg/types"
)

// Conf is a network configuration.
type Conf map[string]any

// With is a copy of c with more keys.
func (c Conf) With(kv map[string]any) Conf {
	all := Conf{}
	for k, v := range c {
		all[k] = v
	}
	for k, v := range kv {
		all[k] = v
	}
	return all
}

// JSON encodes c.
func (c Conf) JSON() []byte {
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // the tests' own maps
	}
	return b
}

// Conf is the least configuration for this agent: its socket and a network.
func (a *Agent) Conf(network string, more ...map[string]any) Conf {
	c := Conf{"cniVersion": "1.1.0", "name": "e2e", "type": "kuryr-cni", "socket": a.Socket, "network": network}
	for _, m := range more {
		c = c.With(m)
	}
	return c
}

// Call is one execution of the plugin.
type Call struct {
	Command, ContainerID, Netns, IfName, Args string
	Stdin                                     []byte
	// Env, when not nil, is the whole environment instead of the fields above.
	Env []string
}

// Plugin executes the plugin as a runtime does. A CNI error it reports is a
// *types.Error; anything else that goes wrong is another error.
func (a *Agent) Plugin(ctx context.Context, c Call) ([]byte, error) {
	cmd := exec.CommandContext(ctx, a.programs.Plugin)
	cmd.Env = c.Env
	if c.Env == nil {
		cmd.Env = []string{
			"CNI_COMMAND=" + c.Command, "CNI_CONTAINERID=" + c.ContainerID, "CNI_IFNAME=" + c.IfName,
			"CNI_PATH=" + a.programs.Dir, "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		}
		if c.Netns != "" {
			cmd.Env = append(cmd.Env, "CNI_NETNS="+c.Netns)
		}
		if c.Args != "" {
			cmd.Env = append(cmd.Env, "CNI_ARGS="+c.Args)
		}
	}
	cmd.Stdin = bytes.NewReader(c.Stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return stdout.Bytes(), err
	}
	var said types.Error
	if jerr := json.Unmarshal(stdout.Bytes(), &said); jerr != nil {
		return nil, fmt.Errorf("rig: plugin %s: %w; stdout %q, stderr %q", c.Command, err, stdout.String(), stderr.String())
	}
	return nil, &said
}

// Add attaches a sandbox.
func (a *Agent) Add(ctx context.Context, s *Sandbox, ifname string, c Conf) ([]byte, error) {
	return a.Plugin(ctx, Call{Command: "ADD", ContainerID: s.ID, Netns: s.Path(), IfName: ifname, Stdin: c.JSON()})
}

// Check checks an attachment.
func (a *Agent) Check(ctx context.Context, s *Sandbox, ifname string, c Conf) error {
	_, err := a.Plugin(ctx, Call{Command: "CHECK", ContainerID: s.ID, Netns: s.Path(), IfName: ifname, Stdin: c.JSON()})
	return err
}

// Del detaches a sandbox.
func (a *Agent) Del(ctx context.Context, s *Sandbox, ifname string, c Conf) error {
	_, err := a.Plugin(ctx, Call{Command: "DEL", ContainerID: s.ID, Netns: s.Path(), IfName: ifname, Stdin: c.JSON()})
	return err
}
