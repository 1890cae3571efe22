// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// ovsLog makes a program of Open vSwitch's family log to its standard error.
var ovsLog = []string{"--no-chdir", "-vsyslog:off", "-vconsole:info"}

// ovnDatabase is OVN's northbound ("nb") or southbound ("sb") database.
func (c *Cloud) ovnDatabase(which string) service {
	name := "ovn" + which
	return service{
		name: name,
		argv: append([]string{
			"ovsdb-server", "--unixctl=" + c.path("run", name+".ctl"),
			"--remote=punix:" + c.path("run", name+".sock"), c.path("db", name+".db"),
		}, ovsLog...),
		netns: c.Control(),
		grace: 5 * time.Second,
		ready: accepts(c.path("run", name+".sock")),
	}
}

func (c *Cloud) northd() service {
	return service{
		name: "northd",
		argv: append([]string{
			"ovn-northd", "--unixctl=" + c.path("run", "northd.ctl"),
			"--ovnnb-db=" + c.ovnSocket("nb"), "--ovnsb-db=" + c.ovnSocket("sb"),
		}, ovsLog...),
		env:   []string{"OVN_RUNDIR=" + c.path("run")},
		netns: c.Control(),
		grace: 2 * time.Second,
	}
}

// ovnSocket is how OVN's programs are told of a database.
func (c *Cloud) ovnSocket(which string) string { return "unix:" + c.path("run", "ovn"+which+".sock") }

// NBDB is the address of OVN's northbound database, as ovn-nbctl's --db takes it.
func (c *Cloud) NBDB() string { return c.ovnSocket("nb") }

// SBDB is the address of OVN's southbound database.
func (c *Cloud) SBDB() string { return c.ovnSocket("sb") }

// startCentral starts OVN's databases and northd.
func (c *Cloud) startCentral(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	for _, which := range []string{"nb", "sb"} {
		g.Go(func() error {
			if err := createDatabase(gctx, c.path("db", "ovn"+which+".db"), "/usr/share/ovn/ovn-"+which+".ovsschema"); err != nil {
				return err
			}
			return c.start(gctx, c.ovnDatabase(which))
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if _, err := c.nbctl(ctx, "--no-wait", "init"); err != nil {
		return err
	}
	if _, err := c.sbctl(ctx, "init"); err != nil {
		return err
	}
	if err := c.forgetStrangers(ctx); err != nil {
		return err
	}
	if err := c.start(ctx, c.northd()); err != nil {
		return err
	}
	c.step("OVN central is up")
	return nil
}

// createDatabase makes an OVSDB file unless there is one.
func createDatabase(ctx context.Context, file, schema string) error {
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	fresh := file + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("openstack: make %s: %w", file, err)
	}
	if _, err := tool(ctx, "ovsdb-tool", "create", fresh, schema); err != nil {
		return err
	}
	if err := os.Rename(fresh, file); err != nil {
		return fmt.Errorf("openstack: make %s: %w", file, err)
	}
	return nil
}

// forgetStrangers deletes the records of chassis that are no hypervisor of the
// cloud (a template's, say): who waits for every chassis would wait for them for ever.
func (c *Cloud) forgetStrangers(ctx context.Context) error {
	out, err := c.sbctl(ctx, "--bare", "--columns=name", "list", "Chassis_Private")
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(out) {
		if c.Node(name) != nil {
			continue
		}
		if err := c.forgetChassis(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cloud) forgetChassis(ctx context.Context, name string) error {
	_, err := c.sbctl(ctx, "--if-exists", "chassis-del", name, "--", "--if-exists", "destroy", "Chassis_Private", name)
	return err
}

// followChassis counts OVN's generation up by one and waits until every
// chassis has it, then until Neutron has seen that.
func (c *Cloud) followChassis(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startWithin, fmt.Errorf("not within %v", startWithin))
	defer cancel()
	if _, err := c.nbctl(ctx, "--wait=hv", "sync"); err != nil {
		return fmt.Errorf("openstack: wait for every chassis to follow: %w", err)
	}
	return await(ctx, "the chassis to be alive in Neutron", c.chassisAlive)
}

func (c *Cloud) nbctl(ctx context.Context, args ...string) (string, error) {
	return tool(ctx, "ovn-nbctl", append([]string{"--db=" + c.NBDB()}, args...)...)
}

func (c *Cloud) sbctl(ctx context.Context, args ...string) (string, error) {
	return tool(ctx, "ovn-sbctl", append([]string{"--db=" + c.SBDB()}, args...)...)
}

// accepts gives a probe that is content when a unix socket accepts.
func accepts(path string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
		if err != nil {
			return fmt.Errorf("openstack: reach %s: %w", path, err)
		}
		return conn.Close()
	}
}
