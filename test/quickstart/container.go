// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	types100 "github.com/containernetworking/cni/pkg/types/100"

	"github.com/kuryr-go/kuryr/test/openstack"
	"github.com/kuryr-go/kuryr/test/rig"
)

// container is a network namespace that the agent of its host attaches, as it
// does for any engine's container.
type container struct {
	name  string
	agent *rig.Agent
	box   *rig.Sandbox
	conf  rig.Conf
	// port is the Neutron port's id.
	port string
	mac  string
	ip   netip.Addr
}

// containerNetns is the namespace of a container by its name.
func containerNetns(name string) openstack.Netns { return openstack.Netns{Name: prefix + "-c-" + name} }

// enter makes a container and calls the CNI plugin as an engine would.
func enter(ctx context.Context, st *stage, a *rig.Agent, name string) (*container, error) {
	ns := containerNetns(name)
	box, err := rig.NamedSandbox(ns.Name)
	if err != nil {
		return nil, err
	}
	c := &container{name: name, agent: a, box: box}
	c.conf = a.Conf(resourceName, map[string]any{"name": resourceName, "securityGroups": []string{resourceName}, "portName": name})
	if st.portProject != "" {
		c.conf["project"] = st.portProject
	}
	start := time.Now()
	out, err := a.Add(ctx, box, "eth0", c.conf)
	if err != nil {
		return nil, err
	}
	took := time.Since(start)
	var res types100.Result
	if err := json.Unmarshal(out, &res); err != nil {
		return nil, fmt.Errorf("result of CNI ADD: %w", err)
	}
	if len(res.IPs) == 0 {
		return nil, errors.New("result of CNI ADD: no address")
	}
	addr, _ := netip.AddrFromSlice(res.IPs[0].Address.IP)
	c.ip = addr.Unmap()
	if err := c.describe(ctx); err != nil {
		return nil, err
	}
	say("CNI ADD of %s on %s took %v: port %s, %s", name, a.Host.Name, took.Round(time.Millisecond), c.port, c.ip)
	return c, nil
}

// describe asks the agent which port it is.
func (c *container) describe(ctx context.Context) error {
	list, err := c.agent.Client().Attachments(ctx)
	if err != nil {
		return err
	}
	for _, at := range list {
		if at.Sandbox == c.box.ID {
			c.port, c.mac = at.PortID, at.MAC
			return nil
		}
	}
	return fmt.Errorf("the agent of %s knows nothing of %s", c.agent.Host.Name, c.name)
}

// leave calls the plugin's DEL and ends what runs in the container.
func leave(ctx context.Context, dir string, a *rig.Agent, name string) error {
	if !containerNetns(name).Exists() {
		return nil
	}
	box := &rig.Sandbox{ID: containerNetns(name).Name, Netns: containerNetns(name)}
	err := a.Del(ctx, box, "eth0", a.Conf(resourceName, map[string]any{"name": resourceName}))
	return errors.Join(err, endServer(dir, name), box.Close())
}

// serveIn starts a small web server in the container, which lives on.
func (c *container) serveIn(dir string) error {
	return startServer(dir, c.box.Netns, c.name)
}

// folder of the agent of the n-th host.
func agentDir(dir string, n int) string { return filepath.Join(dir, "agents", fmt.Sprintf("a%d", n)) }

// agents prepares the agents of all hosts.
func (st *stage) agents() ([]*rig.Agent, error) {
	var all []*rig.Agent
	for i, h := range st.hosts {
		if err := os.MkdirAll(agentDir(st.dir, i), 0o700); err != nil {
			return nil, fmt.Errorf("make the agent's folder: %w", err)
		}
		a, err := rig.NewAgent(st.programs, h, agentDir(st.dir, i), st.agent)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}
