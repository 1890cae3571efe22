// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/loadbalancers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"

	"github.com/kuryr-go/kuryr/test/openstack"
	"github.com/kuryr-go/kuryr/test/rig"
)

// takeDown removes everything that show made.
func takeDown(ctx context.Context, dir string) error {
	if err := needsRoot(); err != nil {
		return err
	}
	r, err := readRecord(dir)
	if errors.Is(err, os.ErrNotExist) {
		say("nothing is up")
		return nil
	}
	if err != nil {
		return err
	}
	if r.Cloud != "" {
		err = takeDownOwn(ctx, dir, r)
	} else {
		err = takeDownEmbedded(ctx, dir)
	}
	if err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove the state: %w", err)
	}
	say("nothing is left")
	return nil
}

// takeDownOwn removes the containers, and what is called so in the user's cloud.
func takeDownOwn(ctx context.Context, dir string, r record) error {
	bin := filepath.Join(dir, "bin")
	st := &stage{
		settings: settings{dir: dir, cloud: r.Cloud, node: r.Node, ovsdb: r.OVSDB},
		programs: rig.Programs{Dir: bin, Kuryr: filepath.Join(bin, "kuryr"), Plugin: filepath.Join(bin, "kuryr-cni")},
	}
	if err := st.logIn(ctx); err != nil {
		return err
	}
	if err := st.clear(ctx); err != nil {
		return err
	}
	say("everything called %s is gone from %s", resourceName, r.Cloud)
	return nil
}

// takeDownEmbedded ends all processes; what they made of the cloud goes with it.
func takeDownEmbedded(ctx context.Context, dir string) error {
	if err := errors.Join(endContainers(dir), rig.KillAgents(filepath.Join(dir, "agents"))); err != nil {
		return err
	}
	cloud, err := openstack.Attach(filepath.Join(dir, "cloud"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return cloud.Wipe(ctx)
}

// endContainers ends the web servers and removes the containers' namespaces.
func endContainers(dir string) error {
	var failed []error
	names, err := filepath.Glob(containerNetns("*").Path())
	if err != nil {
		return fmt.Errorf("find the containers: %w", err)
	}
	for _, path := range names {
		name := strings.TrimPrefix(filepath.Base(path), containerNetns("").Name)
		box := &rig.Sandbox{Netns: containerNetns(name)}
		failed = append(failed, endServer(dir, name), box.Close())
	}
	return errors.Join(failed...)
}

// clear removes what an earlier run made, from the hosts and from the cloud:
// the containers by CNI, so that their interfaces go too.
func (st *stage) clear(ctx context.Context) error {
	agents, err := st.agents()
	if err != nil {
		return err
	}
	for i, a := range agents {
		if err := rig.KillAgents(filepath.Join(st.dir, "agents")); err != nil {
			return err
		}
		mine := []string{"web-1", "web-2"}
		if len(agents) > 1 {
			mine = mine[i : i+1]
		}
		if err := st.detach(ctx, a, mine); err != nil {
			return err
		}
	}
	return st.clearCloud(ctx)
}

// detach calls DEL for the containers that are there, with the agent running.
func (st *stage) detach(ctx context.Context, a *rig.Agent, names []string) error {
	there := false
	for _, name := range names {
		there = there || containerNetns(name).Exists()
	}
	if !there {
		return nil
	}
	if err := a.Start(ctx); err != nil {
		return err
	}
	for _, name := range names {
		if err := leave(ctx, st.dir, a, name); err != nil {
			return err
		}
	}
	return errors.Join(a.Settled(ctx), a.Stop())
}

// clearCloud deletes everything in the project that has the quick start's name.
func (st *stage) clearCloud(ctx context.Context) error {
	lbs, err := st.named(ctx, st.balancer, "lbaas/loadbalancers")
	if err != nil {
		return err
	}
	for _, lb := range lbs {
		if err := loadbalancers.Delete(ctx, st.balancer, lb.ID, loadbalancers.DeleteOpts{Cascade: true}).ExtractErr(); err != nil {
			return fmt.Errorf("delete the load balancer: %w", err)
		}
		if err := rig.Await(ctx, "the load balancer's end", func(ctx context.Context) error {
			if err := loadbalancers.Get(ctx, st.balancer, lb.ID).Err; !gophercloud.ResponseCodeIs(err, 404) {
				return errors.Join(errors.New("it is there"), err)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	nets, err := st.named(ctx, st.network, "networks")
	if err != nil {
		return err
	}
	if err := st.clearRouters(ctx, nets); err != nil {
		return err
	}
	for _, collection := range []string{"networks", "security-groups"} {
		if err := st.deleteNamed(ctx, collection); err != nil {
			return err
		}
	}
	return nil
}

// clearRouters deletes the routers, and the floating addresses before them.
func (st *stage) clearRouters(ctx context.Context, nets []item) error {
	all, err := st.named(ctx, st.network, "routers")
	if err != nil {
		return err
	}
	for _, r := range all {
		floating, err := st.list(ctx, st.network, "floatingips", url.Values{"router_id": {r.ID}})
		if err != nil {
			return err
		}
		for _, f := range floating {
			if _, err := st.network.Delete(ctx, st.network.ServiceURL("floatingips", f.ID), nil); err != nil {
				return fmt.Errorf("delete the floating IP: %w", err)
			}
		}
		for _, n := range nets {
			subnets, err := st.list(ctx, st.network, "subnets", url.Values{"network_id": {n.ID}})
			if err != nil {
				return err
			}
			for _, s := range subnets {
				err := routers.RemoveInterface(ctx, st.network, r.ID, routers.RemoveInterfaceOpts{SubnetID: s.ID}).Err
				if err != nil && !gophercloud.ResponseCodeIs(err, 404) {
					return fmt.Errorf("disconnect the router: %w", err)
				}
			}
		}
	}
	return st.deleteNamed(ctx, "routers")
}

// item is as much of a thing as its deletion needs.
type item struct{ ID string }

func (st *stage) named(ctx context.Context, c *gophercloud.ServiceClient, collection string) ([]item, error) {
	return st.list(ctx, c, collection, url.Values{"name": {resourceName}, "project_id": {st.project}})
}

func (st *stage) list(ctx context.Context, c *gophercloud.ServiceClient, collection string, filter url.Values) ([]item, error) {
	var answer map[string]json.RawMessage
	if _, err := c.Get(ctx, c.ServiceURL(collection)+"?"+filter.Encode(), &answer, nil); err != nil {
		return nil, fmt.Errorf("list %s: %w", collection, err)
	}
	key := strings.ReplaceAll(collection[strings.LastIndexByte(collection, '/')+1:], "-", "_")
	var found []item
	if err := json.Unmarshal(answer[key], &found); err != nil {
		return nil, fmt.Errorf("list %s: %w", collection, err)
	}
	return found, nil
}

func (st *stage) deleteNamed(ctx context.Context, collection string) error {
	all, err := st.named(ctx, st.network, collection)
	if err != nil {
		return err
	}
	for _, x := range all {
		if _, err := st.network.Delete(ctx, st.network.ServiceURL(collection, x.ID), nil); err != nil && !gophercloud.ResponseCodeIs(err, 404) {
			return fmt.Errorf("delete %s %s: %w", collection, resourceName, err)
		}
	}
	return nil
}
