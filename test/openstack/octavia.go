// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

// octaviaAgent carries the OVN provider's messages to Octavia's database.
func (c *Cloud) octaviaAgent() service {
	return service{
		name:  "octavia-agent",
		argv:  []string{"octavia-driver-agent", "--config-file", c.etc("octavia.conf")},
		netns: c.Control(),
		run:   c.path("run"),
		files: []string{c.etc("octavia.conf")},
		grace: 2 * time.Second,
		ready: c.agentListens,
	}
}

func (c *Cloud) octaviaAPI() service {
	s := c.wsgi("octavia-api", portLoadBalancer, "/usr/bin/octavia-wsgi", "--pyargv", "--config-file="+c.etc("octavia.conf"))
	s.run = c.path("run")
	s.files = []string{c.etc("octavia.conf")}
	s.ready = c.answers(c.Endpoints().LoadBalancer+"/healthcheck", http.StatusOK)
	return s
}

// agentListens is content when the driver agent listens on its three sockets.
// They are looked up, not dialled: for each connection that says nothing the
// agent spins five seconds.
func (c *Cloud) agentListens(context.Context) error {
	var table []byte
	if err := c.Control().Do(func() (err error) {
		table, err = os.ReadFile("/proc/thread-self/net/unix")
		return err
	}); err != nil {
		return fmt.Errorf("openstack: list unix sockets: %w", err)
	}
	for _, name := range []string{"status", "stats", "get"} {
		if !listening(string(table), "/var/run/octavia/"+name+".sock") {
			return fmt.Errorf("openstack: Octavia's driver agent does not listen on %s.sock", name)
		}
	}
	return nil
}

// listening tells whether /proc/net/unix lists a socket of that path that
// accepts connections: its flags, the fourth column, are 00010000.
func listening(table, path string) bool {
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) == 8 && f[7] == path && f[3] == "00010000" {
			return true
		}
	}
	return false
}
