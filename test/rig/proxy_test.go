// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gophercloud/gophercloud/v2"
	sdk "github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"go.yaml.in/yaml/v3"

	"github.com/kuryr-go/kuryr/internal/cloud/faults"
	"github.com/kuryr-go/kuryr/test/openstack"
)

// lab is a proxy before a Keystone and a Neutron of a few lines.
type lab struct {
	*FaultProxy
	keystone, neutron *httptest.Server
	// made counts the ports that Neutron made.
	made atomic.Int64
}

const tokenAnswer = `{"token": {"methods": ["password"], "expires_at": "2100-01-01T00:00:00.000000Z", "issued_at": "2020-01-01T00:00:00.000000Z",
 "user": {"id": "u1", "name": "alice", "domain": {"id": "default", "name": "Default"}},
 "project": {"id": "p1", "name": "demo", "domain": {"id": "default", "name": "Default"}},
 "catalog": [
  {"id": "1", "type": "network", "name": "neutron", "endpoints": [{"id": "2", "interface": "public", "region": "RegionOne", "region_id": "RegionOne", "url": "%[2]s/"}]},
  {"id": "3", "type": "identity", "name": "keystone", "endpoints": [{"id": "4", "interface": "public", "region": "RegionOne", "region_id": "RegionOne", "url": "%[1]s/v3"}]},
  {"id": "5", "type": "load-balancer", "name": "octavia", "endpoints": [{"id": "6", "interface": "public", "region": "RegionOne", "region_id": "RegionOne", "url": "http://octavia:9876"}]}]}}`

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{}
	keystone, neutron := http.NewServeMux(), http.NewServeMux()
	l.keystone, l.neutron = httptest.NewServer(keystone), httptest.NewServer(neutron)
	t.Cleanup(l.keystone.Close)
	t.Cleanup(l.neutron.Close)
	keystone.HandleFunc("GET /v3/{$}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"version": {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": "%s/v3/"}]}}`, l.keystone.URL)
	})
	keystone.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusMultipleChoices)
		_, _ = fmt.Fprintf(w, `{"versions": {"values": [{"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": "%s/v3/"}]}]}}`, l.keystone.URL)
	})
	keystone.HandleFunc("POST /v3/auth/tokens", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Subject-Token", "alices")
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, tokenAnswer, l.keystone.URL, l.neutron.URL)
	})
	neutron.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"versions": [{"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": "%s/v2.0/"}]}]}`, l.neutron.URL)
	})
	neutron.HandleFunc("POST /v2.0/ports", func(w http.ResponseWriter, _ *http.Request) {
		l.made.Add(1)
		w.Header().Set("X-Openstack-Request-Id", "req-of-neutron")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"port":{"id":"x","name":"a port with a rather long name"}}`)
	})
	neutron.HandleFunc("GET /v2.0/ports", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, `{"ports": [], "ports_links": [{"rel": "next", "href": "http://%s%s"}]}`, r.Host, r.RequestURI)
	})
	neutron.HandleFunc("DELETE /v2.0/ports/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })

	dir := t.TempDir()
	clouds := filepath.Join(dir, "given.yaml")
	ok(t, os.WriteFile(clouds, []byte("clouds: {appcred: {auth: {auth_url: 'http://nowhere/v3', application_credential_id: me}, region_name: R}}"), 0o600))
	var err error
	l.FaultProxy, err = newFaultProxy(t.Context(), openstack.Netns{}, openstack.Endpoints{Identity: l.keystone.URL + "/v3", Network: l.neutron.URL}, clouds, filepath.Join(dir, "proxy"))
	ok(t, err)
	t.Cleanup(func() { ok(t, l.Close()) })
	return l
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// authURL is what the proxy's clouds.yaml says.
func (l *lab) authURL(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(l.CloudsFile())
	ok(t, err)
	var file struct {
		Clouds map[string]struct {
			Auth map[string]string `yaml:"auth"`
		} `yaml:"clouds"`
	}
	ok(t, yaml.Unmarshal(b, &file))
	if id := file.Clouds["appcred"].Auth["application_credential_id"]; id != "me" {
		t.Errorf("the credential is lost: %s", b)
	}
	return file.Clouds["appcred"].Auth["auth_url"]
}

// login gives alice's Neutron client through the proxy.
func (l *lab) login(t *testing.T) *gophercloud.ServiceClient {
	t.Helper()
	p, err := sdk.NewClient(l.authURL(t))
	ok(t, err)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	p.HTTPClient = http.Client{Transport: transport}
	ok(t, sdk.Authenticate(t.Context(), p, gophercloud.AuthOptions{
		IdentityEndpoint: l.authURL(t), Username: "alice", Password: "secret", DomainName: "Default", Scope: &gophercloud.AuthScope{ProjectName: "demo", DomainName: "Default"},
	}))
	n, err := sdk.NewNetworkV2(p, gophercloud.EndpointOpts{Region: "RegionOne"})
	ok(t, err)
	return n
}

func (l *lab) set(t *testing.T, text string) {
	t.Helper()
	s, err := faults.Read("faults", []byte(text))
	ok(t, err)
	ok(t, l.Set(s))
}

func create(ctx context.Context, c *gophercloud.ServiceClient) error {
	return ports.Create(ctx, c, ports.CreateOpts{NetworkID: "n", Name: "web"}).Err
}

func TestWhoLogsInThroughTheProxyUsesItForNeutron(t *testing.T) {
	l := newLab(t)
	c := l.login(t)
	mark := l.Mark()
	ok(t, create(t.Context(), c))
	ok(t, ports.Delete(t.Context(), c, "x").ExtractErr())
	want := Requests{
		{Key: faults.Key{Service: "network", Kind: "DELETE /v2.0/ports/{id}", Status: 204}, Count: 1},
		{Key: faults.Key{Service: "network", Kind: "POST /v2.0/ports", Status: 201}, Count: 1},
	}
	if d := cmp.Diff(want, l.Since(mark)); d != "" {
		t.Error("requests (-want +got):\n", d)
	}
	if n := l.Requests().Of("identity", "POST /v3/auth/tokens"); n != 1 {
		t.Errorf("%d logins", n)
	}
	if octavia, err := c.EndpointLocator(gophercloud.EndpointOpts{Type: "load-balancer", Region: "RegionOne", Availability: gophercloud.AvailabilityPublic}); err != nil || octavia != "http://octavia:9876/" {
		t.Errorf("Octavia is at %q: %v", octavia, err)
	}
}

func TestLinksLeadThroughTheProxyAndHeadersPass(t *testing.T) {
	l := newLab(t)
	c := l.login(t)
	get := func(url string) string {
		resp, err := c.HTTPClient.Get(url)
		ok(t, err)
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		ok(t, err)
		return string(b)
	}
	if got, want := get(l.authURL(t)+"/"), `"href":"`+l.authURL(t)+`/"`; !strings.Contains(got, want) {
		t.Errorf("version document %s without %s", got, want)
	}
	if got, want := get(c.Endpoint+"v2.0/ports?limit=1"), `"href": "`+c.Endpoint+`v2.0/ports?limit=1"`; !strings.Contains(got, want) {
		t.Errorf("page %s without %s", got, want)
	}
	resp, err := c.HTTPClient.Post(c.Endpoint+"v2.0/ports", "application/json", strings.NewReader(`{"port": {}}`))
	ok(t, err)
	ok(t, resp.Body.Close())
	if id := resp.Header.Get("X-Openstack-Request-Id"); id != "req-of-neutron" {
		t.Errorf("request id %q is not the cloud's", id)
	}
}

func TestEveryFaultWorksThroughTheProxy(t *testing.T) {
	const create1 = `match: {service: network, method: POST, path: /v2.0/ports, project: demo, contains: '"web"'}, `
	for name, c := range map[string]struct {
		rule string
		// made tells whether Neutron made the port all the same.
		made  int64
		check func(error) bool
	}{
		"error":           {`answer: error, status: 503, retryAfter: 7s`, 0, status(503, "Retry-After", "7")},
		"error afterward": {`answer: error, status: 500, after: true`, 1, status(500, "", "")},
		"quota":           {`answer: quota`, 0, status(409, "", "")},
		"drop":            {`answer: drop`, 0, broken},
		"drop afterwards": {`answer: drop, after: true`, 1, broken},
		"truncate":        {`answer: truncate`, 1, broken},
		"hang":            {`answer: hang`, 0, given},
		"hang afterwards": {`answer: hang, after: true`, 1, given},
		"delay":           {`delay: 1h`, 0, given},
		"item delay":      {`itemDelay: 1h, after: true`, 1, given},
		"never by chance": {`answer: error, status: 500, probability: 1e-300`, 1, func(err error) bool { return err == nil }},
		"for nobody else": {`answer: error, status: 500, match: {user: bob}`, 1, func(err error) bool { return err == nil }},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			client := l.login(t)
			rule := create1 + c.rule
			if strings.Contains(c.rule, "match:") {
				rule = c.rule
			}
			l.set(t, "rules: [{"+rule+"}]")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if strings.Contains(c.rule, "hang") || strings.Contains(c.rule, "elay") {
				go l.giveUp(t, c.made, cancel)
			}
			if err := create(ctx, client); !c.check(err) {
				t.Errorf("the client reads: %v", err)
			}
			if made := l.made.Load(); made != c.made {
				t.Errorf("%d ports made, want %d", made, c.made)
			}
			l.Clear()
			ok(t, create(t.Context(), client))
		})
	}
}

func status(want int, header, value string) func(error) bool {
	return func(err error) bool {
		var e gophercloud.ErrUnexpectedResponseCode
		return errors.As(err, &e) && e.Actual == want && strings.Contains(string(e.Body), "NeutronError") && (header == "" || e.ResponseHeader.Get(header) == value)
	}
}

func broken(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

func given(err error) bool { return errors.Is(err, context.Canceled) }

// giveUp goes away while a call is under way that Neutron has answered, or not.
func (l *lab) giveUp(t *testing.T, made int64, away func()) {
	err := Await(t.Context(), "the call", func(context.Context) error {
		if l.faults.InFlight() == 0 || l.made.Load() != made {
			return errors.New("not there yet")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	away()
}

func TestAStoppedProxyRefusesAndAStartedOneIsAtTheSameAddress(t *testing.T) {
	l := newLab(t)
	c := l.login(t)
	ok(t, l.Stop())
	ok(t, l.Stop())
	// A connection that was idle ends with EOF.
	c.HTTPClient.CloseIdleConnections()
	if err := create(t.Context(), c); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("while it is stopped: %v", err)
	}
	ok(t, l.Start(t.Context()))
	ok(t, l.Start(t.Context()))
	ok(t, create(t.Context(), c))
}

func TestStopCutsWhatIsUnderWay(t *testing.T) {
	l := newLab(t)
	c := l.login(t)
	l.set(t, `rules: [{answer: hang, match: {service: network}}]`)
	answered := make(chan error)
	go func() { answered <- create(t.Context(), c) }()
	ok(t, Await(t.Context(), "the call", func(context.Context) error {
		if l.faults.InFlight() == 0 {
			return errors.New("none")
		}
		return nil
	}))
	ok(t, l.Stop())
	if err := <-answered; !broken(err) {
		t.Errorf("the client reads: %v", err)
	}
}

func TestACloudThatIsAwayShowsAs502(t *testing.T) {
	l := newLab(t)
	c := l.login(t)
	l.neutron.Close()
	if err := create(t.Context(), c); !status(502, "", "")(err) {
		t.Errorf("the client reads: %v", err)
	}
}
