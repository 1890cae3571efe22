// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/portsbinding"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"github.com/kuryr-go/kuryr/internal/cloud"
	"github.com/kuryr-go/kuryr/internal/cloud/cloudtest"
	"github.com/kuryr-go/kuryr/internal/cloud/faults"
	"github.com/kuryr-go/kuryr/internal/supply"
)

// installed is a cloud with ports of cluster "prod" and of others.
type installed struct {
	*cloudtest.Cloud
	clouds string
}

func newInstalled(t *testing.T) installed {
	t.Helper()
	seed := cloud.DefaultSeed()
	c := installed{Cloud: cloudtest.Start(t, cloud.Options{Seed: &seed}), clouds: filepath.Join(t.TempDir(), "clouds.yaml")}
	text := fmt.Sprintf("clouds: {c: {auth: {auth_url: '%s', username: admin, password: '%s', project_name: admin, user_domain_name: Default, project_domain_name: Default}, region_name: %s}}",
		c.Endpoints().Identity, seed.AdminPassword, seed.Region)
	if err := os.WriteFile(c.clouds, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	api := c.Network(c.Admin)
	n, err := networks.Create(t.Context(), api, networks.CreateOpts{Name: "net"}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := subnets.Create(t.Context(), api, subnets.CreateOpts{NetworkID: n.ID, IPVersion: gophercloud.IPv4, CIDR: "10.0.0.0/24"}).Extract(); err != nil {
		t.Fatal(err)
	}
	for _, p := range [][3]string{
		{"compute:kuryr", "kuryr cluster=prod node=n1 pool=0f00", "n1"}, {"compute:kuryr", "kuryr cluster=prod node=n2 sandbox=3f2c interface=eth0", "n2"},
		{"compute:kuryr", "kuryr cluster=product node=n1 pool=0f00", "n1"}, {"compute:kuryr-adopted", "", "n1"}, {"compute:nova", "", "n1"},
	} {
		if err := ports.Create(t.Context(), api, portsbinding.CreateOptsExt{
			CreateOptsBuilder: ports.CreateOpts{NetworkID: n.ID, Name: "p", DeviceOwner: p[0], Description: p[1], DeviceID: "d"}, HostID: p[2],
		}).Err; err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// kuryr runs the command with the cloud's credentials.
func (c installed) kuryr(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	args = append([]string{"uninstall", "--cloud-config-file", c.clouds, "--cloud-name", "c"}, args...)
	status = execute(t.Context(), args, &out, &errs)
	return status, out.String(), errs.String()
}

// count is the number of ports with an owner mark.
func (c installed) count(t *testing.T, owner string) int {
	t.Helper()
	all, err := ports.List(c.Network(c.Admin), ports.ListOpts{DeviceOwner: owner}).AllPages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	list, err := ports.ExtractPorts(all)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestUninstallShowsFirstAndRemovesOnlyWhatItShowed(t *testing.T) {
	c := newInstalled(t)
	status, out, errs := c.kuryr(t, "--cluster", "prod")
	if status != exitOK || errs != "" {
		t.Errorf("status %d: %s", status, errs)
	}
	for _, want := range []string{
		"PORT", "n1    pool=0f00", "n2    sandbox=3f2c interface=eth0",
		`2 ports of cluster "prod" on 2 nodes would be deleted: run again with --apply`, "1 port of other clusters or nodes is left alone",
		"1 port of users that Kuryr uses (device_owner compute:kuryr-adopted) is left alone: it is the user's own",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if n := c.count(t, "compute:kuryr"); n != 3 {
		t.Errorf("%d ports after looking", n)
	}
	status, out, _ = c.kuryr(t, "--cluster", "prod", "--node", "n2", "--apply", "--yes")
	if status != exitOK || !strings.Contains(out, `1 of 1 port of node "n2" of cluster "prod" deleted.`) {
		t.Errorf("status %d: %s", status, out)
	}
	status, out, _ = c.kuryr(t, "--cluster", "prod", "--apply", "--yes")
	if status != exitOK || !strings.Contains(out, `1 of 1 port of cluster "prod" deleted.`) {
		t.Errorf("status %d: %s", status, out)
	}
	status, out, _ = c.kuryr(t, "--cluster", "prod", "--apply", "--yes")
	if status != exitOK || !strings.HasPrefix(out, `There is no port of cluster "prod".`) {
		t.Errorf("status %d: %s", status, out)
	}
	if kuryr, adopted, nova := c.count(t, "compute:kuryr"), c.count(t, "compute:kuryr-adopted"), c.count(t, "compute:nova"); kuryr != 1 || adopted != 1 || nova != 1 {
		t.Errorf("left: %d, %d, %d", kuryr, adopted, nova)
	}
}

func TestUninstallTellsEachFailureAndCanBeRunAgain(t *testing.T) {
	c := newInstalled(t)
	settings, err := faults.Read("faults", []byte("rules: [{match: {method: DELETE, path: '/v2.0/ports/{id}'}, count: 1, answer: error, status: 409}]"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Faults().Set(settings); err != nil {
		t.Fatal(err)
	}
	status, out, errs := c.kuryr(t, "--cluster", "prod", "--apply", "--yes", "-o", "json")
	if status != exitFailure || !strings.HasPrefix(errs, "port ") || !strings.Contains(errs, "1 port could not be deleted; run it again") {
		t.Errorf("status %d: %s", status, errs)
	}
	var told uninstallJSON
	if err := json.Unmarshal([]byte(out), &told); err != nil {
		t.Fatal(err)
	}
	var removed, failed int
	for _, p := range told.Ports {
		if p.Removed {
			removed++
		}
		if p.Error != "" {
			failed++
		}
	}
	if removed != 1 || failed != 1 || told.Adopted != 1 || told.Others != 1 {
		t.Errorf("%+v", told)
	}
	if status, out, errs := c.kuryr(t, "--cluster", "prod", "--apply", "--yes"); status != exitOK || !strings.HasPrefix(out, "1 of 1 port") {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
}

func TestUninstallGoesOnWhenTheClustersNameIsTypedIn(t *testing.T) {
	u := uninstall{cluster: "prod"}
	found := supply.Inventory{Ports: []supply.OwnPort{{ID: "a", Active: true}, {ID: "b"}}}
	for answer, want := range map[string]error{"prod\n": nil, " prod \n": nil, "prod": nil, "y\n": errReported, "product\n": errReported, "": errReported} {
		var asked strings.Builder
		if err := u.confirm(strings.NewReader(answer), &asked, found); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", answer, err, want)
		}
		if !strings.Contains(asked.String(), `2 ports of cluster "prod" will be deleted.`) || !strings.Contains(asked.String(), "1 of the ports is ACTIVE") {
			t.Errorf("asked: %s", asked.String())
		}
	}
}

func TestProgressSaysHowFarHowFastAndHowMuchFailed(t *testing.T) {
	var w strings.Builder
	p := newProgress(&w, 40)
	for range 3 {
		p.step(false)
	}
	p.end()
	if w.Len() > 0 {
		t.Errorf("work that is done at once shows %q", w.String())
	}
	p.step(true)
	if got, want := p.line(p.began.Add(2*time.Second)), "4 of 40, 2.0/s, 1 failed"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
