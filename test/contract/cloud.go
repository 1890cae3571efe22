// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Cloud is a cloud that scenarios run on.
type Cloud struct {
	// Identity, Network and LoadBalancer are URLs without a version.
	Identity, Network, LoadBalancer string
	// Client reaches them.
	Client *http.Client
	// Password is the user admin's.
	Password string
	// Patience bounds the wait for a state. A healthy run waits milliseconds.
	Patience time.Duration
	// Run runs a command where the cloud is reached, with more variables in its
	// environment; nil: it cannot.
	Run func(ctx context.Context, env []string, name string, args ...string) (Output, error)

	admin string
	roles map[string]string
	// catalog gives the names of the catalogue's services and endpoints, by their ids.
	catalog map[string]string
	// known are the variables that every scenario has.
	known map[string]any
}

// Output is what a command said.
type Output struct {
	Status         int
	Stdout, Stderr string
}

// Open logs in as admin and reads what every scenario speaks of.
func (c *Cloud) Open(ctx context.Context) error {
	a, err := c.login(ctx, login{user: "admin", password: c.Password, project: "admin"})
	if err != nil {
		return err
	}
	c.admin = a.id
	c.known = map[string]any{
		"admin_project": a.project, "admin_user": a.user, "domain": "default",
		"identity": c.Identity, "network": c.Network, "loadbalancer": c.LoadBalancer,
	}
	c.roles = map[string]string{}
	var found struct {
		Roles     []struct{ ID, Name string }
		Services  []struct{ ID, Type string }
		Endpoints []struct {
			ID, Interface string
			ServiceID     string `json:"service_id"`
		}
		Networks []struct {
			ID      string
			Subnets []string
		}
	}
	for _, list := range []string{"roles", "services", "endpoints"} {
		if err := c.adminGet(ctx, "/v3/"+list, &found); err != nil {
			return err
		}
	}
	for _, r := range found.Roles {
		c.roles[r.Name] = r.ID
	}
	c.catalog = map[string]string{}
	for _, s := range found.Services {
		c.catalog[s.ID] = "service " + s.Type
	}
	for _, e := range found.Endpoints {
		c.catalog[e.ID] = "endpoint " + e.Interface + " of " + c.catalog[e.ServiceID]
	}
	if err := c.adminGet(ctx, "/v2.0/networks?name=public", &found); err != nil {
		return err
	}
	if len(found.Networks) != 1 || len(found.Networks[0].Subnets) != 1 {
		return errors.New("contract: open the cloud: there is no network public with one subnet")
	}
	c.known["public"], c.known["public_subnet"] = found.Networks[0].ID, found.Networks[0].Subnets[0]
	return nil
}

// MakePublic makes the network public, as package openstack does, in a cloud
// that has no networks yet. It must come before Open.
func (c *Cloud) MakePublic(ctx context.Context) error {
	a, err := c.login(ctx, login{user: "admin", password: c.Password, project: "admin"})
	if err != nil {
		return err
	}
	post := func(path, body string, args ...any) (string, error) {
		q := request{method: http.MethodPost, path: path, token: a.id, body: fmt.Appendf(nil, body, args...)}
		made, err := c.do(ctx, q)
		if err == nil && made.status != http.StatusCreated {
			err = fmt.Errorf("contract: make the public network: %s answered %d: %s", path, made.status, made.raw)
		}
		if err != nil {
			return "", err
		}
		id, _ := unwrap(decode(made.raw)).(map[string]any)["id"].(string)
		return id, nil
	}
	id, err := post("/v2.0/networks", `{"network": {"name": "public", "router:external": true,
		"provider:network_type": "flat", "provider:physical_network": "physnet1"}}`)
	if err != nil {
		return err
	}
	_, err = post("/v2.0/subnets", `{"subnet": {"network_id": %q, "name": "public", "ip_version": 4, "cidr": "203.0.113.0/24",
		"gateway_ip": "203.0.113.1", "enable_dhcp": false, "allocation_pools": [{"start": "203.0.113.50", "end": "203.0.113.250"}]}}`, id)
	return err
}

func (c *Cloud) adminGet(ctx context.Context, path string, to any) error {
	a, err := c.do(ctx, request{method: http.MethodGet, path: path, token: c.admin})
	if err == nil && a.status != http.StatusOK {
		err = fmt.Errorf("answered %d: %s", a.status, a.raw)
	}
	if err == nil {
		err = json.Unmarshal(a.raw, to)
	}
	if err != nil {
		return fmt.Errorf("contract: get %s: %w", path, err)
	}
	return nil
}

