// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/kuryr-go/kuryr/test/openstack"
	"github.com/kuryr-go/kuryr/test/rig"
)

// tour is the main job, step by step.
type tour struct {
	*stage
	programs rig.Programs
	tenant   *rig.Tenant
	net      rig.Network
	group    string
	agents   []*rig.Agent
	boxes    []*container
	vip      netip.Addr
	floating netip.Addr
	// answered tells whether the floating address answered.
	answered bool
}

// stateTime bounds the wait for any one state.
const stateTime = 2 * time.Minute

// cidr is the tenant network's.
const cidr = "10.88.0.0/24"

func (t *tour) run(ctx context.Context) error {
	t.tenant = &rig.Tenant{Project: t.project, Client: t.network}
	for _, step := range []func(context.Context) error{t.begin, t.makeNetwork, t.attach, t.ping, t.openAndClose, t.balance, t.float} {
		ctx, cancel := context.WithTimeout(ctx, stateTime)
		err := step(ctx)
		cancel()
		if err != nil {
			return err
		}
	}
	return t.summary(ctx)
}

// begin removes what an earlier run left.
func (t *tour) begin(ctx context.Context) (err error) {
	if t.agents, err = t.stage.agents(); err != nil {
		return err
	}
	return t.stage.clear(ctx)
}

func (t *tour) makeNetwork(ctx context.Context) (err error) {
	heading("A tenant network, with a router to %s, as any Neutron user makes them", t.external.name)
	if t.net, err = t.tenant.Network(ctx, resourceName, cidr); err != nil {
		return err
	}
	if _, err = t.tenant.Router(ctx, resourceName, t.external.id, t.net.Subnets...); err != nil {
		return err
	}
	if t.group, err = t.tenant.Group(ctx, resourceName); err != nil {
		return err
	}
	if _, err = t.tenant.Rule(ctx, t.group, rig.Let{Protocol: "icmp"}); err != nil {
		return err
	}
	say("network %s (%s), router, and a security group that lets in nothing but ICMP", t.net.Name, t.net.Subnets[0].CIDR)
	return nil
}

func (t *tour) attach(ctx context.Context) error {
	heading("An agent on each host; then the CNI plugin is called for two containers, as podman, containerd or Mesos call it")
	for _, a := range t.agents {
		if err := a.Start(ctx); err != nil {
			return err
		}
		say("kuryr agent serves on %s (pid %d)", a.Host.Name, a.Pid())
	}
	for i := range 2 {
		c, err := enter(ctx, t.stage, t.agents[i%len(t.agents)], fmt.Sprintf("web-%d", i+1))
		if err != nil {
			return err
		}
		t.boxes = append(t.boxes, c)
		if err := c.serveIn(t.dir); err != nil {
			return err
		}
	}
	return nil
}

func (t *tour) ping(ctx context.Context) error {
	heading("The containers ping each other")
	for i, from := range t.boxes {
		to := t.boxes[1-i]
		if err := rig.Await(ctx, "an echo of "+to.ip.String(), func(ctx context.Context) error { return rig.Ping(ctx, from.box.Netns, to.ip) }); err != nil {
			return err
		}
		say("%s on %s got an echo from %s on %s", from.name, from.agent.Host.Name, to.name, to.agent.Host.Name)
	}
	return nil
}

// get asks a web server for who it is. Its error is rig.ErrSilent when packets are dropped.
func get(ctx context.Context, from openstack.Netns, to netip.Addr, port int) (string, error) {
	const within = 1500 * time.Millisecond // more than one lost SYN, less than two
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tr := &http.Transport{DialContext: from.DialContext, DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+netip.AddrPortFrom(to, uint16(port)).String()+"/", nil)
	if err != nil {
		return "", fmt.Errorf("ask %s: %w", to, err)
	}
	resp, err := tr.RoundTrip(req)
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		return "", rig.ErrSilent
	}
	if err != nil {
		return "", fmt.Errorf("ask %s: %w", to, err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return "", fmt.Errorf("ask %s: %w", to, err)
	}
	return strings.TrimSpace(string(b)), nil
}

// openAndClose adds a rule to the security group, removes it, and adds it again.
func (t *tour) openAndClose(ctx context.Context) error {
	heading("A security group opens and closes TCP port %d", webPort)
	from, to := t.boxes[0], t.boxes[1]
	closed := func(why string) error {
		err := rig.Await(ctx, "a closed port", func(ctx context.Context) error {
			if answer, err := get(ctx, from.box.Netns, to.ip, webPort); !errors.Is(err, rig.ErrSilent) {
				return fmt.Errorf("an answer: %q, %w", answer, err)
			}
			return nil
		})
		if err == nil {
			say("%s: %s gets no answer from %s:%d", why, from.name, to.name, webPort)
		}
		return err
	}
	opened := func(why string) (string, error) {
		rule, err := t.tenant.Rule(ctx, t.group, rig.Let{Protocol: "tcp", Port: webPort})
		if err != nil {
			return "", err
		}
		start := time.Now()
		var answer string
		err = rig.Await(ctx, "an open port", func(ctx context.Context) (err error) {
			answer, err = get(ctx, from.box.Netns, to.ip, webPort)
			return err
		})
		if err == nil {
			say("%s: after %v, %q", why, time.Since(start).Round(time.Millisecond), answer)
		}
		return rule, err
	}
	if err := closed("no rule"); err != nil {
		return err
	}
	rule, err := opened("rule added")
	if err != nil {
		return err
	}
	if err := t.tenant.DeleteRule(ctx, rule); err != nil {
		return err
	}
	if err := closed("rule deleted"); err != nil {
		return err
	}
	_, err = opened("rule added again")
	return err
}

func (t *tour) float(ctx context.Context) (err error) {
	heading("A floating IP for %s", t.boxes[0].name)
	if t.floating, err = t.tenant.FloatingIP(ctx, t.external.id, t.boxes[0].port); err != nil {
		return err
	}
	say("%s now also has the address %s of %s", t.boxes[0].name, t.floating, t.external.name)
	err = rig.Await(ctx, "an answer at "+t.floating.String(), func(ctx context.Context) error {
		answer, err := get(ctx, t.outside, t.floating, webPort)
		if err == nil {
			say("from outside of the tenant's network: %q", answer)
			return nil
		}
		if t.embedded == nil && !errors.Is(err, rig.ErrSilent) {
			return rig.Fatal(err)
		}
		return err
	})
	t.answered = err == nil
	if err != nil && t.embedded == nil {
		// Whether this machine has a way to the external network is the user's affair.
		say("not seen: this machine gets no answer from %s (%v); try from one that reaches %s", t.floating, err, t.external.name)
		return nil
	}
	return err
}
