// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/kuryr-go/kuryr/test/rig"
)

// crashWrites is more than one pair of ADD and DEL writes, with what the pools
// write beside it: of a lease the take, the attachment, the release, the
// recycling and the check; of a port of its own one more each for order and end.
const crashWrites = 12

// TestACrashRightAfterAnyWriteIsMended has the agent die right after its first,
// second, third... write, in pairs of ADD and DEL from a pool and with a port of
// the container's own. Each time all must agree when it is back, and the same
// sandbox must get its interface.
func TestACrashRightAfterAnyWriteIsMended(t *testing.T) {
	ctx := within(t, 20*time.Minute)
	p := newPooled(t, "crashpoint", hasty(map[string]any{"warm": 2, "max": 20}))
	must[rig.Network](t)(p.tenant.Network(ctx, "net", "10.92.0.0/24"))
	must[string](t)(p.tenant.OpenGroup(ctx, "open"))
	lease := p.conf("net", "open")
	for name, conf := range map[string]rig.Conf{"lease": lease, "own port": lease.With(map[string]any{"name": "own"})} {
		for n := 1; n <= crashWrites; n++ {
			t.Run(fmt.Sprintf("%s, write %d", name, n), func(t *testing.T) { p.crashAfter(ctx, t, n, conf) })
		}
	}
	ok(t, p.Rested(within(t, stateTime)))
}

// crashAfter has the agent die after a number of writes, and looks at what it
// makes of that when it is back.
func (p *pooled) crashAfter(ctx context.Context, t *testing.T, n int, conf rig.Conf) {
	s := sandbox(t)
	ok(t, p.Kill())
	p.CrashAfterWrite(n)
	started := p.Start(ctx)
	for pairs, dead := 0, started != nil; !dead; pairs++ {
		if pairs > 50 {
			t.Fatalf("the agent has not written %d times in %d pairs", n, pairs)
		}
		_, added := p.Add(ctx, s, "eth0", conf)
		deleted := p.Del(ctx, s, "eth0", conf)
		for _, err := range []error{added, deleted} {
			if err != nil && !away(err) {
				t.Fatalf("pair %d: %v", pairs, describe(err))
			}
			dead = dead || err != nil
		}
	}
	select {
	case <-p.Ended():
	case <-ctx.Done():
		t.Fatal("the agent does not answer, and lives")
	}
	ok(t, p.Kill())
	p.CrashAfterWrite(0)
	ok(t, p.Start(ctx))

	answer, _, err := p.adds(ctx, s, conf)
	ok(t, err)
	at := &attached{Sandbox: s, agent: p.Agent, conf: conf, ifname: "eth0", answer: answer}
	ok(t, p.Settled(within(t, stateTime)))
	p.balances(within(t, stateTime), t)
	ok(t, errors.Join(at.check(ctx), p.dels(ctx, s, conf)))
}