// request is one call of an API.
type request struct {
	method, path, token string
	header              []string
	body                []byte
}

type answer struct {
	status int
	header http.Header
	raw    []byte
}

// url finds the service by the path: a version of one's API, or its name and a
// colon ("network:/").
func (c *Cloud) url(path string) string {
	for _, s := range []struct{ prefix, base, cut string }{
		{"identity:", c.Identity, "identity:"},
		{"network:", c.Network, "network:"},
		{"loadbalancer:", c.LoadBalancer, "loadbalancer:"},
		{"/v3", c.Identity, ""},
		{"/v2.0", c.Network, ""},
		{"/v2", c.LoadBalancer, ""},
	} {
		if strings.HasPrefix(path, s.prefix) {
			return s.base + strings.TrimPrefix(path, s.cut)
		}
	}
	return c.Network + path
}

func (c *Cloud) do(ctx context.Context, r request) (answer, error) {
	hr, err := http.NewRequestWithContext(ctx, r.method, c.url(r.path), bytes.NewReader(r.body))
	if err != nil {
		return answer{}, fmt.Errorf("contract: %s %s: %w", r.method, r.path, err)
	}
	hr.Header.Set("Accept", "application/json")
	if len(r.body) > 0 {
		hr.Header.Set("Content-Type", "application/json")
	}
	if r.token != "" {
		hr.Header.Set("X-Auth-Token", r.token)
	}
	for _, h := range r.header {
		name, value, _ := strings.Cut(h, ": ")
		hr.Header.Set(name, value)
	}
	resp, err := c.Client.Do(hr)
	if err != nil {
		return answer{}, fmt.Errorf("contract: %s %s: %w", r.method, r.path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, fmt.Errorf("contract: %s %s: %w", r.method, r.path, err)
	}
	return answer{status: resp.StatusCode, header: resp.Header, raw: raw}, nil
}

// login is how somebody logs in.
type login struct{ user, password, project string }

// account is somebody with a token.
type account struct{ id, user, project string }

func (c *Cloud) login(ctx context.Context, l login) (account, error) {
	domain := map[string]any{"id": "default"}
	body, err := json.Marshal(map[string]any{"auth": map[string]any{
		"identity": map[string]any{
			"methods":  []string{"password"},
			"password": map[string]any{"user": map[string]any{"name": l.user, "domain": domain, "password": l.password}},
		},
		"scope": map[string]any{"project": map[string]any{"name": l.project, "domain": domain}},
	}})
	if err != nil {
		return account{}, fmt.Errorf("contract: log in: %w", err)
	}
	a, err := c.do(ctx, request{method: http.MethodPost, path: "/v3/auth/tokens", body: body})
	if err != nil {
		return account{}, err
	}
	var t struct {
		Token struct{ User, Project struct{ ID string } }
	}
	if a.status != http.StatusCreated {
		err = fmt.Errorf("answered %d: %s", a.status, a.raw)
	} else {
		err = json.Unmarshal(a.raw, &t)
	}
	if err != nil {
		return account{}, fmt.Errorf("contract: log in as %s: %w", l.user, err)
	}
	return account{id: a.header.Get("X-Subject-Token"), user: t.Token.User.ID, project: t.Token.Project.ID}, nil
}

// ordinary is what every answer has and no transcript tells.
func (a answer) headers(m *mask) []string {
	var lines []string
	for _, name := range []string{"Allow", "Content-Type", "Location", "Retry-After", "Www-Authenticate", "X-Subject-Token"} {
		value := strings.Join(a.header.Values(name), ", ")
		if name == "Allow" {
			// Keystone says them in another order each time it is started.
			value = strings.Join(slices.Sorted(strings.SplitSeq(value, ", ")), ", ")
		}
		if name == "Content-Type" && (value == "application/json" || len(a.raw) == 0) || value == "" {
			continue
		}
		lines = append(lines, name+": "+m.text(value, "token", true))
	}
	if a.header.Get("X-Openstack-Request-Id") == "" {
		lines = append(lines, "X-Openstack-Request-Id is absent")
	}
	return lines
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
