// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// Down ends every process of the cloud and removes every namespace of its
// prefix, with the processes that are left in them. The directory stays, for
// a warm start. A cloud that is down is success.
func (c *Cloud) Down(ctx context.Context) error {
	return c.locked(ctx, func() error { return c.down(ctx) })
}

func (c *Cloud) down(ctx context.Context) error {
	if err := c.refresh(); err != nil {
		return err
	}
	c.rec.Ready, c.rec.Debug = time.Time{}, false
	if err := c.rec.write(c.dir); err != nil {
		return err
	}
	if err := c.discardGuests(ctx); err != nil {
		return err
	}
	if err := c.stopServices(ctx); err != nil {
		return err
	}
	// What is left: a migration that was cut off, children of what was killed.
	if err := c.procs.kill(ctx, func(process) bool { return true }); err != nil {
		return err
	}
	mine, err := c.ownNamespaces()
	if err != nil {
		return err
	}
	for _, ns := range mine {
		if err := c.discard(ctx, ns); err != nil {
			return err
		}
	}
	c.clients.forget()
	if err := c.forgetGuests(); err != nil {
		return err
	}
	c.step("down")
	return nil
}

// forgetGuests removes what the switches and the VMs' records say of
// interfaces that are no more.
func (c *Cloud) forgetGuests() error {
	gone := []string{c.path("vms")}
	for _, n := range c.Nodes() {
		gone = append(gone, n.file(""))
	}
	for _, path := range gone {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("openstack: bring down %s: %w", c.dir, err)
		}
	}
	return nil
}

// stopServices stops the APIs and the hypervisors at once, then what they stand on.
func (c *Cloud) stopServices(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	for _, s := range append(c.apis(), c.northd()) {
		g.Go(func() error { return c.procs.stop(gctx, s.name, s.grace) })
	}
	for _, n := range c.Nodes() {
		g.Go(func() error { return n.stop(gctx) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	g, gctx = errgroup.WithContext(ctx)
	for _, s := range c.databases() {
		g.Go(func() error { return c.procs.stop(gctx, s.name, s.grace) })
	}
	return g.Wait()
}

// ownNamespaces gives the prefix's namespaces, the fabric's last; none, when
// the prefix is in use by another directory.
func (c *Cloud) ownNamespaces() ([]Netns, error) {
	owner, err := c.owner()
	if err != nil || (owner != "" && owner != c.dir) {
		return nil, err
	}
	return c.namespaces()
}

// discardGuests ends processes in the cloud's namespaces that are not its own:
// servers, agents and shells that tests have left.
func (c *Cloud) discardGuests(ctx context.Context) error {
	mine, err := c.ownNamespaces()
	if err != nil {
		return err
	}
	services, err := c.procs.all()
	if err != nil {
		return err
	}
	for _, ns := range mine {
		guests, err := ns.inhabitants()
		if err != nil {
			return err
		}
		guests = slices.DeleteFunc(guests, func(pid int) bool {
			return slices.ContainsFunc(services, func(p process) bool { return p.pid == pid })
		})
		if err := killPids(ctx, guests); err != nil {
			return err
		}
	}
	return nil
}

// discard ends what runs in a namespace and removes it.
func (c *Cloud) discard(ctx context.Context, ns Netns) error {
	if !ns.Exists() {
		return ns.Remove()
	}
	pids, err := ns.inhabitants()
	if err != nil {
		return err
	}
	if err := killPids(ctx, pids); err != nil {
		return err
	}
	return ns.Remove()
}

// inhabitants gives the processes in the namespace, without this one and those
// that started it.
func (n Netns) inhabitants() ([]int, error) {
	var want unix.Stat_t
	if err := unix.Stat(n.Path(), &want); err != nil {
		return nil, fmt.Errorf("openstack: find processes in %s: %w", n.Name, err)
	}
	links, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		return nil, fmt.Errorf("openstack: find processes in %s: %w", n.Name, err)
	}
	above := ancestors()
	var pids []int
	for _, link := range links {
		var st unix.Stat_t
		// An error means that the process has ended.
		if unix.Stat(link, &st) != nil || st.Ino != want.Ino || st.Dev != want.Dev {
			continue
		}
		pid, err := strconv.Atoi(strings.Split(link, "/")[2])
		if err == nil && !slices.Contains(above, pid) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// ancestors gives this process and those that it descends from.
func ancestors() []int {
	var pids []int
	for pid := os.Getpid(); pid > 0; {
		pids = append(pids, pid)
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil {
			return pids
		}
		f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if pid, err = strconv.Atoi(f[1]); err != nil {
			return pids
		}
	}
	return pids
}

// listNetns gives the namespaces' names with a prefix.
func listNetns(prefix string) ([]string, error) {
	entries, err := os.ReadDir(netnsDir)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("openstack: list namespaces: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Wipe is Down, and removes the state directory with all that the cloud has
// put there.
func (c *Cloud) Wipe(ctx context.Context) error {
	if err := c.Down(ctx); err != nil {
		return err
	}
	names := []string{"bin", "etc", "run", "logs", "db", "db.new", "state", "vms", "clouds.yaml", "lock"}
	for _, n := range c.Nodes() {
		names = append(names, n.Name)
	}
	// The last one: until it is gone, Wipe can be repeated.
	for _, name := range append(names, recordFile) {
		if err := os.RemoveAll(c.path(name)); err != nil {
			return fmt.Errorf("openstack: wipe %s: %w", c.dir, err)
		}
	}
	// A file of somebody else's keeps the directory.
	if err := os.Remove(c.dir); err != nil && !errors.Is(err, unix.ENOTEMPTY) {
		return fmt.Errorf("openstack: wipe %s: %w", c.dir, err)
	}
	return nil
}
