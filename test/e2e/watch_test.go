// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"testing"

	"github.com/kuryr-go/kuryr/test/rig"
)

func TestTheAddressWatchFollowsContainersThatComeAndGoOnTwoNodes(t *testing.T) {
	tn, ctx := tenant(t), within(t, stateTime)
	must[rig.Network](t)(tn.Network(ctx, "net", "10.86.0.0/28", "fd00:86::/64"))
	open := must[string](t)(tn.OpenGroup(ctx, "open"))
	conf := func(a *rig.Agent) rig.Conf {
		return a.Conf("net", map[string]any{"project": tn.Project, "securityGroups": []string{open}})
	}
	one, two := world.agents[0], world.agents[1]
	prober := attach(t, two, conf(two))
	watch := must[*rig.AddressWatch](t)(rig.NewAddressWatch(rig.WatchOptions{Prober: prober.Sandbox, Interface: "eth0", Errorf: t.Errorf}))
	t.Cleanup(func() { watch.Close() })
	watch.Added(prober.Sandbox, "eth0", prober.answer)

	stays := attach(t, one, conf(one))
	watch.Added(stays.Sandbox, "eth0", stays.answer)
	// More than the subnet has addresses: they are used again.
	for i := range 20 {
		agent := []*rig.Agent{one, two}[i%2]
		s := sandbox(t)
		watch.Added(s, "eth0", must[[]byte](t)(agent.Add(ctx, s, "eth0", conf(agent))))
		watch.Leaving(s, "eth0")
		ok(t, agent.Del(ctx, s, "eth0", conf(agent)))
	}
	ok(t, one.Settled(ctx))
	ok(t, two.Settled(ctx))
	last := attach(t, two, conf(two))
	watch.Added(last.Sandbox, "eth0", last.answer)
	before := watch.Seen()
	ok(t, rig.Await(ctx, "probes", func(context.Context) error {
		if now := watch.Seen(); now.Echoes < before.Echoes+20 {
			return fmt.Errorf("%+v", now)
		}
		return nil
	}))
	watch.Check()
	seen := watch.Close()
	t.Logf("the watch: %+v", seen)
	if seen.Added != 23 || seen.Most != 3 {
		t.Errorf("%+v", seen)
	}
}
