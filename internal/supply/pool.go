// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package supply

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kuryr-go/kuryr/internal/agent"
	"github.com/kuryr-go/kuryr/internal/lease"
	"github.com/kuryr-go/kuryr/internal/portpool"
)

// Book is the node's side of the pools: the agent. It alone hands leases to
// attachments and takes them back; see package agent for the methods.
type Book interface {
	Pools() []agent.PoolState
	Cordoned() bool
	PoolsChanged() <-chan struct{}
	Offer(c lease.Class, leases ...lease.Lease) error
	Withdraw(key string, n int) error
	WithdrawPort(portID string) error
	Drained() []lease.Lease
	Forget(ports ...string) error
	CheckOut(key string) []lease.Lease
	CheckIn(c lease.Class, leases ...lease.Lease) error
	CheckFailed(ports ...string)
	Rest(c lease.Class, leases ...lease.Lease) error
	Reassign(from string, to lease.Class, n int) error
	Refuse(key string, err error)
	Expect(c lease.Class, n int) bool
	Report(c lease.Class, r agent.PoolReport)
	Leases() (map[string]lease.Lease, error)
}

var _ Book = (*agent.Agent)(nil)

// PoolOptions say how a Pool keeps its leases.
type PoolOptions struct {
	// Policy is the engine's. Required.
	Policy portpool.Policy
	// Patience is how long an attachment waits while Neutron fails in ways that
	// pass by themselves, before it is told so. Zero: DefaultPatience.
	Patience time.Duration
	// LostHorizon is how long after a lost answer a port may still appear.
	LostHorizon time.Duration
	// Off makes no leases: every demand goes the way of Direct. What a node holds
	// from before goes back.
	Off bool
	// Prewarm keeps the class of the node's defaults warm from the start on, if
	// they name a network.
	Prewarm bool
	// Registerer gets the metrics; nil: none.
	Registerer prometheus.Registerer
}

// DefaultPatience is long enough for a Neutron that restarts behind its
// balancer, and short enough that an engine hears why its container waits.
const DefaultPatience = 10 * time.Second

// Pool is an agent.Supply that holds ports ready. Demands that any port of a
// class serves are leases of a pool; all others go the way of Direct.
//
// It is the road between the pure engine, which decides how many ports there
// shall be, and Neutron: Run observes the book, asks the engine, and does what
// it says. All its state belongs to the goroutine of Run; the others post to it.
type Pool struct {
	*Direct
	options PoolOptions
	engine  *portpool.Engine
	log     *slog.Logger
	metrics *poolMetrics
	// warm are classes that are kept warm though nobody asks.
	warm []lease.Class

	// posts are what finished work has to say, done by Run's goroutine.
	posts chan func(now time.Time)
	// stopped is closed when Run has ended and nobody reads posts any more.
	stopped chan struct{}
	work    sync.WaitGroup

	// What follows belongs to Run's goroutine.
	book  Book
	keys  map[string]*keyState
	lost  map[string]*lostOrder // by device id
	busy  map[string]bool       // ports that are being deleted
	later map[string]retry      // ports whose deletion failed, by id
	// deleted is when the last port was.
	deleted time.Time
	// checkAfter holds checks back after one failed; checking tells that one is
	// under way.
	checkAfter time.Time
	checkTries int
	checking   bool
	// looking tells that a search for lost orders is under way.
	looking bool
}

// keyState is what Run knows of a pool beyond the book.
type keyState struct {
	class lease.Class
	// orders are the creates that are not settled, by device id.
	orders map[string]*portOrder
	// resolving are ordered ports whose names are still being resolved.
	resolving int
	// problem is the last failure, nil since the last success; since is when
	// failing began. terminal: only a human can mend it. exhausted: a quota or a
	// subnet is used up.
	problem             error
	terminal, exhausted bool
	since               time.Time
	// asks counts who asked for a lease when orders were last taken back.
	asks uint64
}

// ordered counts the ports that are being made, or may have been.
func (s *keyState) ordered() int { return len(s.orders) + s.resolving }

// retry is a pause that grows.
type retry struct {
	tries int
	next  time.Time
}

