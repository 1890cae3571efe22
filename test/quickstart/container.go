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
	"text/tabwriter"
	"time"

	types100 "github.com/containernetworking/cni/pkg/types/100"

	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/test/openstack"
	"github.com/kuryr-go/kuryr/test/rig"
)

// container is a sandbox on a node, attached by the node's agent.
type container struct {
	name  string
	agent *rig.Agent
	box   *rig.Sandbox
	conf  rig.Conf
	ips   []netip.Addr
}

// enter starts a node's agent and calls the CNI plugin as an engine would.
func enter(ctx context.Context, r *rig.Rig, node *openstack.Node, name, project string) (*container, error) {
	a, err := r.StartAgent(ctx, node, rig.AgentOptions{Cluster: "quickstart"})
	if err != nil {
		return nil, err
	}
	say("kuryr agent serves on %s (pid %d)", node.Name, a.Pid())
	box, err := r.Sandbox()
	if err != nil {
		return nil, err
	}
	c := &container{name: name, agent: a, box: box}
	c.conf = a.Conf("quickstart", map[string]any{"name": "quickstart", "project": project, "securityGroups": []string{"quickstart"}, "portName": name})
	start := time.Now()
	out, err := a.Add(ctx, box, "eth0", c.conf)
	if err != nil {
		return nil, err
	}
	var res types100.Result
	if err := json.Unmarshal(out, &res); err != nil {
		return nil, fmt.Errorf("result: %w", err)
	}
	for _, ip := range res.IPs {
		addr, _ := netip.AddrFromSlice(ip.Address.IP)
		c.ips = append(c.ips, addr.Unmap())
	}
	say("CNI ADD of container %s: %v, in %v", name, c.ips, time.Since(start).Round(time.Millisecond))
	return c, nil
}

func (c *container) leave(ctx context.Context) error {
	return errors.Join(c.agent.Del(ctx, c.box, "eth0", c.conf), c.agent.Settled(ctx))
}

// reachTime bounds the wait for the first packet between two nodes.
const reachTime = time.Minute

// talk shows that each reaches the other, over both families.
func talk(ctx context.Context, a, b *container) error {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	if err := rig.Serve(ctx, b.box.Netns, b.name, 8080); err != nil {
		return err
	}
	for _, ip := range b.ips {
		if err := rig.Await(ctx, "echo of "+ip.String(), func(ctx context.Context) error { return rig.Ping(ctx, a.box.Netns, ip) }); err != nil {
			return err
		}
		greeting, err := rig.Connect(ctx, a.box.Netns, ip, 8080)
		if err != nil {
			return err
		}
		say("%s pings %s and connects to it: it is %q who it sees", a.name, ip, greeting)
	}
	return nil
}

// table shows what was made, from the agents and from Neutron.
func table(ctx context.Context, tenant *rig.Tenant, all []*container) error {
	// The switch was asked, and was ready; Neutron hears of it a little later.
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	status := map[string]string{}
	err := rig.Await(ctx, "ports ACTIVE in Neutron", func(ctx context.Context) error {
		ports, err := tenant.Ports(ctx)
		for _, p := range ports {
			if status[p.ID] = p.Status; p.Status != "ACTIVE" {
				err = fmt.Errorf("port %s is %s", p.ID, p.Status)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	fmt.Println()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "CONTAINER\tNODE\tNEUTRON PORT\tSTATUS\tMAC\tADDRESSES\tNETWORK\tSECURITY GROUPS")
	for _, c := range all {
		list, err := c.agent.Client().Attachments(ctx)
		if err != nil {
			return err
		}
		for _, at := range list {
			write(w, c, at, status[at.PortID])
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print table: %w", err)
	}
	fmt.Println()
	say("Neutron and the nodes agree; now all of it is removed again")
	return nil
}

func write(w *tabwriter.Writer, c *container, at agentapi.Attachment, status string) {
	_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%v\t%s\t%v\n",
		c.name, c.agent.Node.Name, at.PortID, status, at.MAC, at.Addresses, at.Network, at.SecurityGroups)
}
