// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/kuryr-go/kuryr/internal/agent"
	"github.com/kuryr-go/kuryr/test/rig"
)

// The pools of the measurements. Warm is what a busy node would have; ten is
// what a burst of a hundred meets.
const (
	warmPorts  = 150
	fewPorts   = 10
	burst      = 100
	bulkSize   = 10
	churnFor   = 15 * time.Second
	heldLeases = 250
)

// place is where leases are measured, and what beside.
type place struct {
	*rig.Rig
	tenant  *rig.Tenant
	network rig.Network
	// direct are attachments with ports of their own, reference those of the
	// reference plugins, floor the bare time from an OVSDB row to ovn-installed.
	direct, reference pair
	floor             []time.Duration
}

// measureLeases measures attachments that take leases of pools.
func measureLeases(ctx context.Context, in place, o options) error {
	agent, conf, err := in.warmAgent(ctx, "bench-warm", map[string]any{"warm": warmPorts, "max": 400, "coolDown": "1s", "checkEvery": "5s"})
	if err != nil {
		return err
	}
	// A first time for the pool to grow by those that rest meanwhile.
	if _, err := measureKuryr(ctx, agent, conf, o.calls); err != nil {
		return err
	}
	if err := awaitFree(ctx, agent, conf, warmPorts-1); err != nil {
		return err
	}
	before, err := neutronCalls(ctx, agent)
	if err != nil {
		return err
	}
	warm, err := measureKuryr(ctx, agent, conf, o.calls)
	if err != nil {
		return err
	}
	stands, err := interfaceStands(agent, o.calls)
	if err != nil {
		return err
	}
	fmt.Printf("\n%-34s %9s %9s %9s\n", fmt.Sprintf("with a lease (n = %d), ms", o.calls), "p50", "p99", "max")
	printRow("ADD, until the interface stands", stands)
	printRow("ADD, whole, until wired", warm.add)
	printRow("DEL", warm.del)
	printRow("floor: row to ovn-installed", in.floor)
	fmt.Printf("ratios: interface stands to reference ADD %.2f, ADD to floor %.2f, ADD to a port made by Neutron %.3f, DEL to reference DEL %.2f\n",
		ratio(stands, in.reference.add), ratio(warm.add, in.floor), ratio(warm.add, in.direct.add), ratio(warm.del, in.reference.del))
	after, err := neutronCalls(ctx, agent)
	if err != nil {
		return err
	}
	fmt.Printf("Neutron calls per pair in a row: %.3f\n", (after-before)/float64(o.calls))
	if err := churn(ctx, agent, conf); err != nil {
		return err
	}
	if err := holdAndRestart(ctx, agent, conf); err != nil {
		return err
	}
	if err := agent.Stop(); err != nil {
		return err
	}
	return in.hundred(ctx)
}

func (in place) warmAgent(ctx context.Context, cluster string, pool map[string]any) (*rig.Agent, rig.Conf, error) {
	pool["burstMemory"] = "0s"
	agent, err := in.StartAgent(ctx, in.Cloud.Nodes()[1], rig.AgentOptions{Cluster: cluster, Config: map[string]map[string]any{"pool": pool}})
	if err != nil {
		return nil, nil, err
	}
	return agent, agent.Conf("bench", map[string]any{"name": cluster, "project": in.tenant.Project}), nil
}

// awaitWired has the pool made by a first attachment, and waits for its leases.
func awaitFree(ctx context.Context, a *rig.Agent, conf rig.Conf, least int) error {
	if err := attachOnce(ctx, a, conf); err != nil {
		return err
	}
	return rig.Await(ctx, "warm ports", func(ctx context.Context) error {
		s, err := a.Client().Status(ctx)
		if err != nil {
			return err
		}
		free, wired, ordered := 0, 0, 0
		for _, p := range s.Pools {
			free, wired, ordered = free+p.Free, wired+p.Wired, ordered+p.Ordered
		}
		if free < least || wired < min(least, agent.WireAhead) || ordered > 0 {
			return fmt.Errorf("%d of %d free, %d wired, %d ordered", free, least, wired, ordered)
		}
		return nil
	})
}

func attachOnce(ctx context.Context, agent *rig.Agent, conf rig.Conf) (err error) {
	s, err := rig.NewSandbox()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if _, err := agent.Add(ctx, s, "eth0", conf); err != nil {
		return err
	}
	return agent.Del(ctx, s, "eth0", conf)
}

// churn attaches and detaches with some workers as fast as it goes; a first
// time for the pool to become as large as that needs.
func churn(ctx context.Context, agent *rig.Agent, conf rig.Conf) error {
	if _, err := churnOnce(ctx, agent, conf, 2*churnFor); err != nil {
		return err
	}
	if err := awaitFree(ctx, agent, conf, warmPorts-1); err != nil {
		return err
	}
	if err := awaitQuiet(ctx); err != nil {
		return err
	}
	before, err := neutronCalls(ctx, agent)
	if err != nil {
		return err
	}
	began := time.Now()
	pairs, err := churnOnce(ctx, agent, conf, churnFor)
	if err != nil {
		return err
	}
	took := time.Since(began)
	after, err := neutronCalls(ctx, agent)
	if err != nil {
		return err
	}
	fmt.Printf("steady churn by %d callers: %.1f pairs/s; %.3f Neutron calls per pair\n",
		holdWorkers, pairs/took.Seconds(), (after-before)/pairs)
	return nil
}

