// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/quotas"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/test/openstack"
	"github.com/kuryr-go/kuryr/test/rig"
)

// troubled is an agent with a pool that is in trouble, of the network "net",
// and one that must not notice, of the network "well" in a project of its own.
type troubled struct {
	*pooled
	project       *openstack.Project
	net           rig.Network
	group         string
	conf, healthy rig.Conf
}

func newTroubled(t *testing.T, cluster, cidr string, pool map[string]any) *troubled {
	t.Helper()
	ctx, node := within(t, stateTime), world.agents[0].Node
	config := hasty(pool)
	// A pool that remembers that it was short wants more than there is.
	config["pool"]["burstMemory"] = "0s"
	l := must[net.Listener](t)(node.Netns().Listen(ctx, "tcp", "127.0.0.1:0"))
	config["metrics"] = map[string]any{"address": l.Addr().String()}
	ok(t, l.Close())
	project := world.Cloud.NewProject(t)
	well := tenant(t)
	p := newPooled(t, cluster, config)
	// The pool in trouble is of a project whose quota can be set.
	p.tenant = must[*rig.Tenant](t)(rig.NewTenant(ctx, project))
	t.Cleanup(p.tenant.Client.HTTPClient.CloseIdleConnections)
	tr := &troubled{pooled: p, project: project}
	tr.net = must[rig.Network](t)(p.tenant.Network(ctx, "net", cidr))
	tr.group = must[string](t)(p.tenant.OpenGroup(ctx, "open"))
	must[rig.Network](t)(well.Network(ctx, "well", "10.98.0.0/24"))
	must[string](t)(well.OpenGroup(ctx, "open"))
	tr.conf = p.conf("net", "open")
	tr.healthy = p.Conf("well", map[string]any{"project": well.Project, "securityGroups": []string{"open"}})
	return tr
}

// tells waits until status, metrics and log tell of the pool's trouble, each
// with all of the words; and has a container of the healthy pool started.
func (tr *troubled) tells(ctx context.Context, t *testing.T, words ...string) {
	t.Helper()
	row := tr.awaits(ctx, t, "a pool with a problem", "net", []string{"open"}, func(p agentapi.Pool) bool { return p.Problem != "" })
	t.Logf("the pool's problem: %s", row.Problem)
	st := must[agentapi.Status](t)(tr.Client().Status(ctx))
	if !slices.ContainsFunc(st.Problems, func(s string) bool { return strings.Contains(s, row.Key) && strings.Contains(s, row.Problem) }) {
		t.Errorf("the problems do not tell of pool %s: %q", row.Key, st.Problems)
	}
	if got := tr.blocked(ctx, t, row); got != "1" {
		t.Errorf("kuryr_agent_pool_blocked is %q", got)
	}
	log := tr.logged(t, "pool cannot be supplied")
	for _, w := range words {
		if !strings.Contains(row.Problem, w) {
			t.Errorf("the pool's problem does not name %q: %s", w, row.Problem)
		}
		if !strings.Contains(log, w) {
			t.Errorf("the log does not name %q: %s", w, log)
		}
	}
	tr.well(ctx, t)
}

// well has a container of the pool that is not in trouble come and go.
func (tr *troubled) well(ctx context.Context, t *testing.T) {
	t.Helper()
	s := sandbox(t)
	if _, err := tr.Add(ctx, s, "eth0", tr.healthy); err != nil {
		t.Errorf("the other pool: ADD: %v", describe(err))
	}
	if err := tr.Del(ctx, s, "eth0", tr.healthy); err != nil {
		t.Errorf("the other pool: DEL: %v", describe(err))
	}
	if row, err := tr.pool(ctx, "well", "open"); err != nil || row.Problem != "" {
		t.Errorf("the other pool: %+v, %v", row, err)
	}
}

// heals waits until nothing tells of trouble any more.
func (tr *troubled) heals(ctx context.Context, t *testing.T) {
	t.Helper()
	began := time.Now()
	row := tr.awaits(ctx, t, "a pool without a problem", "net", []string{"open"}, func(p agentapi.Pool) bool { return p.Problem == "" })
	if got := tr.blocked(ctx, t, row); got != "0" {
		t.Errorf("kuryr_agent_pool_blocked is %q after the trouble", got)
	}
	t.Logf("healed after %v", time.Since(began).Round(time.Millisecond))
}

