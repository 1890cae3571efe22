// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	types100 "github.com/containernetworking/cni/pkg/types/100"

	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/test/openstack"
	"github.com/kuryr-go/kuryr/test/rig"
)

// stateTime bounds the wait for any one state. It is generous because Neutron
// is several times slower on a busy machine; a healthy run waits milliseconds.
const stateTime = 2 * time.Minute

// world is the cloud with an agent on each of two nodes, shared by all tests.
var world struct {
	*rig.Rig
	agents []*rig.Agent
}

func TestMain(m *testing.M) {
	os.Exit(func() int {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		if err := setUp(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			return 1
		}
		code := m.Run()
		if race, err := world.Races(); err != nil || race != "" {
			fmt.Fprintln(os.Stderr, "e2e: the agents' race detector:", race, err)
			code = 1
		}
		if err := world.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			return 1
		}
		return code
	}())
}

func setUp(ctx context.Context) (err error) {
	shared := openstack.SharedOptions()
	shared.Nodes = 2
	shared.Progress = func(since time.Duration, step string) { fmt.Printf("%7.1fs  %s\n", since.Seconds(), step) }
	world.Rig, err = rig.New(ctx, rig.Options{Race: true, Options: shared})
	if err != nil {
		return err
	}
	for _, node := range world.Cloud.Nodes()[:2] {
		// Few warm ports: a test's project goes, and its ports with it.
		a, err := world.StartAgent(ctx, node, rig.AgentOptions{Config: map[string]map[string]any{
			"pool": {"warm": 2, "coolDown": "1s", "checkEvery": "1s", "burstMemory": "0s"},
		}})
		if err != nil {
			return err
		}
		world.agents = append(world.agents, a)
	}
	return nil
}

// within is the test's context with an end.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// ok ends the test when err is not nil.
func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must is ok for a call with a value.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		ok(t, err)
		return v
	}
}

// tenant makes a project of the test's own.
func tenant(t *testing.T) *rig.Tenant {
	t.Helper()
	tn, err := rig.NewTenant(within(t, stateTime), world.Cloud.NewProject(t))
	ok(t, err)
	t.Cleanup(tn.Client.HTTPClient.CloseIdleConnections)
	return tn
}

// attached is a sandbox with an interface that the plugin made.
type attached struct {
	*rig.Sandbox
	agent  *rig.Agent
	conf   rig.Conf
	ifname string
	answer json.RawMessage
	result types100.Result
}

// check is CHECK as a runtime calls it, with the answer of the ADD.
func (a *attached) check(ctx context.Context) error {
	return a.agent.Check(ctx, a.Sandbox, a.ifname, a.conf.With(map[string]any{"prevResult": a.answer}))
}

// ip is the attachment's first address of a family.
func (a *attached) ip(t *testing.T, v6 bool) netip.Addr {
	t.Helper()
	for _, c := range a.result.IPs {
		if addr, _ := netip.AddrFromSlice(c.Address.IP); addr.Unmap().Is6() == v6 {
			return addr.Unmap()
		}
	}
	t.Fatalf("no address of that family in %v", a.result.IPs)
	return netip.Addr{}
}

// sandbox makes a sandbox that the test removes.
func sandbox(t *testing.T) *rig.Sandbox {
	t.Helper()
	s, err := world.Sandbox()
	ok(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// attach makes a sandbox and adds it to the network of c.
func attach(t *testing.T, a *rig.Agent, c rig.Conf) *attached {
	t.Helper()
	return add(t, a, sandbox(t), "eth0", c)
}

// add attaches an interface of a sandbox; the test detaches it at its end.
func add(t *testing.T, a *rig.Agent, s *rig.Sandbox, ifname string, c rig.Conf) *attached {
	t.Helper()
	out, err := a.Add(within(t, stateTime), s, ifname, c)
	ok(t, err)
	at := &attached{Sandbox: s, agent: a, conf: c, ifname: ifname, answer: out}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stateTime)
		defer cancel()
		if err := a.Del(ctx, s, ifname, c); err != nil {
			t.Errorf("DEL: %v", err)
		}
		if err := a.Settled(ctx); err != nil {
			t.Errorf("release: %v", err)
		}
	})
	ok(t, json.Unmarshal(out, &at.result))
	return at
}

// vanishes waits until a sandbox has an interface no more: DEL cuts it off, and
// the device goes a moment later.
func vanishes(t *testing.T, s *rig.Sandbox, ifname string) {
	t.Helper()
	err := rig.Await(within(t, stateTime), "end of "+ifname+" in "+s.Name, func(context.Context) error {
		if _, err := s.Link(ifname); err == nil {
			return errors.New("it is still there")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// pings waits until an echo comes back.
func pings(t *testing.T, from openstack.Netns, to netip.Addr) {
	t.Helper()
	err := rig.Await(within(t, stateTime), fmt.Sprintf("echo of %s in %s", to, from.Name), func(ctx context.Context) error {
		return rig.Ping(ctx, from, to)
	})
	if err != nil {
		t.Error(err)
	}
}

// connects waits until a connection is answered by the server named name.
func connects(t *testing.T, from openstack.Netns, to netip.Addr, port int, name string) {
	t.Helper()
	err := rig.Await(within(t, stateTime), fmt.Sprintf("connection to %s:%d from %s", to, port, from.Name), func(ctx context.Context) error {
		got, err := rig.Connect(ctx, from, to, port)
		if err == nil && len(got) < len(name) || err == nil && got[:len(name)] != name {
			return rig.Fatal(fmt.Errorf("answered by %q, want %q", got, name))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// serve answers connections on a port of a namespace while the test runs.
func serve(t *testing.T, in openstack.Netns, name string, port int) {
	t.Helper()
	ok(t, rig.Serve(t.Context(), in, name, port))
}

// closing is a context for what a test does at its end.
func closing(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stateTime)
	t.Cleanup(cancel)
	return ctx
}

// busyPorts waits until the tenant has so many ports besides those that an
// agent holds ready, and those that are being made for it.
func busyPorts(ctx context.Context, t *testing.T, tn *rig.Tenant, a *rig.Agent, want int) {
	t.Helper()
	err := rig.Await(ctx, "ports of the tenant", func(ctx context.Context) error {
		all, err := tn.Ports(ctx)
		if err != nil {
			return err
		}
		// The leases second: one that is a lease when the ports are listed is one after.
		leases, err := a.Client().Leases(ctx)
		if err != nil {
			return err
		}
		busy := slices.DeleteFunc(all, func(p ports.Port) bool {
			return slices.ContainsFunc(leases, func(l agentapi.Lease) bool { return l.PortID == p.ID })
		})
		if len(busy) != want {
			return fmt.Errorf("%d are busy, want %d: %v", len(busy), want, busy)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
