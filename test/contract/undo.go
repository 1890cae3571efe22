// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package contract

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// undo remembers what a scenario has made, to remove it at the end.
type undo struct{ requests []request }

// note learns from a request that went well how to undo it.
func (u *undo) note(q request, status int, body any) {
	path, _, _ := strings.Cut(q.path, "?")
	path = strings.TrimSuffix(path, "/")
	switch {
	case status >= 300:
	case q.method == http.MethodDelete:
		u.requests = slices.DeleteFunc(u.requests, func(r request) bool { return r.path == path })
	case q.method == http.MethodPost && !strings.Contains(path, "/auth/") && !strings.Contains(path, "/application_credentials"):
		u.made(path, unwrap(body))
	case q.method == http.MethodPut && strings.Contains(path, "/quotas/"):
		u.requests = append(u.requests, request{method: http.MethodDelete, path: path})
	}
}

func (u *undo) made(path string, v any) {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			u.made(path, element)
		}
	case map[string]any:
		id, ok := v["id"].(string)
		if !ok {
			return
		}
		// What belongs to a load balancer goes with it.
		if at := strings.Index(path, "/lbaas/"); at >= 0 && !slices.Contains([]string{"loadbalancers", "flavors", "flavorprofiles"}, path[at+len("/lbaas/"):]) {
			return
		}
		u.requests = append(u.requests, request{method: http.MethodDelete, path: path + "/" + id})
	}
}

// commands are the openstack commands that make something, and where it can be deleted.
var commands = map[string]string{
	"network": "/v2.0/networks", "subnet": "/v2.0/subnets", "port": "/v2.0/ports", "router": "/v2.0/routers",
	"floating ip": "/v2.0/floatingips", "security group": "/v2.0/security-groups", "network trunk": "/v2.0/trunks",
	"address group": "/v2.0/address-groups", "subnet pool": "/v2.0/subnetpools", "address scope": "/v2.0/address-scopes",
	"network qos policy": "/v2.0/qos/policies", "loadbalancer": "/v2/lbaas/loadbalancers",
	"project": "/v3/projects", "user": "/v3/users",
}

// ran learns from an openstack command that went well how to undo it.
func (u *undo) ran(line string, body any) {
	kind, _, ok := strings.Cut(strings.TrimPrefix(line, "openstack "), " create ")
	if path := commands[kind]; ok && path != "" {
		u.made(path, body)
	}
}

// all removes everything, the last first. What is in use is tried again
// while others go.
func (u *undo) all(ctx context.Context, c *Cloud) error {
	slices.Reverse(u.requests)
	pause := 10 * time.Millisecond
	for {
		var left []request
		var refused []error
		for _, q := range u.requests {
			done, err := undoOne(ctx, c, q)
			if err != nil {
				refused = append(refused, err)
			}
			if !done {
				left = append(left, q)
			}
		}
		if u.requests = left; len(left) == 0 {
			return nil
		}
		pause = min(2*pause, time.Second)
		select {
		case <-ctx.Done():
			return fmt.Errorf("contract: clean up: %w", errors.Join(refused...))
		case <-time.After(pause):
		}
	}
}

// undoOne reports whether nothing is left of a thing.
func undoOne(ctx context.Context, c *Cloud, q request) (bool, error) {
	q.token = c.admin
	balancer := strings.Contains(q.path, "/lbaas/loadbalancers/")
	call := q
	if balancer {
		call.path += "?cascade=true"
	}
	if err := smoothe(ctx, c, q.path); err != nil {
		return false, err
	}
	a, err := c.do(ctx, call)
	switch {
	case err != nil:
		return false, err
	case a.status == http.StatusNotFound:
		return true, nil
	case a.status < 300:
		// A load balancer takes its time.
		return !balancer, nil
	}
	return false, fmt.Errorf("%s %s: %d: %s", q.method, q.path, a.status, a.raw)
}

// smoothe removes what would be in the way of a deletion, or outlive it: the
// security group that Neutron makes for each project, ports in a network that
// others have made, a trunk's being disabled, a router's routes and interfaces.
func smoothe(ctx context.Context, c *Cloud, path string) error {
	at := strings.LastIndexByte(path, '/') + 1
	id := path[at:]
	switch path[:at] {
	case "/v3/projects/":
		return dropAll(ctx, c, "/v2.0/security-groups", "project_id="+id)
	case "/v2.0/networks/":
		return dropAll(ctx, c, "/v2.0/ports", "network_id="+id)
	case "/v2.0/trunks/":
		_, err := c.do(ctx, request{method: http.MethodPut, path: path, token: c.admin, body: []byte(`{"trunk": {"admin_state_up": true}}`)})
		return err
	case "/v2.0/routers/":
		return detach(ctx, c, path, id)
	}
	return nil
}

// detach takes a router's routes and interfaces away.
func detach(ctx context.Context, c *Cloud, path, id string) error {
	var found struct{ Ports []struct{ ID string } }
	if err := c.adminGet(ctx, "/v2.0/ports?fields=id&device_owner=network:router_interface&device_id="+id, &found); err != nil {
		return err
	}
	if len(found.Ports) == 0 {
		return nil
	}
	calls := []request{{method: http.MethodPut, path: path, token: c.admin, body: []byte(`{"router": {"routes": []}}`)}}
	for _, p := range found.Ports {
		calls = append(calls, request{
			method: http.MethodPut, path: path + "/remove_router_interface", token: c.admin, body: []byte(`{"port_id": "` + p.ID + `"}`),
		})
	}
	for _, q := range calls {
		if _, err := c.do(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// dropAll removes what a filter finds. What is not to be removed stays.
func dropAll(ctx context.Context, c *Cloud, collection, filter string) error {
	var found map[string][]struct{ ID string }
	if err := c.adminGet(ctx, collection+"?fields=id&"+filter, &found); err != nil {
		return err
	}
	for _, list := range found {
		for _, row := range list {
			if _, err := c.do(ctx, request{method: http.MethodDelete, path: collection + "/" + row.ID, token: c.admin}); err != nil {
				return err
			}
		}
	}
	return nil
}
