// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// startWithin is how long a service may take from its start until it is ready.
const startWithin = 2 * time.Minute

// service is one program of the cloud.
type service struct {
	// name is unique; a hypervisor's begin with its own ("node1-vswitchd").
	name string
	argv []string
	// env is added to environment().
	env   []string
	netns Netns
	// run is the directory that shall be its /run; empty: the machine's.
	run string
	// files are what it reads at its start only: when one changes, Up restarts it.
	files []string
	// grace is how long it may take to stop by itself.
	grace time.Duration
	// ready answers nil when the service does its work; nil: at once.
	ready func(context.Context) error
	// after is done once after each start, when it is ready; may be nil.
	after func(context.Context) error
}

// fingerprint changes when the service, to be as wanted, must be started anew.
func (s service) fingerprint() (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %s %s\n", s.argv, s.env, s.netns.Name, s.run)
	for _, f := range s.files {
		b, err := os.ReadFile(f)
		if err != nil {
			return "", fmt.Errorf("openstack: start %s: %w", s.name, err)
		}
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (c *Cloud) fingerprintFile(name string) string { return c.path("run", name+".as") }

// current tells whether a service runs, and as it is wanted now.
func (c *Cloud) current(s service, leaders map[string]int) bool {
	want, err := s.fingerprint()
	if err != nil || leaders[s.name] == 0 {
		return false
	}
	have, err := os.ReadFile(c.fingerprintFile(s.name))
	return err == nil && string(have) == want
}

// start starts a service and waits until it is ready; one that runs as it is
// wanted is only waited for.
func (c *Cloud) start(ctx context.Context, s service) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startWithin, fmt.Errorf("not ready after %v", startWithin))
	defer cancel()
	leaders, err := c.procs.leaders()
	if err != nil {
		return err
	}
	if c.current(s, leaders) {
		// One that ends while it is waited for was dying, and is missing.
		if err := c.settle(ctx, s, leaders[s.name], 0, false); !errors.Is(err, errEnded) {
			return err
		}
	}
	if err := c.procs.stop(ctx, s.name, s.grace); err != nil {
		return err
	}
	// Written when all is done: a start that was cut off is begun anew.
	if err := os.Remove(c.fingerprintFile(s.name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("openstack: start %s: %w", s.name, err)
	}
	mark, err := s.fingerprint()
	if err != nil {
		return err
	}
	pid, logged, err := c.procs.spawn(s)
	if err != nil {
		return err
	}
	if err := c.settle(ctx, s, pid, logged, true); err != nil {
		return err
	}
	return writeFile(c.fingerprintFile(s.name), []byte(mark))
}

// settle waits until a service is ready, and fails at once when it ends.
func (c *Cloud) settle(ctx context.Context, s service, pid int, logged int64, fresh bool) error {
	ctx, cancel := guard(ctx, pid)
	defer cancel()
	var err error
	if s.ready != nil {
		err = await(ctx, s.name, s.ready)
	}
	if err == nil && fresh && s.after != nil {
		err = s.after(ctx)
	}
	if err == nil {
		return nil
	}
	if !errors.Is(context.Cause(ctx), errEnded) {
		return fmt.Errorf("%w\nend of %s:\n%s", err, c.procs.log(s.name), c.procs.tail(s.name, logged))
	}
	return fmt.Errorf("openstack: start %s: %w; end of %s:\n%s", s.name, errEnded, c.procs.log(s.name), c.procs.tail(s.name, logged))
}

// services gives every program that the cloud shall have, in the order of their start.
func (c *Cloud) services() []service {
	all := slices.Concat(c.databases(), []service{c.northd()}, c.apis())
	for _, n := range c.Nodes() {
		all = append(all, n.services()...)
	}
	return all
}

// databases are what northd and the APIs stand on.
func (c *Cloud) databases() []service {
	all := []service{c.ovnDatabase("nb"), c.ovnDatabase("sb")}
	if !c.rec.Embedded {
		all = append(all, c.mariadb())
	}
	return all
}

// apis are the programs that serve Keystone's, Neutron's and Octavia's APIs.
func (c *Cloud) apis() []service {
	if c.rec.Embedded {
		return []service{c.embedded()}
	}
	return []service{c.keystone(), c.neutron(), c.octaviaAgent(), c.octaviaAPI()}
}

func (c *Cloud) named(name string) (service, error) {
	var names []string
	for _, s := range c.services() {
		if s.name == name {
			return s, nil
		}
		names = append(names, s.name)
	}
	return service{}, fmt.Errorf("openstack: no service %q; there are %s", name, strings.Join(names, ", "))
}

// Start starts a service of Status's names and waits until it does its work;
// when it runs, it only waits.
func (c *Cloud) Start(ctx context.Context, name string) error {
	return c.locked(ctx, func() error {
		s, err := c.named(name)
		if err != nil {
			return err
		}
		return c.start(ctx, s)
	})
}

// Stop ends a service in the orderly way, and returns when it is gone.
func (c *Cloud) Stop(ctx context.Context, name string) error {
	return c.locked(ctx, func() error {
		s, err := c.named(name)
		if err != nil {
			return err
		}
		return c.procs.stop(ctx, s.name, s.grace)
	})
}

// Kill ends every process of a service with SIGKILL, and returns when they are gone.
func (c *Cloud) Kill(ctx context.Context, name string) error {
	return c.locked(ctx, func() error {
		s, err := c.named(name)
		if err != nil {
			return err
		}
		return c.procs.stop(ctx, s.name, 0)
	})
}

// StopNeutron stops the Neutron server; its address then refuses connections.
// An embedded cloud is one process: Keystone's and Octavia's addresses do so too.
func (c *Cloud) StopNeutron(ctx context.Context) error { return c.Stop(ctx, c.networkService()) }

// StartNeutron starts the Neutron server and waits until it answers.
func (c *Cloud) StartNeutron(ctx context.Context) error { return c.Start(ctx, c.networkService()) }

// networkService is the name of the service that serves Neutron's API.
func (c *Cloud) networkService() string {
	if c.rec.Embedded {
		return c.embedded().name
	}
	return c.neutron().name
}

// ServiceStatus is one line of Status.
type ServiceStatus struct {
	Name string
	// PID of the service's first process; zero: it does not run.
	PID int
	// Log is the path of the file with all it wrote.
	Log string
}

// Status gives every service the cloud should have, in the order of their start.
func (c *Cloud) Status() ([]ServiceStatus, error) {
	leaders, err := c.procs.leaders()
	if err != nil {
		return nil, err
	}
	var all []ServiceStatus
	for _, s := range c.services() {
		all = append(all, ServiceStatus{Name: s.name, PID: leaders[s.name], Log: c.procs.log(s.name)})
	}
	return all, nil
}

// path joins the state directory and the elements.
func (c *Cloud) path(elem ...string) string {
	return filepath.Join(append([]string{c.dir}, elem...)...)
}
