// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/kuryr-go/kuryr/internal/agent"
	"github.com/kuryr-go/kuryr/internal/agent/journal"
	"github.com/kuryr-go/kuryr/internal/agentserver"
	"github.com/kuryr-go/kuryr/internal/binder/ovs"
	"github.com/kuryr-go/kuryr/internal/config"
	"github.com/kuryr-go/kuryr/internal/engine/cni"
	"github.com/kuryr-go/kuryr/internal/neutron"
	"github.com/kuryr-go/kuryr/internal/portpool"
	"github.com/kuryr-go/kuryr/internal/serve"
	"github.com/kuryr-go/kuryr/internal/supply"
	"github.com/kuryr-go/kuryr/internal/tracelog"
	"github.com/kuryr-go/kuryr/internal/version"
)

// gcPercent is how much garbage the agent lets gather, in percent of what it
// uses: it runs on every node, and has memory to save rather than time.
const gcPercent = 50

// saveMemory sets it, unless the environment variable GOGC says otherwise.
func saveMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// run is the agent, from its parts to its end. The parts are started in the
// order in which they need one another, and ended in the opposite one; none
// of them needs the cloud or the switch to be up.
func run(ctx context.Context, cfg config.Config, logger *slog.Logger) error {
	saveMemory()
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	socket, err := serve.Listen(cfg.Agent.Socket)
	if err != nil {
		return err
	}
	defer func() { _ = socket.Close() }() // serving it has reported what went wrong
	memory, err := journal.Open(cfg.Agent.Journal)
	if err != nil {
		return err
	}
	defer func() { _ = memory.Close() }() // every call was synced
	client, err := newNeutron(cfg, logger, registry)
	if err != nil {
		return err
	}
	defer client.Close()
	ports, err := newSupply(cfg, logger, registry, client)
	if err != nil {
		return err
	}
	wiring, err := newBinder(cfg, logger, registry)
	if err != nil {
		return err
	}
	defer wiring.Close()
	node := newAgentOf(cfg, logger, registry, agent.Options{Journal: memory, Supply: ports, Binder: wiring})
	if err := node.Start(ctx); err != nil {
		return err
	}
	defer node.Close()
	defer supplyIn(ctx, ports, node)()
	return serveAgent(ctx, cfg, logger, registry, node, socket)
}

// newAgentOf adds to the parts what the configuration says.
func newAgentOf(cfg config.Config, logger *slog.Logger, reg prometheus.Registerer, o agent.Options) *agent.Agent {
	o.Node, o.Cluster, o.Version = cfg.Node, cfg.Cluster, version.String()
	o.AttachTimeout, o.OrphanGrace, o.ReclaimHorizon = cfg.Agent.AttachTimeout, cfg.Agent.OrphanGrace, reclaimHorizon(cfg)
	o.CoolDown, o.CollectInterval, o.CollectGrace = cfg.Pool.CoolDown, cfg.GC.Interval, cfg.GC.Grace
	o.Logger, o.Registerer = logger, reg
	return agent.New(o)
}

// serveAgent answers on the socket and on the metrics address until ctx ends.
func serveAgent(ctx context.Context, cfg config.Config, logger *slog.Logger, registry *prometheus.Registry, node *agent.Agent, socket net.Listener) error {
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(tracelog.New(logger, registry)))
	engine := cni.New(cni.Options{Agent: node, Logger: logger, Registerer: registry, Tracer: tracer})
	servers := []serve.Server{{Name: "socket", Listener: socket, Handler: agentserver.API(node, engine)}}
	if cfg.Metrics.Address != "" {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Metrics.Address)
		if err != nil {
			return fmt.Errorf("metrics.address: %w", err)
		}
		servers = append(servers, serve.Server{Name: "metrics", Listener: l, Handler: agentserver.Ops(node, registry)})
	}
	logger.Info("agent started", "node", cfg.Node, "cluster", cfg.Cluster, "version", version.String())
	err := serve.Serve(ctx, logger, cfg.Agent.ShutdownTimeout, servers...)
	logger.Info("agent stopped")
	return err
}

func newNeutron(cfg config.Config, logger *slog.Logger, reg prometheus.Registerer) (*neutron.Client, error) {
	return neutron.New(neutron.Options{
		Cloud: cfg.Cloud.Name, ConfigFile: cfg.Cloud.ConfigFile, Region: cfg.Cloud.Region, Interface: cfg.Cloud.Interface,
		CACert: cfg.Cloud.CACert, Insecure: cfg.Cloud.Insecure, Version: version.String(),
		RequestTimeout: cfg.Cloud.RequestTimeout, Concurrency: cfg.Cloud.MaxConcurrency,
		ReadRate: float64(cfg.Cloud.ReadRate), WriteRate: float64(cfg.Cloud.WriteRate), Logger: logger, Registerer: reg,
	})
}

// newSupply makes where ports come from.
func newSupply(cfg config.Config, logger *slog.Logger, reg prometheus.Registerer, client *neutron.Client) (*supply.Pool, error) {
	direct, err := supply.New(client, supply.Options{
		Node: cfg.Node, Cluster: cfg.Cluster, TTL: cfg.Cloud.CacheTTL, Logger: logger,
		Defaults: supply.Defaults{
			Project: cfg.Defaults.Project, Network: cfg.Defaults.Network,
			Subnets: cfg.Defaults.Subnets, SecurityGroups: cfg.Defaults.SecurityGroups,
		},
	})
	if err != nil {
		return nil, err
	}
	return supply.NewPool(direct, supply.PoolOptions{
		Policy: poolPolicy(cfg), LostHorizon: reclaimHorizon(cfg), Off: !cfg.Pool.Enabled, Prewarm: cfg.Pool.Prewarm, Registerer: reg,
	})
}

// The pauses of a pool that cannot be supplied.
const (
	poolRetryMin = 500 * time.Millisecond
	poolRetryMax = 30 * time.Second
)

func poolPolicy(cfg config.Config) portpool.Policy {
	return portpool.Policy{
		Min: cfg.Pool.Min, Warm: cfg.Pool.Warm, Max: cfg.Pool.Max, Total: cfg.Pool.NodeMax,
		IdleAfter: cfg.Pool.IdleAfter, BurstMemory: cfg.Pool.BurstMemory,
		RetryMin: poolRetryMin, RetryMax: poolRetryMax, RecycleEvery: cfg.Pool.CheckEvery,
	}
}

// supplyIn runs the supplier beside the agent; stop ends it and waits.
func supplyIn(ctx context.Context, supplier *supply.Pool, node *agent.Agent) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		supplier.Run(ctx, node)
	}()
	return func() {
		cancel()
		<-done
	}
}

func newBinder(cfg config.Config, logger *slog.Logger, reg prometheus.Registerer) (*ovs.Binder, error) {
	return ovs.New(ovs.Options{
		Database: cfg.OVS.Database, Cluster: cfg.Cluster, Node: cfg.Node,
		Ready: ovs.Ready(cfg.OVS.Ready), ChecksumOffload: ovs.Offload(cfg.OVS.ChecksumOffload), Logger: logger, Registerer: reg,
	})
}

// reclaimHorizon is how long after a lost answer the cloud may still make the
// port: it had the request for at most a request's time, and works on it for
// about as long again.
func reclaimHorizon(cfg config.Config) (horizon time.Duration) { return 2 * cfg.Cloud.RequestTimeout }
