// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package rig

import (
	"context"
	"fmt"
	"slices"

	"github.com/kuryr-go/kuryr/internal/agent"
	"github.com/kuryr-go/kuryr/internal/agentapi"
)

// Holdings are the ports that an agent says it has: those of containers and
// those it holds ready, for Accounts.
func (a *Agent) Holdings(ctx context.Context) (map[string]Use, error) {
	// The leases come first and the attachments may write over them: one that was
	// taken in between is a container's.
	leases, err := a.Client().Leases(ctx)
	if err != nil {
		return nil, fmt.Errorf("rig: %w", err)
	}
	attached, err := a.Client().Attachments(ctx)
	if err != nil {
		return nil, fmt.Errorf("rig: %w", err)
	}
	uses := map[string]Use{}
	for _, l := range leases {
		uses[l.PortID] = Use{Node: a.Host.Name, Wired: l.Wired}
	}
	for _, at := range attached {
		uses[at.PortID] = Use{Node: a.Host.Name, Sandbox: at.Sandbox, Interface: at.Interface}
	}
	return uses, nil
}

// Rested waits until nothing of the agent's is on its way: no attachment comes
// or goes, nobody waits, and every lease that it holds is free, as many as each
// pool shall have, and as many of them wired as are kept so.
func (a *Agent) Rested(ctx context.Context) error {
	if err := a.Settled(ctx); err != nil {
		return err
	}
	return Await(ctx, "rest of "+a.Host.Name, func(ctx context.Context) error {
		if err := a.poolsRest(ctx); err != nil {
			return err
		}
		leases, err := a.Client().Leases(ctx)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(leases, func(l agentapi.Lease) bool { return l.State != "wired" && l.State != "free" }); i >= 0 {
			return fmt.Errorf("port %s is %s since %v; %s", leases[i].PortID, leases[i].State, leases[i].Since, states(leases))
		}
		return nil
	})
}

// poolsRest is an error while a pool has not what it shall have, or more is on
// its way. It is asked before the leases are: a port that comes meanwhile is
// then among them.
func (a *Agent) poolsRest(ctx context.Context) error {
	st, err := a.Client().Status(ctx)
	if err != nil {
		return err
	}
	for _, p := range st.Pools {
		if p.Waiting > 0 || p.Ordered > 0 || p.Free < p.Target || p.Wired < min(p.Free, agent.WireAhead) || p.Problem != "" {
			return fmt.Errorf("pool %+v", p)
		}
	}
	return nil
}

// states counts leases by their state.
func states(leases []agentapi.Lease) string {
	n := map[string]int{}
	for _, l := range leases {
		n[l.State]++
	}
	return fmt.Sprint(n)
}

// ordersNothing is an error while ports are being made for its pools.
func (a *Agent) ordersNothing(ctx context.Context) error {
	st, err := a.Client().Status(ctx)
	if err != nil {
		return err
	}
	for _, p := range st.Pools {
		if p.Ordered > 0 {
			return fmt.Errorf("pool %+v", p)
		}
	}
	return nil
}

// Drain empties the agent, and waits until it holds nothing but what
// containers have.
func (a *Agent) Drain(ctx context.Context) error {
	if err := a.Client().Drain(ctx, agentapi.DrainRequest{}); err != nil {
		return fmt.Errorf("rig: drain: %w", err)
	}
	if err := a.Settled(ctx); err != nil {
		return err
	}
	return Await(ctx, "drain of "+a.Host.Name, func(ctx context.Context) error {
		// The orders first: a port that comes meanwhile is then among the leases.
		if err := a.ordersNothing(ctx); err != nil {
			return err
		}
		leases, err := a.Client().Leases(ctx)
		if err == nil && len(leases) > 0 {
			err = fmt.Errorf("%d leases: %s", len(leases), states(leases))
		}
		return err
	})
}
