// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/kuryr-go/kuryr/internal/fault"
)

// embeddedSeed is the template of what an embedded cloud begins with.
const embeddedSeed = "cloud.yaml"

// embeddedPackage is the program with the embedded cloud in it.
const embeddedPackage = "github.com/kuryr-go/kuryr/cmd/kuryr"

// embedded is the one process that serves all three APIs.
func (c *Cloud) embedded() service {
	level := "info"
	if c.rec.Debug {
		level = "debug"
	}
	return service{
		name: "cloud",
		argv: []string{
			c.embeddedProgram(), "cloud",
			"--address", controlAddress.Addr().String(),
			"--identity-port", strconv.Itoa(portIdentity),
			"--network-port", strconv.Itoa(portNetwork),
			"--load-balancer-port", strconv.Itoa(portLoadBalancer),
			"--admin-address", "unix:" + c.AdminSocket(),
			"--ovn-nb", c.NBDB(), "--ovn-sb", c.SBDB(),
			"--store", c.path("db", "cloud.db"),
			"--seed", c.etc(embeddedSeed),
			"--log-level", level,
		},
		netns: c.Control(),
		files: []string{c.embeddedProgram(), c.etc(embeddedSeed)},
		grace: 5 * time.Second,
		ready: c.healthy,
	}
}

func (c *Cloud) embeddedProgram() string { return c.path("bin", "kuryr") }

// AdminSocket is where an embedded cloud serves its health, faults and request
// log, over HTTP.
func (c *Cloud) AdminSocket() string { return c.path("run", "admin.sock") }

// healthy is content when the embedded cloud says that it serves everything
// and that OVN is in step.
func (c *Cloud) healthy(ctx context.Context) error {
	t := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", c.AdminSocket())
	}}
	defer t.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://cloud/healthz", nil)
	if err != nil {
		return fmt.Errorf("openstack: ask for the embedded cloud's health: %w", err)
	}
	resp, err := t.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("openstack: ask for the embedded cloud's health: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	// A body that cannot be read tells no reason, and that is all.
	reason, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("openstack: ask for the embedded cloud's health: %s: %s", resp.Status, reason)
	}
	return nil
}

// provide puts the kuryr program into the directory. A program other than the
// one that runs makes Up restart the cloud, whose store is a file.
func (c *Cloud) provide(ctx context.Context, given string) error {
	if err := os.MkdirAll(c.path("bin"), 0o755); err != nil {
		return fmt.Errorf("openstack: provide kuryr: %w", err)
	}
	if given == "" {
		return c.build(ctx)
	}
	content, err := os.ReadFile(given)
	if errors.Is(err, os.ErrNotExist) {
		return fault.InvalidField("program", "%w", err)
	}
	if err == nil {
		// By a rename: the program may be running.
		err = writeFile(c.embeddedProgram(), content)
	}
	if err == nil {
		err = os.Chmod(c.embeddedProgram(), 0o755)
	}
	if err != nil {
		return fmt.Errorf("openstack: provide kuryr: %w", err)
	}
	return nil
}

// build compiles the program from the module that the working directory is in.
func (c *Cloud) build(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", c.embeddedProgram(), embeddedPackage)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("openstack: build kuryr (or name a program): %w: %s", err, lastLines(string(out), 2000))
	}
	c.step("kuryr is built")
	return nil
}
