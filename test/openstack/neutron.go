// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

func (c *Cloud) neutron() service {
	return service{
		name:  "neutron",
		argv:  []string{"/usr/bin/python3", c.etc("neutron-server.py"), "--config-file", c.etc("neutron.conf")},
		netns: c.Control(),
		files: []string{c.etc("neutron-server.py"), c.etc("neutron.conf"), c.etc("neutron-policy.yaml")},
		grace: 2 * time.Second,
		ready: c.answers(c.Endpoints().Network+"/", http.StatusOK),
	}
}

// chassisAlive is content when Neutron takes every hypervisor's ovn-controller for alive.
func (c *Cloud) chassisAlive(ctx context.Context) error {
	client, err := c.Network(ctx, Admin)
	if err != nil {
		return err
	}
	// Not by gophercloud's agents package: it cannot read the heartbeat's time
	// as ML2/OVN writes it.
	var list struct {
		Agents []struct {
			Host  string
			Alive bool
		}
	}
	if _, err := client.Get(ctx, client.ServiceURL("agents"), &list, nil); err != nil {
		return fmt.Errorf("openstack: list agents: %w", err)
	}
	alive := make(map[string]bool)
	for _, a := range list.Agents {
		alive[a.Host] = alive[a.Host] || a.Alive
	}
	for _, n := range c.Nodes() {
		if !alive[n.Name] {
			return fmt.Errorf("openstack: %s is not alive in Neutron", n.Name)
		}
	}
	return nil
}

// forgetAgent deletes Neutron's record of a hypervisor that is gone, which
// would be shown as dead for ever. Its id is the chassis's name.
func (c *Cloud) forgetAgent(ctx context.Context, chassis string) error {
	client, err := c.Network(ctx, Admin)
	if err != nil {
		return err
	}
	if err := remove(ctx, client, "agents", chassis); err != nil {
		return fmt.Errorf("openstack: %w", err)
	}
	return nil
}
