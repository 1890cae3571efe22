// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/kuryr-go/kuryr/test/openstack"
)

// show prints the services, the hypervisors and where everything is.
func show(cmd *cobra.Command, c *openstack.Cloud) error {
	services, err := c.Status()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	row := func(cells ...any) {
		for _, cell := range cells {
			fmt.Fprintf(w, "%v\t", cell)
		}
		fmt.Fprintln(w)
	}
	row("SERVICE", "PID", "LOG")
	for _, s := range services {
		pid := any(s.PID)
		if s.PID == 0 {
			pid = "down"
		}
		row(s.Name, pid, s.Log)
	}
	row()
	row("NODE", "NAMESPACE", "MANAGEMENT", "TUNNEL", "OVSDB")
	for _, n := range c.Nodes() {
		row(n.Name, n.Netns().Name, n.Management(), n.Tunnel(), n.OVSDB())
	}
	row()
	e, x := c.Endpoints(), c.External()
	row("Identity", e.Identity)
	row("Network", e.Network)
	row("Load balancer", e.LoadBalancer)
	row("APIs' namespace", c.Control().Name)
	row("Outside host", c.Outside().Name, openstack.ProviderGateway)
	row("External network", x.Name, x.NetworkID, openstack.ProviderNet)
	row("clouds.yaml", c.CloudsFile())
	return w.Flush()
}

// complete fails when a service does not run.
func complete(c *openstack.Cloud) error {
	services, err := c.Status()
	if err != nil {
		return err
	}
	for _, s := range services {
		if s.PID == 0 {
			err = errors.Join(err, fmt.Errorf("%s does not run", s.Name))
		}
	}
	return err
}
