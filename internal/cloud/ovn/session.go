// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// maxBatch bounds the units of one transaction.
const maxBatch = 500

const (
	retryMin = time.Second
	retryMax = time.Minute
)

// retry is a unit that the server refused, or that differs again after it was written.
type retry struct {
	err   error
	at    time.Time
	pause time.Duration
}

// session is one connection to the northbound database.
type session struct {
	*Backend
	conn *ovsdb.Conn

	// Guarded by the replica's lock.
	ix *index
	// flight are the units whose transaction is under way: what is told of them
	// now is our own doing, and they are compared again after it.
	flight map[unit]bool
	// deleting are the rows that our transaction under way deletes.
	deleting map[*ovsdb.Row]bool
	// waiting are units by the row that they need and that is not there.
	waiting map[Ref]map[unit]bool
	// loaded is true once the replica is.
	loaded bool

	// doubts are ports that were up when the tables said otherwise, or the
	// other way round, with when to look again. The session's goroutine has them.
	doubts map[string]time.Time
}

// northbound is one session. It returns when the connection is lost.
func (b *Backend) northbound(ctx context.Context) error {
	// Without the hypervisors gateways would lose theirs.
	select {
	case <-b.south.loaded:
	case <-ctx.Done():
		return ctx.Err()
	}
	s := &session{Backend: b, ix: newIndex(b.kinds), flight: map[unit]bool{}, waiting: map[Ref]map[unit]bool{}, doubts: map[string]time.Time{}}
	conn, err := ovsdb.Dial(ctx, b.options.NB, northbound, s.seen)
	if err != nil {
		return err
	}
	s.conn = conn
	defer conn.Close()
	defer b.work.end()
	b.south.attach(conn)
	defer b.south.attach(nil)
	s.begin()
	b.connected(ctx, "northbound", &b.nb)
	return s.run(ctx)
}

// seen takes the replica's changes. The replica is locked.
func (s *session) seen(changes []ovsdb.Change) {
	for _, c := range changes {
		if c.Row.Table.Name == tableGlobal {
			s.south.generation(c.Row.Int("nb_cfg"))
			continue
		}
		if c.Deleted {
			s.gone(c.Row)
			continue
		}
		before, now := s.ix.put(c.Row)
		if now != nil {
			s.claimed(c.Row, now)
			s.arrived(Ref{c.Row.Table.Name, now.key}, c.Inserted || before != now)
		}
		if s.loaded && (c.Inserted || c.Moved || !slices.Equal(c.Columns, []string{"up"})) {
			s.stir(before)
			s.stir(now)
		}
	}
}

// stir has the unit of a row compared, unless its change is our own.
func (s *session) stir(of *identity) {
	if of != nil && !s.flight[of.unit] {
		s.work.add(of.unit)
	}
}

// gone takes a row that was deleted. Rows that it referred to are not told of:
// when somebody else deleted it, everything has to be compared.
func (s *session) gone(row *ovsdb.Row) {
	was := s.ix.remove(row)
	if was == nil || s.deleting[row] {
		return
	}
	s.stir(was)
	if slices.ContainsFunc(row.Table.Columns, func(c ovsdb.Column) bool { return c.Kind == ovsdb.Weak }) {
		s.work.all()
	}
}

// arrived wakes the units that wait for a row.
func (s *session) arrived(ref Ref, isNew bool) {
	if !isNew {
		return
	}
	for u := range s.waiting[ref] {
		s.work.add(u)
	}
	delete(s.waiting, ref)
}

// begin puts everything into the backlog: what the tables demand, and what
// there is.
func (s *session) begin() {
	s.view(func(v view) {
		s.conn.Lock()
		defer s.conn.Unlock()
		units := make(map[unit]bool, len(s.ix.units))
		for u := range s.ix.units {
			units[u] = true
		}
		for i := range s.kinds {
			for id := range s.kinds[i].every(v) {
				units[unit{s.kinds[i].name, id}] = true
			}
		}
		s.work.begin(units)
		s.claims(v)
		s.loaded = true
	})
}

// run does what there is to do until the connection is lost.
func (s *session) run(ctx context.Context) error {
	for {
		if err := s.drain(ctx); err != nil {
			return err
		}
		timer := time.NewTimer(s.nextRetry())
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-s.conn.Lost():
			timer.Stop()
			return s.conn.Why()
		case <-s.work.wake:
		case <-timer.C:
			s.retry()
			s.settleDoubts()
		}
		timer.Stop()
	}
}

