// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package cloud_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// errCut is a call that had no answer: it has happened or not.
var errCut = errors.New("no answer")

// call does one call with a connection of its own.
func (s *site) call(method string, port int, path string, body any) (map[string]any, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	if body == nil {
		text = nil
	}
	r, err := http.NewRequest(method, s.p.url(port)+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	r.Header.Set("X-Auth-Token", s.token)
	r.Header.Set("Content-Type", "application/json")
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport, Timeout: patience}).Do(r)
	if err != nil {
		s.cut.Add(1)
		return nil, fmt.Errorf("%w: %w", errCut, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.cut.Add(1)
		return nil, fmt.Errorf("%w: %w", errCut, err)
	}
	s.answered.Add(1)
	if resp.StatusCode >= 300 {
		return nil, &refused{resp.StatusCode, fmt.Sprintf("%s %s: %s: %s", method, path, resp.Status, b)}
	}
	if path == "/v3/auth/tokens" {
		return map[string]any{"token": resp.Header.Get("X-Subject-Token")}, nil
	}
	answer := map[string]any{}
	if len(b) > 0 {
		err = json.Unmarshal(b, &answer)
	}
	return answer, err
}

// refused is an answer that is no success.
type refused struct {
	status int
	text   string
}

func (r *refused) Error() string { return r.text }

func (s *site) login() {
	answer, err := s.call("POST", s.p.o.Ports.Identity, "/v3/auth/tokens", map[string]any{"auth": map[string]any{
		"identity": map[string]any{"methods": []string{"password"}, "password": map[string]any{"user": map[string]any{
			"name": "admin", "password": "secret", "domain": map[string]any{"id": "default"},
		}}},
		"scope": map[string]any{"project": map[string]any{"name": "admin", "domain": map[string]any{"id": "default"}}},
	}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.token = dig(answer, "token")
}

// dig gives a string deep inside an answer; empty: there is none.
func dig(v any, keys ...string) string {
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	s, _ := v.(string)
	return s
}

// list gives the objects of a list's answer.
func list(answer map[string]any) (all []any) {
	for _, v := range answer {
		if l, ok := v.([]any); ok {
			all = append(all, l...)
		}
	}
	return all
}

// client makes things, each until it is there, as a client does that is never
// told what became of a call: it looks for what it named, and makes it if it
// is not there.
type client struct {
	*site
	name   string
	random *rand.Rand
}

func (c *client) thing(n int) {
	at := fmt.Sprintf("/%s/%d", c.name, n)
	neutron, octavia := c.p.o.Ports.Network, c.p.o.Ports.LoadBalancer
	switch c.random.IntN(5) {
	case 0:
		name := "port" + at
		c.make(neutron, "/v2.0/ports", "port", []string{name}, c.port(name))
		c.wanted("/v2.0/ports", name)
	case 1:
		var names []string
		var ports []any
		for i := range bulk {
			names = append(names, fmt.Sprintf("bulk%s/%d", at, i))
			ports = append(ports, c.port(names[i]))
		}
		c.make(neutron, "/v2.0/ports", "ports", names, ports)
		c.wanted("/v2.0/ports", names...)
	case 2:
		name := "group" + at
		c.make(neutron, "/v2.0/security-groups", "security_group", []string{name}, map[string]any{"name": name})
		c.wanted("/v2.0/security-groups", name)
	case 3:
		name := "lb" + at
		c.make(octavia, "/v2/lbaas/loadbalancers", "loadbalancer", []string{name}, c.balancer(name))
		c.wanted("/v2/lbaas/loadbalancers", name)
		c.active(octavia, name)
	default:
		// Made, and taken away again.
		name := "gone" + at
		id := c.make(neutron, "/v2.0/ports", "port", []string{name}, c.port(name))
		c.until(func() error {
			_, err := c.call("DELETE", neutron, "/v2.0/ports/"+id, nil)
			if r := (*refused)(nil); errors.As(err, &r) && r.status == http.StatusNotFound {
				return nil
			}
			return err
		})
	}
}

func (c *client) port(name string) map[string]any {
	return map[string]any{"name": name, "network_id": c.network}
}

// balancer is a whole load balancer in one request.
func (c *client) balancer(name string) map[string]any {
	member := func(i int) map[string]any {
		return map[string]any{"address": fmt.Sprintf("10.0.200.%d", i), "protocol_port": 8080, "subnet_id": c.subnet}
	}
	return map[string]any{
		"name": name, "vip_subnet_id": c.subnet, "provider": "ovn",
		"listeners": []any{map[string]any{
			"name": "l", "protocol": "TCP", "protocol_port": 80,
			"default_pool": map[string]any{"name": "p", "protocol": "TCP", "lb_algorithm": "SOURCE_IP_PORT", "members": []any{member(1), member(2)}},
		}},
	}
}

// make makes what has not been made, and gives the id of the first.
func (c *client) make(where int, path, key string, names []string, body any) (id string) {
	c.until(func() error {
		query := url.Values{"name": names}
		answer, err := c.call("GET", where, path+"?"+query.Encode(), nil)
		if err != nil {
			return err
		}
		found := list(map[string]any{"": answer[strings.TrimSuffix(key, "s")+"s"]})
		switch len(found) {
		case len(names):
			id = dig(found[0], "id")
			return nil
		case 0:
			_, err := c.call("POST", where, path, map[string]any{key: body})
			if err == nil {
				err = errCut // so that it is looked for
			}
			return err
		}
		c.t.Errorf("%d of %v are there", len(found), names)
		return nil
	})
	return id
}

// active waits until a load balancer is as it was wanted.
func (c *client) active(where int, name string) {
	c.until(func() error {
		answer, err := c.call("GET", where, "/v2/lbaas/loadbalancers?name="+url.QueryEscape(name), nil)
		if err != nil {
			return err
		}
		found := list(map[string]any{"": answer["loadbalancers"]})
		if len(found) != 1 || dig(found[0], "provisioning_status") != "ACTIVE" {
			return errCut
		}
		return nil
	})
}

// until tries again while calls are cut; any other failure is the test's.
func (c *client) until(try func() error) {
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if !errors.Is(err, errCut) || time.Now().After(deadline) {
			c.t.Error(err)
			return
		}
		time.Sleep(time.Millisecond)
	}
}