// blocked is the metric of a pool.
func (tr *troubled) blocked(ctx context.Context, t *testing.T, row agentapi.Pool) string {
	t.Helper()
	_, page, err := tr.Page(ctx, "/metrics")
	ok(t, err)
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "kuryr_agent_pool_blocked{") && strings.Contains(line, row.Key) {
			_, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
			return value
		}
	}
	return ""
}

// logged is every line of the agent's log with a text in it.
func (p *pooled) logged(t *testing.T, text string) string {
	t.Helper()
	var found strings.Builder
	for line := range strings.Lines(string(must[[]byte](t)(os.ReadFile(p.LogFile())))) {
		if strings.Contains(line, text) {
			found.WriteString(line)
		}
	}
	return found.String()
}

// fills attaches containers until one is refused, and gives its error.
func (tr *troubled) fills(ctx context.Context, t *testing.T, most int) (all []*rig.Sandbox, err error) {
	t.Helper()
	for range most {
		s := sandbox(t)
		if _, err := tr.Add(ctx, s, "eth0", tr.conf); err != nil {
			return all, describe(err)
		}
		all = append(all, s)
	}
	t.Fatalf("%d containers, and no end", most)
	return nil, nil
}

func (tr *troubled) clears(ctx context.Context, t *testing.T, all []*rig.Sandbox) {
	t.Helper()
	for _, s := range all {
		ok(t, tr.Del(ctx, s, "eth0", tr.conf))
	}
}

func TestAQuotaThatIsReachedIsToldAndPasses(t *testing.T) {
	ctx := within(t, 3*stateTime)
	tr := newTroubled(t, "quota", "10.97.0.0/24", map[string]any{"warm": 2})
	quota := portCount(t, tr.tenant) + 3
	ok(t, tr.project.SetQuota(ctx, quotas.UpdateOpts{Port: gophercloud.IntToPointer(quota)}))
	all, err := tr.fills(ctx, t, 4)
	t.Logf("ADD %d: %v", len(all)+1, err)
	if len(all) != 3 || !strings.Contains(err.Error(), "uota") || !strings.Contains(err.Error(), "port") {
		t.Errorf("%d containers within a quota of 3 more, then %v", len(all), err)
	}
	tr.tells(ctx, t, "uota", "port")
	ok(t, tr.project.SetQuota(ctx, quotas.UpdateOpts{Port: gophercloud.IntToPointer(-1)}))
	tr.heals(ctx, t)
	s := sandbox(t)
	must[[]byte](t)(tr.Add(ctx, s, "eth0", tr.conf))
	tr.clears(ctx, t, append(all, s))
	ok(t, tr.Rested(within(t, stateTime)))
	tr.balances(within(t, stateTime), t)
}

func TestASubnetWithoutAddressesIsToldAndPasses(t *testing.T) {
	ctx := within(t, 3*stateTime)
	tr := newTroubled(t, "subnet", "10.97.1.0/28", map[string]any{"warm": 2})
	all, err := tr.fills(ctx, t, 14)
	t.Logf("ADD %d: %v", len(all)+1, err)
	if !strings.Contains(err.Error(), "net") || !strings.Contains(err.Error(), "addresses") {
		t.Errorf("%d containers, then %v", len(all), err)
	}
	tr.tells(ctx, t, "net", "addresses")
	// Containers that end make room for others.
	tr.clears(ctx, t, all[:4])
	s := sandbox(t)
	ok(t, rig.Await(ctx, "ADD", func(ctx context.Context) error {
		_, err := tr.Add(ctx, s, "eth0", tr.conf)
		return err
	}))
	tr.clears(ctx, t, append(all[4:], s))
	tr.heals(ctx, t)
	ok(t, tr.Rested(within(t, stateTime)))
	tr.balances(within(t, stateTime), t)
}

