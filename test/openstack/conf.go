// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"bytes"
	"crypto/rand"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/template"
)

//go:embed conf
var confFiles embed.FS

var confTemplates = template.Must(template.ParseFS(confFiles, "conf/*"))

// region is the only one.
const region = "RegionOne"

// password is every user's. The APIs are reachable from the cloud's own
// namespaces alone.
const password = "secret"

// settings are what the templates in conf speak of.
type settings struct {
	Dir     string
	Debug   bool
	Address string
	Region  string
	// Identity, Network and IdentityBase are URLs.
	Identity, IdentityBase, Network string
	NetworkPort, LoadBalancerPort   int
	ProviderGateway                 string
	Physnet, Password, RoleKuryr    string
}

// common are the settings that are every cloud's.
var common = settings{
	Address: controlAddress.Addr().String(), Region: region, NetworkPort: portNetwork, LoadBalancerPort: portLoadBalancer,
	ProviderGateway: ProviderGateway.String(), Physnet: Physnet, Password: password, RoleKuryr: RoleKuryr,
}

// EmbeddedSeed is the seed file of an embedded cloud, for one that runs in a
// test's own process.
func EmbeddedSeed() ([]byte, error) {
	var b bytes.Buffer
	if err := confTemplates.ExecuteTemplate(&b, embeddedSeed, common); err != nil {
		return nil, fmt.Errorf("openstack: render the seed: %w", err)
	}
	return b.Bytes(), nil
}

// Database gives SQLAlchemy's URL of a database.
func (s settings) Database(name string) string {
	return fmt.Sprintf("mysql+pymysql://root@localhost/%s?unix_socket=%s/run/mysql.sock&charset=utf8", name, s.Dir)
}

// Service gives the lines by which a service logs in at Keystone.
func (s settings) Service(user string) string {
	return strings.Join([]string{
		"auth_type = password",
		"auth_url = " + s.Identity,
		"username = " + user,
		"password = " + password,
		"project_name = service",
		"user_domain_name = Default",
		"project_domain_name = Default",
		"region_name = " + s.Region,
	}, "\n")
}

// configure writes the flavour's configuration files.
func (c *Cloud) configure() error {
	e := c.Endpoints()
	set := common
	set.Dir, set.Debug = c.dir, c.rec.Debug
	set.Identity, set.IdentityBase, set.Network = e.Identity, strings.TrimSuffix(e.Identity, "/v3"), e.Network
	for _, t := range confTemplates.Templates() {
		if (t.Name() == embeddedSeed) != c.rec.Embedded {
			continue
		}
		var b bytes.Buffer
		if err := t.Execute(&b, set); err != nil {
			return fmt.Errorf("openstack: configure: %w", err)
		}
		if err := writeFile(c.etc(t.Name()), b.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cloud) etc(name string) string { return c.path("etc", name) }

// makeKeys makes Keystone's keys, which are 32 random bytes each; `0` is the
// staged one, `1` the primary.
func (c *Cloud) makeKeys() error {
	for _, repository := range []string{"fernet", "credential"} {
		dir := c.path("db", "keys", repository)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("openstack: make keys: %w", err)
		}
		for _, name := range []string{"0", "1"} {
			path := dir + "/" + name
			if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
				continue
			}
			key := make([]byte, 32)
			_, _ = rand.Read(key)
			if err := writeFile(path, []byte(base64.URLEncoding.EncodeToString(key))); err != nil {
				return err
			}
		}
	}
	return nil
}
