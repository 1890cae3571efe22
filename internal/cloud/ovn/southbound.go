// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
)

// south is what the southbound database says of hypervisors.
type south struct {
	// loaded is closed when it has been read for the first time.
	loaded chan struct{}

	mu    sync.Mutex
	read  bool
	hosts []host // by name
	nbCfg int    // NB_Global's
	nb    *ovsdb.Conn
	sb    *ovsdb.Conn // nil until the first session
}

// host is a hypervisor with what tells whether it lives.
type host struct {
	model.Chassis
	nbCfg int
	// said is when it says that it followed the last generation.
	said time.Time
}

func (s *south) attach(nb *ovsdb.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nb = nb
}

func (s *south) attachSouth(sb *ovsdb.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sb = sb
}

func (s *south) generation(nbCfg int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nbCfg = nbCfg
}

// list gives the hypervisors by name, without a judgement on whether they live.
func (s *south) list() []model.Chassis {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]model.Chassis, len(s.hosts))
	for i := range s.hosts {
		all[i] = s.hosts[i].Chassis
	}
	return all
}

// Chassis gives the hypervisors that OVN knows, by name. One is alive, as
// Neutron's agents are, that is at most one generation behind, or was not long ago.
func (b *Backend) Chassis() []model.Chassis {
	s := &b.south
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]model.Chassis, len(s.hosts))
	for i, h := range s.hosts {
		h.Alive = s.nbCfg-h.nbCfg <= 1 || b.options.Now().Sub(h.Seen) < b.options.AgentDown
		all[i] = h.Chassis
	}
	return all
}

// serviceMonitor is a row of that table that is new, has changed or is gone.
type serviceMonitor struct {
	Port, IP, Protocol, Status string
	Number                     int
	Gone                       bool
}

// southbound is one session with the southbound database. It returns when the
// connection is lost.
func (b *Backend) southbound(ctx context.Context) error {
	b.health.forget()
	w := &southWatch{wake: make(chan struct{}, 1)}
	conn, err := ovsdb.Dial(ctx, b.options.SB, southbound, w.seen)
	if err != nil {
		return err
	}
	defer conn.Close()
	b.south.attachSouth(conn)
	tick := time.NewTicker(max(b.options.AgentDown/2, time.Second))
	defer tick.Stop()
	b.connected(ctx, "southbound", &b.sb)
	for {
		b.look(conn, w)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-conn.Lost():
			return conn.Why()
		case <-w.wake:
		case <-tick.C:
			b.ping(ctx)
		}
	}
}

// southWatch gathers what changed. It is guarded by the replica's lock.
type southWatch struct {
	wake     chan struct{}
	chassis  bool
	monitors []serviceMonitor
}

func (w *southWatch) seen(changes []ovsdb.Change) {
	for _, c := range changes {
		if c.Row.Table.Name != tableServiceMonitor {
			w.chassis = true
			continue
		}
		w.monitors = append(w.monitors, serviceMonitor{
			Port: c.Row.String("logical_port"), IP: c.Row.String("ip"), Protocol: c.Row.String("protocol"),
			Status: c.Row.String("status"), Number: c.Row.Int("port"), Gone: c.Deleted,
		})
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// look takes what has been gathered.
func (b *Backend) look(conn *ovsdb.Conn, w *southWatch) {
	conn.Lock()
	var hosts []host
	chassis, monitors := w.chassis, w.monitors
	if chassis {
		hosts = readHosts(conn, b.options.Now())
	}
	w.chassis, w.monitors = false, nil
	conn.Unlock()
	if chassis || !b.south.isRead() {
		b.meet(hosts)
	}
	if len(monitors) > 0 {
		b.view(func(v view) { b.monitored(v, monitors) })
	}
}

func (s *south) isRead() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.read
}

// meet notes the hypervisors that there are now, and has compared what
// depends on them when more than a sign of life has changed.
func (b *Backend) meet(hosts []host) {
	s := &b.south
	s.mu.Lock()
	moved := len(hosts) != len(s.hosts)
	for i := range hosts {
		was := slices.IndexFunc(s.hosts, func(h host) bool { return h.UUID == hosts[i].UUID })
		if was < 0 {
			moved = true
			// When this process begins, it may have been dead for long.
			if said := hosts[i].said; !s.read && !said.IsZero() {
				hosts[i].Seen = said
			}
			continue
		}
		if old := &s.hosts[was]; old.nbCfg == hosts[i].nbCfg {
			hosts[i].Seen = old.Seen
		}
		moved = moved || !alike(&s.hosts[was].Chassis, &hosts[i].Chassis)
	}
	s.hosts = hosts
	if !s.read {
		s.read = true
		close(s.loaded)
	}
	s.mu.Unlock()
	if !moved {
		return
	}
	b.view(func(v view) {
		for i := range b.kinds {
			if b.kinds[i].chassis == nil {
				continue
			}
			for id := range b.kinds[i].chassis(v) {
				b.work.add(unit{b.kinds[i].name, id})
			}
		}
	})
}

// alike tells whether two hypervisors are the same to what is scheduled.
func alike(a, b *model.Chassis) bool {
	return a.Name == b.Name && a.Hostname == b.Hostname && slices.Equal(a.Options, b.Options) &&
		slices.Equal(a.AvailabilityZones, b.AvailabilityZones) && sameMap(a.BridgeMappings, b.BridgeMappings)
}

func sameMap(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			return false
		}
	}
	return true
}

