// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

func (c *Cloud) keystone() service {
	s := c.wsgi("keystone", portIdentity, "/usr/bin/keystone-wsgi-public")
	s.env = []string{"OS_KEYSTONE_CONFIG_FILES=" + c.etc("keystone.conf")}
	s.files = []string{c.etc("keystone.conf")}
	s.ready = c.answers(c.Endpoints().Identity, http.StatusOK)
	return s
}

// wsgi is an API under uWSGI. One process: Keystone's cache is in its memory.
// It listens on the control plane's address alone.
func (c *Cloud) wsgi(name string, port int, script string, args ...string) service {
	argv := []string{
		"uwsgi_python3",
		"--http-socket", net.JoinHostPort(controlAddress.Addr().String(), strconv.Itoa(port)),
		"--master", "--processes", "1", "--threads", "8", "--enable-threads", "--lazy-apps",
		"--buffer-size", "65535", "--listen", "100", "--add-header", "Connection: close",
		"--die-on-term", "--no-orphans", "--need-app", "--disable-logging",
		"--wsgi-file", script,
	}
	return service{name: name, argv: append(argv, args...), netns: c.Control(), grace: 2 * time.Second}
}

// bootstrap makes Keystone's first user, project, roles and endpoint.
func (c *Cloud) bootstrap(ctx context.Context) error {
	done := c.path("db", "bootstrapped")
	if _, err := os.Stat(done); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := c.makeKeys(); err != nil {
		return err
	}
	url := c.Endpoints().Identity
	if err := c.once(ctx, "bootstrap", "keystone-manage", "--config-file", c.etc("keystone.conf"), "bootstrap",
		"--bootstrap-username", "admin", "--bootstrap-password", password, "--bootstrap-project-name", "admin",
		"--bootstrap-role-name", "admin", "--bootstrap-service-name", "keystone", "--bootstrap-region-id", region,
		"--bootstrap-public-url", url, "--bootstrap-internal-url", url, "--bootstrap-admin-url", url); err != nil {
		return err
	}
	c.step("Keystone is bootstrapped")
	return writeFile(done, nil)
}
