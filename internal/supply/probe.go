// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/kuryr-go/kuryr/internal/agent"
	"github.com/kuryr-go/kuryr/internal/agentapi"
	"github.com/kuryr-go/kuryr/internal/fault"
	"github.com/kuryr-go/kuryr/internal/neutron"
)

// checksAge is how long the answers to the slower questions of a probe hold,
// unless they were bad.
const checksAge = 5 * time.Minute

// checks are the slower questions of a probe: may we, and does it fit?
type checks struct {
	mu    sync.Mutex
	until time.Time // guarded by mu
	err   error     // guarded by mu
	notes []string  // guarded by mu
}

// Probe implements agent.Supply: one small authenticated request and, every
// few minutes or while something is wrong, a check of the rights.
//
// The right that matters most, create_port:binding:host_id, shows in nothing
// that can be read. It is checked by asking for a port that cannot be: one on
// a subnet that does not exist. Neutron judges the rights before it looks for
// the subnet, so a refusal names the rule, and "subnet not found" means that
// the rights suffice. Nothing is made either way.
func (d *Direct) Probe(ctx context.Context) agent.CloudHealth {
	h := d.probe(ctx)
	h.Requests = requests(d.client.Load())
	return h
}

// requests words the client's queue for the operator.
func requests(l neutron.Load) *agentapi.Requests {
	r := agentapi.Requests{Running: l.Running, Limit: l.Limit, Queued: map[string]int{}, Paused: l.PausedUntil}
	for p, n := range l.Queued {
		if n > 0 {
			r.Queued[p.String()] = n
		}
	}
	return &r
}

func (d *Direct) probe(ctx context.Context) agent.CloudHealth {
	h := agent.CloudHealth{AuthURL: d.client.AuthURL(), Region: d.client.Region()}
	scope, err := d.client.Scope(ctx)
	if err != nil {
		h.Err = err
		return h
	}
	h.Endpoint, h.Project = scope.Endpoint, scope.ProjectName
	if h.Project == "" {
		h.Project = scope.ProjectID
	}
	start := time.Now()
	networks, err := d.client.Networks(ctx, neutron.Filter{ProjectID: scope.ProjectID, Limit: 1})
	h.Latency = time.Since(start)
	if err != nil {
		h.Err = err
		return h
	}
	h.Notes, h.Err = d.checks.get(func() ([]string, error) { return d.check(ctx, scope, networks) })
	return h
}

// get gives the last answers, or asks again when they are old or were bad.
// Who comes meanwhile waits, and shares the answer.
func (c *checks) get(ask func() ([]string, error)) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.until) {
		return slices.Clone(c.notes), c.err
	}
	c.notes, c.err = ask()
	c.until = time.Time{}
	if c.err == nil && len(c.notes) == 0 {
		c.until = time.Now().Add(checksAge)
	}
	return slices.Clone(c.notes), c.err
}

// check asks whether the defaults exist, whether the rights suffice and
// whether Neutron knows the node. The error is one that hinders every request.
func (d *Direct) check(ctx context.Context, scope neutron.Scope, networks []neutron.Network) ([]string, error) {
	var notes []string
	note := func(s string) {
		if s != "" {
			notes = append(notes, s)
		}
	}
	if n, err := d.defaultNetwork(ctx); err != nil {
		note("the node's default network cannot be used: " + err.Error())
	} else if n.ID != "" {
		networks = []neutron.Network{n}
	}
	if len(networks) > 0 {
		remark, denied := d.tryCreate(ctx, networks[0])
		if denied != nil {
			return notes, denied
		}
		note(remark)
	}
	note(d.bindingVisible(ctx, scope))
	agents, err := d.client.Agents(ctx, "")
	if err == nil && len(agents) > 0 && !slices.ContainsFunc(agents, func(a neutron.Agent) bool { return a.Host == d.options.Node && a.Alive }) {
		note(describeAgents(d.options.Node, agents) + ": ports cannot be bound to this node")
	}
	return notes, nil
}

// defaultNetwork resolves the node's default network; the zero Network when
// there is none.
func (d *Direct) defaultNetwork(ctx context.Context) (neutron.Network, error) {
	if d.options.Defaults.Network == "" {
		return neutron.Network{}, nil
	}
	r := resolver{Direct: d}
	r.Project, r.Network, r.Subnets = d.options.Defaults.Project, d.options.Defaults.Network, d.options.Defaults.Subnets
	r.SecurityGroups = d.options.Defaults.SecurityGroups
	err := r.resolve(ctx)
	return r.network, err
}

// nowhere is the id of a subnet that cannot exist: Neutron's are random.
const nowhere = "00000000-0000-4000-8000-000000000000"

// tryCreate asks for a port that cannot be made; see Probe. denied is the
// refusal, remark anything else that stands in the way.
func (d *Direct) tryCreate(ctx context.Context, n neutron.Network) (remark string, denied error) {
	port, err := d.client.CreatePort(ctx, neutron.PortCreate{
		NetworkID: n.ID, Name: "kuryr-rights-check", DeviceOwner: OwnerMade, HostID: d.options.Node,
		FixedIPs: []neutron.FixedIP{{SubnetID: nowhere}},
	})
	switch {
	case err == nil:
		d.undo(ctx, port.ID)
	case neutron.ErrorType(err) == neutron.TypePolicyNotAllowed:
		return "", deniedBy(err)
	case fault.Is(err, fault.Quota):
		return "no port can be made at present: " + err.Error(), nil
	}
	return "", nil
}

// deniedBy says what a refusal by the policy means for the node.
func deniedBy(err error) error {
	f, ok := fault.As(err)
	if !ok {
		return err
	}
	denied := *f
	denied.Err = err
	denied.Message = "these credentials may not make ports for a host: " + f.Message
	return &denied
}

// bindingVisible says what follows from not seeing how ports are bound.
func (d *Direct) bindingVisible(ctx context.Context, scope neutron.Scope) string {
	ports, err := d.client.Ports(ctx, neutron.PortFilter{ProjectID: scope.ProjectID, Limit: 1})
	if err != nil || len(ports) == 0 || ports[0].VIFType != nil {
		return ""
	}
	return fmt.Sprintf("these credentials may not see binding:vif_type (policy rule get_port:binding:vif_type): "+
		"a port that Neutron could not bind is taken for a good one, of type %s", defaultVIFType)
}
