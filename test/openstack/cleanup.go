// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package openstack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
)

// resource is as much of anything in Neutron or Octavia as its deletion needs.
type resource struct {
	ID          string
	DeviceOwner string `json:"device_owner"`
}

// list gives the resources of a collection ("ports") that match the filters.
func list(ctx context.Context, client *gophercloud.ServiceClient, collection string, filter url.Values) ([]resource, error) {
	var answer map[string]json.RawMessage
	if _, err := client.Get(ctx, client.ServiceURL(collection)+"?"+filter.Encode(), &answer, nil); err != nil {
		return nil, fmt.Errorf("list %s: %w", collection, err)
	}
	key := strings.ReplaceAll(collection[strings.LastIndexByte(collection, '/')+1:], "-", "_")
	var found []resource
	if err := json.Unmarshal(answer[key], &found); err != nil {
		return nil, fmt.Errorf("list %s: %w", collection, err)
	}
	return found, nil
}

func remove(ctx context.Context, client *gophercloud.ServiceClient, collection, id string) error {
	_, err := client.Delete(ctx, client.ServiceURL(collection, id), nil)
	if err = ignoreGone(err); err != nil {
		return fmt.Errorf("delete %s/%s: %w", collection, id, err)
	}
	return nil
}

// empty deletes everything in the project, in an order in which nothing is in use.
func (p *Project) empty(ctx context.Context) error {
	if err := p.deleteLoadBalancers(ctx); err != nil {
		return err
	}
	client, err := p.cloud.Network(ctx, Admin)
	if err != nil {
		return err
	}
	for _, collection := range []string{
		"floatingips", "trunks", "routers", "ports", "networks",
		"security-groups", "subnetpools", "address-scopes", "address-groups", "qos/policies",
	} {
		if err := p.deleteAll(ctx, client, collection); err != nil {
			return err
		}
	}
	return remove(ctx, client, "quotas", p.ID)
}

func (p *Project) deleteAll(ctx context.Context, client *gophercloud.ServiceClient, collection string) error {
	found, err := list(ctx, client, collection, url.Values{"project_id": {p.ID}})
	if err != nil {
		return err
	}
	for _, r := range found {
		switch collection {
		case "routers":
			err = detachRouter(ctx, client, r.ID)
		case "networks":
			err = deletePorts(ctx, client, url.Values{"network_id": {r.ID}})
		case "ports":
			err = deletePorts(ctx, client, url.Values{"id": {r.ID}})
		}
		if err == nil && collection != "ports" {
			err = remove(ctx, client, collection, r.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// deletePorts deletes ports, whoever has made them, but not Neutron's own:
// those go with their network or router.
func deletePorts(ctx context.Context, client *gophercloud.ServiceClient, filter url.Values) error {
	found, err := list(ctx, client, "ports", filter)
	if err != nil {
		return err
	}
	for _, r := range found {
		if strings.HasPrefix(r.DeviceOwner, "network:") {
			continue
		}
		if err := remove(ctx, client, "ports", r.ID); err != nil {
			return err
		}
	}
	return nil
}

// detachRouter takes a router's routes and interfaces away.
func detachRouter(ctx context.Context, client *gophercloud.ServiceClient, id string) error {
	noRoutes := map[string]any{"router": map[string]any{"routes": []any{}}}
	if _, err := client.Put(ctx, client.ServiceURL("routers", id), noRoutes, nil, okPut); err != nil {
		return fmt.Errorf("clear routes of router %s: %w", id, err)
	}
	ports, err := list(ctx, client, "ports", url.Values{"device_id": {id}, "device_owner": {"network:router_interface"}})
	if err != nil {
		return err
	}
	for _, port := range ports {
		body := map[string]string{"port_id": port.ID}
		if _, err := client.Put(ctx, client.ServiceURL("routers", id, "remove_router_interface"), body, nil, okPut); ignoreGone(err) != nil {
			return fmt.Errorf("detach router %s: %w", id, err)
		}
	}
	return nil
}

var okPut = &gophercloud.RequestOpts{OkCodes: []int{200}}

func (p *Project) deleteLoadBalancers(ctx context.Context) error {
	client, err := p.cloud.LoadBalancer(ctx, Admin)
	if err != nil {
		return err
	}
	const collection = "lbaas/loadbalancers"
	mine := url.Values{"project_id": {p.ID}}
	found, err := list(ctx, client, collection, mine)
	if err != nil || len(found) == 0 {
		return err
	}
	for _, r := range found {
		if _, err := client.Delete(ctx, client.ServiceURL(collection, r.ID)+"?cascade=true", nil); ignoreGone(err) != nil {
			return fmt.Errorf("delete %s/%s: %w", collection, r.ID, err)
		}
	}
	return await(ctx, "load balancers to be gone", func(ctx context.Context) error {
		left, err := list(ctx, client, collection, mine)
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("%d are left", len(left))
		}
		return err
	})
}
