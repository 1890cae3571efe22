// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// Options are what the back end is told.
type Options struct {
	// NB and SB are the addresses of OVN's two databases: "unix:PATH" or
	// "tcp:HOST:PORT", several with commas between.
	NB, SB string
	// DNSServers are offered to a subnet's hosts when the subnet has none.
	DNSServers []string
	// DNSDomain is Neutron's dns_domain.
	DNSDomain string
	// CentralFloatingIPs has every floating IP translated on its router's
	// gateway chassis, and not where its port is.
	CentralFloatingIPs bool
	// NeedToFrag has gateways answer to packets that are too large for the
	// external network (Neutron's ovn_emit_need_to_frag).
	NeedToFrag bool
	// DHCPLease is the lease time; 12 hours when zero.
	DHCPLease time.Duration
	// AgentDown is how long a hypervisor may not have followed OVN's
	// generations before it counts as dead; 75 seconds when zero.
	AgentDown time.Duration
	// Logger is where what goes wrong is told; nowhere when nil.
	Logger *slog.Logger
	// Now is the clock; time.Now when nil.
	Now func() time.Time
}

// Events is told what OVN reports. Calls are made one after the other; each
// tells of a state, and may repeat what is known.
type Events interface {
	// PortUp: a chassis has claimed a port, or no longer has it.
	PortUp(id string, up bool)
	// MemberStatus: a load balancer's health check has found a member alive or dead.
	MemberStatus(id string, online bool)
}

// settleTimeout bounds Settle.
const settleTimeout = 5 * time.Second

// Backend keeps OVN in step with the cloud's tables.
type Backend struct {
	tables  *model.Tables
	options Options
	log     *slog.Logger
	kinds   []kind
	work    *work
	events  *events
	south   south
	health  health

	mu      sync.Mutex
	nb, sb  error // why there is no connection; nil while there is one
	refused map[unit]*retry

	cancel context.CancelFunc
	done   sync.WaitGroup
}

var errNotYet = errors.New("not connected yet")

// New makes a back end, which watches the tables from now on. Start connects it.
func New(t *model.Tables, o Options) (*Backend, error) {
	if o.NB == "" || o.SB == "" {
		return nil, errors.New("ovn: the addresses of both databases are needed")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.DHCPLease == 0 {
		o.DHCPLease = 12 * time.Hour
	}
	if o.AgentDown == 0 {
		o.AgentDown = 75 * time.Second
	}
	all := kinds()
	b := &Backend{
		tables: t, options: o, log: o.Logger, kinds: all, work: newWork(all), events: newEvents(),
		nb: errNotYet, sb: errNotYet, refused: map[unit]*retry{},
	}
	b.south.loaded = make(chan struct{})
	b.health.forget()
	t.Subscribe(b.work.commit)
	return b, nil
}

// Start connects to OVN, now and whenever the connection is lost, and keeps it
// in step until Close. e is told what OVN reports; nil: nobody.
func (b *Backend) Start(ctx context.Context, e Events) {
	ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
	b.done.Go(func() { b.events.run(ctx, e) })
	b.done.Go(func() { b.keep(ctx, "southbound", b.southbound, &b.sb) })
	b.done.Go(func() { b.keep(ctx, "northbound", b.northbound, &b.nb) })
}

// Close ends what Start began.
func (b *Backend) Close() {
	if b.cancel != nil {
		b.cancel()
		b.done.Wait()
	}
}

// Settle returns when the commit numbered seq is in effect in the northbound
// database: everything that it concerns has been written, or was refused. It
// waits for a few seconds at most.
func (b *Backend) Settle(ctx context.Context, seq uint64) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	select {
	case <-b.work.settles(seq):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("ovn: settle commit %d: %w", seq, ctx.Err())
	}
}

// Healthy tells why OVN is not in step; nil when it is.
func (b *Backend) Healthy() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.nb != nil {
		return fmt.Errorf("ovn: northbound database: %w", b.nb)
	}
	if b.sb != nil {
		return fmt.Errorf("ovn: southbound database: %w", b.sb)
	}
	for u, r := range b.refused {
		return fmt.Errorf("ovn: %d not in step, among them %s %s: %w", len(b.refused), u.kind, u.id, r.err)
	}
	if n := b.work.behind(); n > 0 {
		return fmt.Errorf("ovn: %d still to be compared", n)
	}
	return nil
}

// view gives v a state to read. hosts are those that are known.
func (b *Backend) view(see func(v view)) {
	hosts := b.south.list()
	b.tables.View(func(r store.Reader) {
		see(view{Reader: r, Tables: b.tables, options: &b.options, hosts: hosts})
	})
}

const (
	redialMin = 50 * time.Millisecond
	redialMax = 3 * time.Second
)

// keep runs sessions, one after the other, until ctx ends. why is what Healthy tells.
func (b *Backend) keep(ctx context.Context, name string, session func(context.Context) error, why *error) {
	pause := redialMin
	for ctx.Err() == nil {
		began := b.options.Now()
		err := session(ctx)
		b.mu.Lock()
		*why = err
		b.mu.Unlock()
		if errors.Is(err, ovsdb.ErrLost) && ctx.Err() == nil {
			b.log.WarnContext(ctx, "connection to OVN lost", "database", name, "error", err)
		}
		if b.options.Now().Sub(began) > redialMax {
			pause = redialMin
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, redialMax)
	}
}

// connected tells Healthy that a database is there.
func (b *Backend) connected(ctx context.Context, name string, why *error) {
	b.mu.Lock()
	*why = nil
	b.mu.Unlock()
	b.log.InfoContext(ctx, "connected to OVN", "database", name)
}