// NewPool makes a Pool over a Direct. Run makes it work.
func NewPool(d *Direct, o PoolOptions) (*Pool, error) {
	if err := o.Policy.Validate(); err != nil {
		return nil, err
	}
	if o.Patience <= 0 {
		o.Patience = DefaultPatience
	}
	p := &Pool{
		Direct: d, options: o, engine: portpool.New(o.Policy), log: d.options.Logger,
		metrics: newPoolMetrics(o.Registerer), posts: make(chan func(time.Time)), stopped: make(chan struct{}),
		keys: map[string]*keyState{}, lost: map[string]*lostOrder{}, busy: map[string]bool{}, later: map[string]retry{},
	}
	if f := d.options.Defaults; o.Prewarm && !o.Off && f.Network != "" {
		p.warm = []lease.Class{{Project: f.Project, Network: f.Network, Subnets: f.Subnets, SecurityGroups: f.SecurityGroups}}
	}
	return p, nil
}

var _ agent.Supply = (*Pool)(nil)

// Class implements agent.Supply: a demand that asks for nothing that only one
// port can have is served from a pool.
func (p *Pool) Class(d lease.Demand) (lease.Class, bool, error) {
	if p.options.Off || d.Port != "" || len(d.FixedIPs) > 0 || d.MAC != "" || d.Name != "" || d.DNSName != "" || d.QoSPolicy != "" ||
		len(d.AllowedAddressPairs) > 0 || d.PortSecurity != nil {
		return lease.Class{}, false, nil
	}
	o, err := complete(d, p.Direct.options.Defaults)
	if err != nil {
		return lease.Class{}, false, err
	}
	return lease.Class{Project: o.Project, Network: o.Network, Subnets: o.Subnets, SecurityGroups: o.SecurityGroups}, true, nil
}

// Run supplies the book's pools until ctx ends. What it began with Neutron is
// then left to the next start, which finds it.
func (p *Pool) Run(ctx context.Context, book Book) {
	p.book = book
	defer p.work.Wait()
	defer close(p.stopped)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(time.Until(p.step(ctx, time.Now())))
		select {
		case <-ctx.Done():
			return
		case f := <-p.posts:
			f(time.Now())
			p.drainPosts()
		case <-book.PoolsChanged():
		case <-timer.C:
		}
	}
}

// drainPosts does what else was posted: one step for all of it.
func (p *Pool) drainPosts() {
	for {
		select {
		case f := <-p.posts:
			f(time.Now())
		default:
			return
		}
	}
}

// post has f done by Run's goroutine. After Run has ended it does nothing.
func (p *Pool) post(f func(now time.Time)) {
	select {
	case p.posts <- f:
	case <-p.stopped:
	}
}

// start does work beside Run, which waits for its end.
func (p *Pool) start(f func()) { p.work.Go(f) }

// idle is how long Run sleeps when there is nothing to wait for.
const idle = time.Minute

// step brings the world a step nearer to what the engine wants, and tells when
// to step again though nothing is reported.
func (p *Pool) step(ctx context.Context, now time.Time) (next time.Time) {
	states := p.book.Pools()
	p.know(states)
	seen, next := p.observe(states, now)
	actions, again := p.engine.Step(now, seen)
	next = sooner(next, again)
	for _, a := range actions {
		p.act(ctx, a)
	}
	next = sooner(next, p.check(ctx, now, actions))
	next = sooner(next, p.look(ctx, now))
	next = sooner(next, p.deleteDrained(ctx, now))
	next = sooner(next, p.tell(states, now))
	if next.IsZero() {
		return now.Add(idle)
	}
	return next
}

// sooner is the earlier of two times of which either may be zero, for never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// act starts what the engine wants done. Recycling is seen to in check, for
// all pools at once.
func (p *Pool) act(ctx context.Context, a portpool.Action) {
	k := string(a.Key)
	switch a.Kind {
	case portpool.Create:
		p.log.Debug("ports are ordered", "pool", k, "ports", a.N, "urgent", a.Urgent, "reason", a.Reason)
		p.create(ctx, k, a.N, a.Urgent)
	case portpool.Delete:
		p.log.Debug("leases are given up", "pool", k, "leases", a.N, "reason", a.Reason)
		if err := p.book.Withdraw(k, a.N); err != nil {
			p.log.Error("leases not given up", "pool", k, "err", err)
		}
	case portpool.Move:
		p.move(k, string(a.To), a.N)
	case portpool.Recycle:
	}
}