// drain works until there is nothing to do.
func (s *session) drain(ctx context.Context) error {
	for {
		commits, some, everything := s.work.next(maxBatch)
		switch {
		case everything:
			s.begin()
		case len(commits) > 0:
			if err := s.serve(ctx, commits); err != nil {
				return err
			}
		case len(some) > 0:
			if err := s.write(ctx, some); err != nil {
				return err
			}
		default:
			s.work.swept()
			return nil
		}
	}
}

// serve brings commits into effect.
func (s *session) serve(ctx context.Context, commits []store.Commit) error {
	var units []unit
	seen := map[unit]bool{}
	s.view(func(v view) {
		for _, c := range commits {
			for _, change := range c.Changes {
				for i := range s.kinds {
					k := &s.kinds[i]
					if stir := k.stirs[change.Table]; stir != nil {
						stir(v, change, func(id string) {
							if u := (unit{k.name, id}); id != "" && !seen[u] {
								seen[u] = true
								units = append(units, u)
							}
						})
					}
				}
			}
		}
	})
	slices.SortStableFunc(units, func(a, b unit) int { return cmp.Compare(s.work.rank(a), s.work.rank(b)) })
	for some := range slices.Chunk(units, maxBatch) {
		if err := s.write(ctx, some); err != nil {
			return err
		}
	}
	s.work.serve(commits[len(commits)-1].Seq)
	return nil
}

// write has units as the tables want them. The error is that the connection is lost.
func (s *session) write(ctx context.Context, units []unit) error {
	all := make([]wanted, len(units))
	s.view(func(v view) {
		s.doubt(v, units)
		for i, u := range units {
			k := &s.kinds[s.work.rank(u)]
			all[i] = wanted{u, k.rows(v, u.id)}
			if k.compared != nil {
				k.compared(s.Backend, v, u.id)
			}
		}
	})
	return s.transact(ctx, all)
}

// transact writes units together; those that are refused together apart.
func (s *session) transact(ctx context.Context, units []wanted) error {
	ops := s.takeOff(units)
	if len(ops) == 0 {
		s.land(units, nil)
		return nil
	}
	err := s.conn.Transact(ctx, ops)
	var no *ovsdb.Refusal
	switch {
	case err == nil:
		s.land(units, nil)
		return nil
	case !errors.As(err, &no):
		return err
	case len(units) == 1:
		s.land(units, no)
		return nil
	}
	s.land(nil, nil)
	half := len(units) / 2
	if err := s.transact(ctx, units[:half]); err != nil {
		return err
	}
	return s.transact(ctx, units[half:])
}

// takeOff makes the operations that units need.
func (s *session) takeOff(units []wanted) []ovsdb.Op {
	s.conn.Lock()
	defer s.conn.Unlock()
	for _, w := range units {
		s.flight[w.unit] = true
	}
	p := newPlan(s.ix, units)
	s.deleting = p.deletes
	return p.ops()
}

// land compares units again after their transaction, and notes which are not
// as wanted: refused, in need of a row that is not there, or changed meanwhile.
func (s *session) land(units []wanted, refused error) {
	s.conn.Lock()
	clear(s.flight)
	s.deleting = nil
	p := newPlan(s.ix, units)
	for ref, missed := range p.missing {
		if s.waiting[ref] == nil {
			s.waiting[ref] = map[unit]bool{}
		}
		for _, u := range missed {
			s.waiting[ref][u] = true
		}
	}
	s.conn.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range units {
		if !p.touched[w.unit] {
			delete(s.refused, w.unit)
			continue
		}
		err := refused
		if err == nil {
			err = errDiffers
		}
		s.refuse(w.unit, err)
	}
}

var errDiffers = errors.New("differs again after it was written")

// refuse has a unit tried again later. s.mu is held.
func (s *session) refuse(u unit, err error) {
	r := s.refused[u]
	if r == nil {
		r = &retry{pause: retryMin / 2}
		s.refused[u] = r
		s.log.Error("OVN is not in step", "kind", u.kind, "id", u.id, "error", err)
	}
	r.err = fmt.Errorf("%w", err)
	r.pause = min(2*r.pause, retryMax)
	r.at = s.options.Now().Add(r.pause)
}

// nextRetry is how long there is until a unit is to be tried again.
func (s *session) nextRetry() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait := time.Hour
	now := s.options.Now()
	for _, r := range s.refused {
		wait = min(wait, max(0, r.at.Sub(now)))
	}
	for _, at := range s.doubts {
		wait = min(wait, max(0, at.Sub(now)))
	}
	return wait
}

// retry puts the units whose time has come into the backlog.
func (s *session) retry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.options.Now()
	for u, r := range s.refused {
		if !r.at.After(now) {
			r.at = now.Add(r.pause)
			s.work.add(u)
		}
	}
}
