// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cloud_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/services"

	"github.com/kuryr-go/kuryr/internal/cloud"
	"github.com/kuryr-go/kuryr/internal/cloud/cloudtest"
	"github.com/kuryr-go/kuryr/internal/cloud/faults"
	"github.com/kuryr-go/kuryr/internal/fault"
)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestTheCatalogueLeadsToAllThreeServices(t *testing.T) {
	c := cloudtest.Start(t, cloud.Options{})
	if got, want := c.Network(c.Admin).Endpoint, c.Endpoints().Network+"/"; got != want {
		t.Errorf("network at %s, want %s", got, want)
	}
	if got, want := c.LoadBalancer(c.Admin).Endpoint, c.Endpoints().LoadBalancer+"/"; got != want {
		t.Errorf("load-balancer at %s, want %s", got, want)
	}
	// The seed's user.
	c.Login("demo", "secret", "demo")
}

func TestARestartOnOtherPortsKeepsWhatTheFileHoldsAndMendsTheCatalogue(t *testing.T) {
	o := cloud.Options{Store: filepath.Join(t.TempDir(), "cloud.db")}
	t.Run("first", func(t *testing.T) {
		c := cloudtest.Start(t, o)
		if err := projects.Create(t.Context(), c.Identity(c.Admin), projects.CreateOpts{Name: "kept"}).Err; err != nil {
			t.Fatal(err)
		}
	})
	t.Run("second", func(t *testing.T) {
		c := cloudtest.Start(t, o)
		client := c.Identity(c.Admin)
		page, err := projects.List(client, projects.ListOpts{Name: "kept"}).AllPages(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if found, err := projects.ExtractProjects(page); err != nil || len(found) != 1 {
			t.Errorf("found %v, %v", found, err)
		}
		page, err = services.List(client, services.ListOpts{}).AllPages(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if all, err := services.ExtractServices(page); err != nil || len(all) != 3 {
			t.Errorf("services %v, %v", all, err)
		}
		if got, want := c.Network(c.Admin).Endpoint, c.Endpoints().Network+"/"; got != want {
			t.Errorf("network at %s, want %s", got, want)
		}
	})
}

func TestAFileThatAnotherCloudHasOpenIsRefused(t *testing.T) {
	o := cloud.Options{Store: filepath.Join(t.TempDir(), "cloud.db")}
	cloudtest.Start(t, o)
	if _, err := cloud.New(t.Context(), o); err == nil || !strings.Contains(err.Error(), "another process has it open") {
		t.Errorf("error %v", err)
	}
}

func TestAPortThatIsTakenIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = cloud.New(t.Context(), cloud.Options{Ports: cloud.Ports{Network: l.Addr().(*net.TCPAddr).Port}})
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "network: another process listens on "+l.Addr().String()) {
		t.Errorf("error %v", err)
	}
}

func TestTheAdminEndpointTellsHealthMetricsAndState(t *testing.T) {
	c := cloudtest.Start(t, cloud.Options{AdminAddress: "127.0.0.1:0"})
	admin := "http://" + c.AdminAddress()
	for path, want := range map[string]string{
		"/healthz": "ok\n", "/readyz": "ok\n",
		"/metrics":     `kuryr_cloud_rows{table="users"} 2`,
		"/debug/state": `"projects":3`, // the domain, admin and demo
		"/requests":    `"POST /v3/auth/tokens"`,
		"/faults":      "{}",
	} {
		if status, body := get(t, admin+path); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s, want %s", path, status, body, want)
		}
	}
	if status, _ := get(t, admin+"/nothing"); status != 404 {
		t.Errorf("an unknown path: %d", status)
	}
}

func TestACloudWithoutItsOVNServesAndSaysSo(t *testing.T) {
	nowhere := "unix:" + filepath.Join(t.TempDir(), "none.sock")
	c := cloudtest.Start(t, cloud.Options{OVNNB: nowhere, OVNSB: nowhere})
	if err := c.Ready(); err != nil {
		t.Error(err)
	}
	if err := c.Health(); err == nil || !strings.Contains(err.Error(), "ovn: northbound database") {
		t.Errorf("health: %v", err)
	}
}

func TestAFaultIsInTheServicesWords(t *testing.T) {
	c := cloudtest.Start(t, cloud.Options{})
	if err := c.Faults().Add(faults.Rule{Match: faults.Match{Service: "network"}, Answer: faults.Error, Status: 503}); err != nil {
		t.Fatal(err)
	}
	before := c.Faults().Count("GET /v2.0/networks")
	status, body := get(t, c.Endpoints().Network+"/v2.0/networks")
	if status != 503 || !strings.Contains(body, `"NeutronError"`) {
		t.Errorf("%d %s", status, body)
	}
	if n := c.Faults().Count("GET /v2.0/networks") - before; n != 1 {
		t.Errorf("%d calls in the log", n)
	}
}

func TestWhatHangsDoesNotHoldUpTheEnd(t *testing.T) {
	c, err := cloud.New(t.Context(), cloud.Options{Grace: 1, Faults: faults.Settings{Rules: []faults.Rule{{Answer: faults.Hang}}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- c.Serve(ctx) }()
	answered := make(chan error, 1)
	go func() {
		transport := &http.Transport{}
		defer transport.CloseIdleConnections()
		resp, err := (&http.Client{Transport: transport}).Get(c.Endpoints().Identity)
		if err == nil {
			err = errors.Join(errors.New("answered"), resp.Body.Close())
		}
		answered <- err
	}()
	eventually(t, func() error {
		if c.Faults().InFlight() == 0 {
			return errors.New("no call is under way")
		}
		return nil
	})
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if err := <-answered; err == nil || strings.Contains(err.Error(), "answered") {
		t.Errorf("the call that hung: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