// ping begins a new generation, which every hypervisor that lives will follow.
func (b *Backend) ping(ctx context.Context) {
	b.south.mu.Lock()
	nb, some := b.south.nb, len(b.south.hosts) > 0
	b.south.mu.Unlock()
	if nb == nil || !some {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	next := ovsdb.MutateAll(tableGlobal, "nb_cfg", ovsdb.Mutation{Column: "nb_cfg", Mutator: "+=", Value: 1})
	if err := nb.Transact(ctx, []ovsdb.Op{next}); err != nil {
		b.log.DebugContext(ctx, "cannot begin a new generation", "error", err)
	}
}

// readHosts reads the hypervisors. The replica is locked.
func readHosts(conn *ovsdb.Conn, now time.Time) []host {
	all := map[string]*host{}
	for row := range conn.All() {
		if row.Table.Name == tableChassis {
			h := &host{Chassis: readChassis(row)}
			all[h.Name] = h
		}
	}
	for row := range conn.All() {
		switch row.Table.Name {
		case tableEncap:
			if h := encapOf(all, row); h != nil {
				h.EncapIPs = append(h.EncapIPs, row.String("ip"))
				if !slices.Contains(h.EncapTypes, row.String("type")) {
					h.EncapTypes = append(h.EncapTypes, row.String("type"))
				}
			}
		case tableChassisPrivate:
			if h := all[row.String("name")]; h != nil {
				h.nbCfg, h.Seen = row.Int("nb_cfg"), now
				if ms := row.Int("nb_cfg_timestamp"); ms > 0 {
					h.said = time.UnixMilli(int64(ms))
				}
			}
		}
	}
	hosts := make([]host, 0, len(all))
	for _, h := range all {
		slices.Sort(h.EncapIPs)
		slices.Sort(h.EncapTypes)
		hosts = append(hosts, *h)
	}
	slices.SortFunc(hosts, func(a, b host) int { return cmp.Compare(a.Name, b.Name) })
	return hosts
}

func encapOf(all map[string]*host, row *ovsdb.Row) *host {
	if chassis := row.Parent(tableChassis, "encaps"); chassis != nil {
		return all[chassis.String("name")]
	}
	return nil
}

// readChassis reads a row of Chassis. OVN writes its settings to other_config
// since 20.06, and before to external_ids.
func readChassis(row *ovsdb.Row) model.Chassis {
	setting := func(key string) string {
		if s := row.Entry("other_config", key); s != "" {
			return s
		}
		return row.Entry("external_ids", key)
	}
	c := model.Chassis{
		Name: row.String("name"), UUID: row.UUID.String(), Hostname: row.String("hostname"),
		BridgeMappings: map[string]string{}, DatapathType: setting("datapath-type"),
	}
	for mapping := range strings.SplitSeq(setting("ovn-bridge-mappings"), ",") {
		if network, bridge, ok := strings.Cut(strings.TrimSpace(mapping), ":"); ok {
			c.BridgeMappings[network] = bridge
		}
	}
	for option := range strings.SplitSeq(setting("ovn-cms-options"), ",") {
		option = strings.TrimSpace(option)
		if option == "" {
			continue
		}
		c.Options = append(c.Options, option)
		if zones, ok := strings.CutPrefix(option, "availability-zones="); ok {
			c.AvailabilityZones = strings.FieldsFunc(zones, func(r rune) bool { return r == ':' || r == ' ' })
		}
	}
	return c
}
