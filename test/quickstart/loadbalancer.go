// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/listeners"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/loadbalancers"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/pools"

	"github.com/kuryr-go/kuryr/test/rig"
)

// balancerPort is where the load balancer listens.
const balancerPort = 80

// leastAnswers is how often it is asked at least, for a look at the shares.
const leastAnswers = 20

// balance puts a load balancer before the containers and asks it until both have answered.
func (t *tour) balance(ctx context.Context) error {
	heading("An Octavia load balancer, whose members are the containers themselves")
	lb, err := loadbalancers.Create(ctx, t.balancer, loadbalancers.CreateOpts{Name: resourceName, VipSubnetID: t.net.Subnets[0].ID, Provider: t.lbProvider}).Extract()
	if err != nil {
		return fmt.Errorf("make the load balancer: %w", err)
	}
	if t.vip, err = netip.ParseAddr(lb.VipAddress); err != nil {
		return fmt.Errorf("make the load balancer: %w", err)
	}
	if err := t.fill(ctx, lb.ID); err != nil {
		return fmt.Errorf("fill the load balancer: %w", err)
	}
	say("http://%s:%d has the members %s and %s", t.vip, balancerPort, t.boxes[0].name, t.boxes[1].name)
	seen, all := map[string]int{}, 0
	err = rig.Await(ctx, "answers of both members", func(ctx context.Context) error {
		answer, err := get(ctx, t.boxes[1].box.Netns, t.vip, balancerPort)
		if err != nil {
			return err
		}
		name, _, _ := strings.Cut(answer, " ")
		seen[name]++
		if all++; len(seen) < len(t.boxes) || all < leastAnswers {
			return fmt.Errorf("answers so far: %v", seen)
		}
		return nil
	})
	if err != nil {
		return err
	}
	say("%s asked it: %s answered %d times, %s %d times", t.boxes[1].name, t.boxes[0].name, seen[t.boxes[0].name], t.boxes[1].name, seen[t.boxes[1].name])
	return nil
}

// fill adds listener, pool and members, each when the last one is done.
func (t *tour) fill(ctx context.Context, lb string) error {
	c := t.balancer
	if err := active(ctx, c, lb); err != nil {
		return err
	}
	algorithm := pools.LBMethodRoundRobin
	if t.lbProvider == "ovn" {
		algorithm = pools.LBMethodSourceIpPort
	}
	l, err := listeners.Create(ctx, c, listeners.CreateOpts{Name: resourceName, LoadbalancerID: lb, Protocol: listeners.ProtocolTCP, ProtocolPort: balancerPort}).Extract()
	if err != nil {
		return err
	}
	if err := active(ctx, c, lb); err != nil {
		return err
	}
	p, err := pools.Create(ctx, c, pools.CreateOpts{Name: resourceName, ListenerID: l.ID, Protocol: pools.ProtocolTCP, LBMethod: algorithm}).Extract()
	if err != nil {
		return err
	}
	for _, b := range t.boxes {
		if err := active(ctx, c, lb); err != nil {
			return err
		}
		o := pools.CreateMemberOpts{Name: b.name, Address: b.ip.String(), ProtocolPort: webPort, SubnetID: t.net.Subnets[0].ID}
		if _, err := pools.CreateMember(ctx, c, p.ID, o).Extract(); err != nil {
			return err
		}
	}
	return active(ctx, c, lb)
}

// active waits until the load balancer may be changed again.
func active(ctx context.Context, c *gophercloud.ServiceClient, id string) error {
	return rig.Await(ctx, "load balancer "+id, func(ctx context.Context) error {
		lb, err := loadbalancers.Get(ctx, c, id).Extract()
		switch {
		case err != nil:
			return err
		case lb.ProvisioningStatus == "ERROR":
			return rig.Fatal(errors.New("it is in ERROR"))
		case lb.ProvisioningStatus != "ACTIVE":
			return errors.New("it is " + lb.ProvisioningStatus)
		}
		return nil
	})
}
