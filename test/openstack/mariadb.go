// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

func (c *Cloud) mariadb() service {
	return service{
		name:  "mariadb",
		argv:  []string{"mariadbd", "--defaults-file=" + c.etc("my.cnf")},
		netns: c.Control(),
		files: []string{c.etc("my.cnf")},
		grace: 20 * time.Second,
		ready: c.databaseGreets,
	}
}

// databaseGreets is content when MariaDB sends its greeting, whose first
// byte after the packet's header is the protocol's version; an error packet has 0xff there.
func (c *Cloud) databaseGreets(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", c.path("run", "mysql.sock"))
	if err != nil {
		return fmt.Errorf("openstack: reach MariaDB: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	greeting := make([]byte, 5)
	if _, err := io.ReadFull(conn, greeting); err != nil {
		return fmt.Errorf("openstack: reach MariaDB: %w", err)
	}
	if greeting[4] == 0xff {
		return errors.New("openstack: reach MariaDB: it refuses connections")
	}
	return nil
}

// startDatabase starts MariaDB, on a data directory that is made when there is none.
func (c *Cloud) startDatabase(ctx context.Context) error {
	data := c.path("db", "mysql")
	if _, err := os.Stat(data); errors.Is(err, os.ErrNotExist) {
		// Made aside, so that a half-made one is never taken for whole.
		fresh := data + ".new"
		if err := os.RemoveAll(fresh); err != nil {
			return fmt.Errorf("openstack: make the database: %w", err)
		}
		if err := c.once(ctx, "mariadb-install", "mysql_install_db", "--no-defaults", "--datadir="+fresh,
			"--auth-root-authentication-method=normal", "--skip-test-db", "--user=root"); err != nil {
			return err
		}
		if err := os.Rename(fresh, data); err != nil {
			return fmt.Errorf("openstack: make the database: %w", err)
		}
		c.step("MariaDB's data directory is made")
	}
	if err := c.start(ctx, c.mariadb()); err != nil {
		return err
	}
	c.step("MariaDB answers")
	return nil
}

// migrate makes the three databases and their tables, all at once: it is
// the longest part of a cold start.
func (c *Cloud) migrate(ctx context.Context) error {
	done := c.path("db", "migrated")
	if _, err := os.Stat(done); err == nil {
		return nil
	}
	steps := map[string][]string{
		"keystone": {"keystone-manage", "--config-file", c.etc("keystone.conf"), "db_sync"},
		"neutron":  {"neutron-db-manage", "--config-file", c.etc("neutron.conf"), "upgrade", "heads"},
		"octavia":  {"octavia-db-manage", "--config-file", c.etc("octavia.conf"), "upgrade", "head"},
	}
	g, ctx := errgroup.WithContext(ctx)
	for name, argv := range steps {
		g.Go(func() error {
			// A migration that was cut off cannot be taken up: MariaDB has no transactions for it.
			sql := fmt.Sprintf("drop database if exists %s; create database %s", name, name)
			if err := c.sql(ctx, sql); err != nil {
				return err
			}
			return c.once(ctx, "migrate-"+name, argv...)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	c.step("schemas are migrated")
	return writeFile(done, nil)
}

func (c *Cloud) sql(ctx context.Context, statements string) error {
	_, err := tool(ctx, "mysql", "--no-defaults", "-uroot", "-S", c.path("run", "mysql.sock"), "-e", statements)
	return err
}

// once runs a program that ends by itself, inside the control plane's
// namespace, with its output in the log of that name; when the context ends, so does it.
func (c *Cloud) once(ctx context.Context, name string, argv ...string) error {
	log, err := os.Create(c.procs.log(name))
	if err != nil {
		return fmt.Errorf("openstack: run %s: %w", name, err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.CommandContext(ctx, program(argv[0]), argv[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = environment(), c.dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	if err := c.Control().Start(cmd); err != nil {
		return fmt.Errorf("openstack: run %s: %w", name, err)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("openstack: run %s: %w; end of %s:\n%s", name, err, c.procs.log(name), c.procs.tail(name, 0))
	}
	return nil
}