func churnOnce(ctx context.Context, agent *rig.Agent, conf rig.Conf, long time.Duration) (pairs float64, err error) {
	var done atomic.Int64
	began := time.Now()
	err = each(holdWorkers, func(int) error {
		for time.Since(began) < long {
			if err := attachOnce(ctx, agent, conf); err != nil {
				return err
			}
			done.Add(1)
		}
		return nil
	})
	return float64(done.Load()), err
}

var neutronCount = regexp.MustCompile(`(?m)^kuryr_neutron_request_duration_seconds_count\{.*\} (\S+)$`)

// neutronCalls is the number of requests that the agent has made.
func neutronCalls(ctx context.Context, agent *rig.Agent) (n float64, err error) {
	_, body, err := agent.Page(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	for _, m := range neutronCount.FindAllStringSubmatch(body, -1) {
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return 0, err
		}
		n += v
	}
	return n, nil
}

// holdAndRestart reads the agent's memory with many attachments, kills it, and
// times its return to service.
func holdAndRestart(ctx context.Context, agent *rig.Agent, conf rig.Conf) error {
	boxes := make([]*rig.Sandbox, heldLeases)
	err := each(heldLeases, func(i int) (err error) {
		if boxes[i], err = rig.NewSandbox(); err == nil {
			_, err = agent.Add(ctx, boxes[i], "eth0", conf)
		}
		return err
	})
	if err != nil {
		return err
	}
	held, err := residentSet(ctx, agent)
	if err != nil {
		return err
	}
	// The burst took what was free: without, the restart would be Neutron's time.
	if err := awaitFree(ctx, agent, conf, fewPorts); err != nil {
		return err
	}
	if err := agent.Kill(); err != nil {
		return err
	}
	began := time.Now()
	if err := agent.Start(ctx); err != nil {
		return err
	}
	if err := attachOnce(ctx, agent, conf); err != nil {
		return err
	}
	fmt.Printf("with %d attachments: resident memory %.1f MB; killed and started, the first ADD and DEL were served after %.0f ms\n",
		heldLeases, held/1e6, ms(time.Since(began)))
	return each(heldLeases, func(i int) error {
		return errors.Join(agent.Del(ctx, boxes[i], "eth0", conf), boxes[i].Close())
	})
}

// hundred starts many containers at once where few ports are warm, beside the
// time that Neutron takes for the ports that lack.
func (in place) hundred(ctx context.Context) error {
	agent, conf, err := in.warmAgent(ctx, "bench-few", map[string]any{"warm": fewPorts, "max": 400})
	if err != nil {
		return err
	}
	if err := awaitFree(ctx, agent, conf, fewPorts-1); err != nil {
		return err
	}
	boxes := make([]*rig.Sandbox, burst)
	for i := range boxes {
		if boxes[i], err = rig.NewSandbox(); err != nil {
			return err
		}
	}
	began := time.Now()
	err = atOnce(burst, func(i int) error { _, err := agent.Add(ctx, boxes[i], "eth0", conf); return err })
	took := time.Since(began)
	err = errors.Join(err, each(burst, func(i int) error {
		return errors.Join(agent.Del(ctx, boxes[i], "eth0", conf), boxes[i].Close())
	}))
	if err != nil {
		return err
	}
	if err := agent.Stop(); err != nil {
		return err
	}
	bulk, err := bulkTime(ctx, in.tenant, in.network)
	if err != nil {
		return err
	}
	fmt.Printf("%d at once with %d warm ports: all wired after %.1f s; Neutron alone makes %d ports in bulks of %d in %.1f s; ratio %.2f\n",
		burst, fewPorts, took.Seconds(), burst-fewPorts, bulkSize, bulk.Seconds(), took.Seconds()/bulk.Seconds())
	return nil
}

// interfaceStands gives, for the last ADDs in the agent's log, the time from the
// plugin's start until the interface was configured.
func interfaceStands(agent *rig.Agent, last int) ([]time.Duration, error) {
	var out []time.Duration
	err := eachTrace(agent, func(r traceRecord) {
		if s, ok := r.Steps["netlink configure"]; ok && r.Name == "cni ADD" {
			out = append(out, time.Duration((s.At+s.MS)*float64(time.Millisecond)))
		}
	})
	if err == nil && len(out) == 0 {
		err = errors.New("the agent's log has no trace of an ADD")
	}
	return out[max(0, len(out)-last):], err
}

// installFloor gives the bare time from the OVSDB transaction to ovn-installed
// of the ADDs of an agent that has no pools.
func installFloor(agent *rig.Agent) ([]time.Duration, error) {
	var out []time.Duration
	err := eachTrace(agent, func(r traceRecord) {
		row, installed := r.Steps["ovsdb transaction"], r.Steps["wait ovn-installed"]
		if r.Name == "cni ADD" && installed.MS > 0 {
			out = append(out, time.Duration((installed.At+installed.MS-row.At)*float64(time.Millisecond)))
		}
	})
	return out, err
}

// eachTrace reads the traces in the agent's log.
func eachTrace(agent *rig.Agent, do func(traceRecord)) error {
	f, err := os.Open(agent.LogFile())
	if err != nil {
		return fmt.Errorf("read traces: %w", err)
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r traceRecord
		if json.Unmarshal(lines.Bytes(), &r) == nil && r.Msg == "trace" {
			do(r)
		}
	}
	return lines.Err()
}