// warmed has the pool of the conf filled.
func (tr *troubled) warmed(ctx context.Context, t *testing.T) []agentapi.Lease {
	t.Helper()
	s := sandbox(t)
	must[[]byte](t)(tr.Add(ctx, s, "eth0", tr.conf))
	ok(t, tr.Del(ctx, s, "eth0", tr.conf))
	tr.well(ctx, t)
	ok(t, tr.Rested(ctx))
	row := must[agentapi.Pool](t)(tr.pool(ctx, "net", "open"))
	return slices.DeleteFunc(must[[]agentapi.Lease](t)(tr.Client().Leases(ctx)), func(l agentapi.Lease) bool { return l.Pool != row.Key })
}

func TestALeaseWhosePortSomebodyDeletedFailsNoContainer(t *testing.T) {
	for _, noticed := range []bool{true, false} {
		t.Run(fmt.Sprintf("noticed first: %v", noticed), func(t *testing.T) {
			ctx := within(t, 3*stateTime)
			tr := newTroubled(t, "deleted", "10.97.2.0/24", map[string]any{"warm": 4})
			leases := tr.warmed(ctx, t)
			for _, l := range leases[:2] {
				ok(t, ports.Delete(ctx, tr.tenant.Client, l.PortID).ExtractErr())
			}
			if noticed {
				ok(t, rig.Await(ctx, "word of the deleted ports", func(context.Context) error {
					if got := tr.logged(t, "was deleted by somebody else"); !strings.Contains(got, leases[0].PortID) || !strings.Contains(got, leases[1].PortID) {
						return fmt.Errorf("the log says %q", got)
					}
					return nil
				}))
				ok(t, tr.Rested(ctx))
				tr.balances(within(t, stateTime), t)
			}
			var all []*rig.Sandbox
			for i := range len(leases) + 2 {
				s := sandbox(t)
				began := time.Now()
				answer, err := tr.Add(ctx, s, "eth0", tr.conf)
				t.Logf("ADD %d took %v", i+1, time.Since(began).Round(time.Millisecond))
				if err != nil {
					t.Errorf("ADD: %v", describe(err))
					continue
				}
				for _, l := range leases[:2] {
					if noticed && strings.Contains(string(answer), l.MAC) {
						t.Errorf("a container got the port %s, which is deleted", l.PortID)
					}
				}
				all = append(all, s)
			}
			tr.clears(ctx, t, all)
			ok(t, tr.Rested(within(t, stateTime)))
			tr.balances(within(t, stateTime), t)
		})
	}
}

func TestAPoolWhoseNetworkIsGoneIsToldAndServesItsSuccessor(t *testing.T) {
	ctx := within(t, 3*stateTime)
	tr := newTroubled(t, "network", "10.97.3.0/24", map[string]any{"warm": 2})
	for _, l := range tr.warmed(ctx, t) {
		ok(t, ports.Delete(ctx, tr.tenant.Client, l.PortID).ExtractErr())
	}
	// The pool may order a port meanwhile, which is in the way.
	ok(t, rig.Await(ctx, "the network's end", func(ctx context.Context) error {
		for _, p := range must[[]ports.Port](t)(tr.tenant.Ports(ctx)) {
			if err := ports.Delete(ctx, tr.tenant.Client, p.ID).ExtractErr(); err != nil && !gophercloud.ResponseCodeIs(err, 404) {
				return err
			}
		}
		return networks.Delete(ctx, tr.tenant.Client, tr.net.ID).ExtractErr()
	}))
	var err error
	ok(t, rig.Await(ctx, "an ADD that is refused", func(ctx context.Context) error {
		s := sandbox(t)
		if _, err = tr.Add(ctx, s, "eth0", tr.conf); err == nil {
			return fmt.Errorf("it succeeded: %v", tr.Del(ctx, s, "eth0", tr.conf))
		}
		return nil
	}))
	t.Logf("ADD: %v", describe(err))
	if !strings.Contains(describe(err).Error(), `"net"`) {
		t.Errorf("ADD does not name the network: %v", describe(err))
	}
	tr.tells(ctx, t, `net`)
	must[rig.Network](t)(tr.tenant.Network(ctx, "net", "10.97.3.0/24"))
	s := sandbox(t)
	ok(t, rig.Await(ctx, "ADD on the new network", func(ctx context.Context) error {
		_, err := tr.Add(ctx, s, "eth0", tr.conf)
		return err
	}))
	tr.heals(ctx, t)
	ok(t, tr.Del(ctx, s, "eth0", tr.conf))
	ok(t, tr.Rested(within(t, stateTime)))
	tr.balances(within(t, stateTime), t)
}

