// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/kuryr-go/kuryr/internal/fault"
)

const (
	// grace is how long a request waits for a session that was lost just now
	// (ovsdb-server restarts in well under a second). One that has been away
	// longer fails requests at once.
	grace = 3 * time.Second
	// redialMin and redialMax bound the pause between attempts to connect.
	redialMin = 50 * time.Millisecond
	redialMax = 2 * time.Second
)

// session is the one long-lived session to ovsdb-server: it connects, watches
// over the connection and connects again, each time with a replica read
// afresh, so that nothing of a lost connection lives on.
type session struct {
	database string
	log      *slog.Logger
	metrics  *metrics
	queue    chan *item
	stopped  chan struct{}
	cancel   context.CancelFunc
	running  sync.WaitGroup
	watches  watches
	removals removals

	// mu guards what follows.
	mu sync.Mutex
	// cur is nil while there is no connection.
	cur *conn
	// changed is closed, and replaced, when cur changes.
	changed chan struct{}
	// since is when cur became what it is; why, the last failure to connect.
	since time.Time
	why   error
}

func startSession(o *Options, m *metrics) *session {
	ctx, cancel := context.WithCancel(context.Background())
	s := &session{
		database: o.Database,
		log:      o.Logger.With("database", o.Database),
		metrics:  m,
		queue:    make(chan *item),
		stopped:  make(chan struct{}),
		cancel:   cancel,
		changed:  make(chan struct{}),
		since:    time.Now(),
	}
	s.running.Go(func() { s.keepConnected(ctx) })
	s.running.Go(func() { s.commitBatches(ctx) })
	return s
}

// close ends the session; what waits for it fails.
func (s *session) close() {
	s.cancel()
	close(s.stopped)
	s.running.Wait()
}

// keepConnected connects, again and again, until ctx ends.
func (s *session) keepConnected(ctx context.Context) {
	pause := redialMin
	for first := true; ctx.Err() == nil; {
		c, err := dial(ctx, s)
		if err == nil {
			if !first {
				s.metrics.reconnects.Inc()
			}
			first, pause = false, redialMin
			s.publish(c, nil)
			s.log.InfoContext(ctx, "connected to ovsdb-server")
			s.running.Go(func() { s.payDebts(ctx, c) })
			err = c.wait(ctx)
			s.publish(nil, err)
			c.close()
			if ctx.Err() == nil {
				s.log.WarnContext(ctx, "connection to ovsdb-server lost", "error", err)
			}
		} else {
			s.log.DebugContext(ctx, "cannot connect to ovsdb-server", "error", err)
			s.note(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, redialMax)
	}
}

// publish makes c (nil: none) the connection in use and wakes whoever waits.
func (s *session) publish(c *conn, why error) {
	if c != nil {
		s.removals.restart(c.theSwitch())
	}
	s.mu.Lock()
	s.cur, s.why, s.since = c, why, time.Now()
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	if c == nil {
		s.metrics.connected.Set(0)
		return
	}
	s.metrics.connected.Set(1)
	s.watches.pokeAll()
}

// note remembers why there is no connection.
func (s *session) note(why error) {
	s.mu.Lock()
	s.why = why
	s.mu.Unlock()
}

// current is the connection in use; nil and the reason while there is none.
func (s *session) current() (*conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cur == nil {
		return nil, s.unavailable()
	}
	return s.cur, nil
}

// connected waits for a connection as long as grace allows. The error is
// Unavailable and says since when and why there is none.
func (s *session) connected(ctx context.Context) (*conn, error) {
	for {
		s.mu.Lock()
		cur, changed, left, err := s.cur, s.changed, grace-time.Since(s.since), s.unavailable()
		s.mu.Unlock()
		if cur != nil {
			return cur, nil
		}
		if left <= 0 {
			return nil, err
		}
		select {
		case <-changed:
		case <-time.After(left):
		case <-s.stopped:
			return nil, err
		case <-ctx.Done():
			return nil, err
		}
	}
}

// unavailable tells what is known of the missing connection. s.mu is held.
func (s *session) unavailable() error {
	if s.cur != nil {
		return nil
	}
	e := fault.New(fault.Unavailable, "ovsdb-server at %s has not answered for %s",
		s.database, time.Since(s.since).Round(time.Millisecond))
	if s.why != nil {
		e.Message += ": " + s.why.Error()
	}
	e.Hint = "is Open vSwitch running on this node?"
	e.Err = s.why
	return e
}