func TestAPoolWhoseGroupIsGoneIsToldAndServesItsSuccessor(t *testing.T) {
	ctx := within(t, 3*stateTime)
	tr := newTroubled(t, "group", "10.97.4.0/24", map[string]any{"warm": 2, "idleAfter": "2s"})
	s := sandbox(t)
	must[[]byte](t)(tr.Add(ctx, s, "eth0", tr.conf))
	if err := groups.Delete(ctx, tr.tenant.Client, tr.group).ExtractErr(); !gophercloud.ResponseCodeIs(err, 409) {
		t.Errorf("Neutron deletes a group in use: %v", err)
	}
	ok(t, tr.Del(ctx, s, "eth0", tr.conf))
	// An idle pool lets its ports go, and with them the group.
	ok(t, rig.Await(ctx, "the group's end", func(ctx context.Context) error {
		return groups.Delete(ctx, tr.tenant.Client, tr.group).ExtractErr()
	}))
	_, err := tr.Add(ctx, s, "eth0", tr.conf)
	if err == nil {
		t.Fatal("a container was started with a group that is gone")
	}
	t.Logf("ADD: %v", describe(err))
	if !strings.Contains(describe(err).Error(), `open`) {
		t.Errorf("ADD does not name the group: %v", describe(err))
	}
	tr.well(ctx, t)
	must[string](t)(tr.tenant.OpenGroup(ctx, "open"))
	ok(t, rig.Await(ctx, "ADD with the new group", func(ctx context.Context) error {
		_, err := tr.Add(ctx, s, "eth0", tr.conf)
		return err
	}))
	ok(t, tr.Del(ctx, s, "eth0", tr.conf))
	ok(t, tr.Settled(within(t, stateTime)))
	tr.balances(within(t, stateTime), t)
}

func TestWhatAUserChangedOnAContainersPortIsUndoneBeforeTheNextHasIt(t *testing.T) {
	ctx := within(t, 3*stateTime)
	p := newPooled(t, "undone", hasty(map[string]any{"warm": 0, "max": 1}))
	external := world.Cloud.External().NetworkID
	n := must[rig.Network](t)(p.tenant.Network(ctx, "net", "10.97.5.0/24"))
	must[string](t)(p.tenant.Router(ctx, "router", external, n.Subnets...))
	must[string](t)(p.tenant.OpenGroup(ctx, "open"))
	extra := must[string](t)(p.tenant.Group(ctx, "extra"))
	at := attach(t, p.Agent, p.conf("net", "open"))
	was := portOf(t, p.tenant, at)
	name, with := "mine", append(slices.Clone(was.SecurityGroups), extra)
	must[*ports.Port](t)(ports.Update(ctx, p.tenant.Client, was.ID, ports.UpdateOpts{
		Name: &name, SecurityGroups: &with, AllowedAddressPairs: &[]ports.AddressPair{{IPAddress: "10.97.5.200"}},
	}).Extract())
	must[netip.Addr](t)(p.tenant.FloatingIP(ctx, external, was.ID))
	ok(t, p.Del(ctx, at.Sandbox, "eth0", at.conf))
	next := attach(t, p.Agent, p.conf("net", "open"))
	now := portOf(t, p.tenant, next)
	if now.ID != was.ID {
		t.Fatalf("the next container has port %s, not %s: the test shows nothing", now.ID, was.ID)
	}
	if now.Name != was.Name || !slices.Equal(now.SecurityGroups, was.SecurityGroups) || len(now.AllowedAddressPairs) > 0 {
		t.Errorf("the next container has %+v, which was %+v", now, was)
	}
	pages, err := floatingips.List(p.tenant.Client, floatingips.ListOpts{PortID: now.ID}).AllPages(ctx)
	ok(t, err)
	if left := must[[]floatingips.FloatingIP](t)(floatingips.ExtractFloatingIPs(pages)); len(left) > 0 {
		t.Errorf("the next container has floating IPs of the one before: %+v", left)
	}
}
