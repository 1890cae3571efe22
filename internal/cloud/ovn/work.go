// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"slices"
	"sync"

	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// maxCommits bounds the commits that wait while there is a connection; beyond
// it everything is compared instead.
const maxCommits = 10_000

// work is what is to be compared: commits, whose units go first, and a backlog.
type work struct {
	kinds []kind
	// wake has an element when there is something to do.
	wake chan struct{}

	mu      sync.Mutex
	commits []store.Commit
	last    uint64 // the last commit
	// sweeping is true from the beginning of a session until the units that there
	// were then have been compared. Those are of the commits up to base.
	sweeping, connected bool
	base                uint64
	// served: commits after base up to here are in effect. settled: all up to here.
	served, settled uint64
	waiters         []waiter
	backlog         []map[string]struct{} // by kind
	// recheck asks for a comparison of everything.
	recheck bool
}

type waiter struct {
	seq  uint64
	done chan struct{}
}

func newWork(kinds []kind) *work {
	w := &work{kinds: kinds, wake: make(chan struct{}, 1), backlog: make([]map[string]struct{}, len(kinds))}
	for i := range w.backlog {
		w.backlog[i] = map[string]struct{}{}
	}
	return w
}

func (w *work) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// commit is the tables' subscriber.
func (w *work) commit(c store.Commit) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = c.Seq
	if !w.connected {
		return
	}
	w.commits = append(w.commits, c)
	if len(w.commits) > maxCommits {
		w.commits, w.recheck = nil, true
	}
	w.poke()
}

// begin starts a session, in a view of the tables: the commits so far are in
// what the session compares first.
func (w *work) begin(units map[unit]bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.commits, w.connected, w.sweeping, w.recheck = nil, true, true, false
	w.base, w.served = w.last, w.last
	for u := range units {
		w.backlog[w.rank(u)][u.id] = struct{}{}
	}
	w.poke()
}

// end ends a session. What was to be compared will be in the next one.
func (w *work) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.connected, w.sweeping, w.commits = false, true, nil
	w.base, w.served = w.last, w.last
	for i := range w.backlog {
		clear(w.backlog[i])
	}
}

func (w *work) rank(u unit) int {
	return slices.IndexFunc(w.kinds, func(k kind) bool { return k.name == u.kind })
}

// add puts a unit into the backlog.
func (w *work) add(u unit) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.connected {
		w.backlog[w.rank(u)][u.id] = struct{}{}
		w.poke()
	}
}

// all asks for a comparison of everything.
func (w *work) all() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recheck = true
	w.poke()
}

// next gives what is to be done now: commits, or some of the backlog, or
// everything.
func (w *work) next(limit int) (commits []store.Commit, some []unit, everything bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.recheck {
		return nil, nil, true
	}
	if len(w.commits) > 0 {
		commits, w.commits = w.commits, nil
		return commits, nil, false
	}
	for i, ids := range w.backlog {
		for id := range ids {
			if len(some) == limit {
				return nil, some, false
			}
			some = append(some, unit{w.kinds[i].name, id})
			delete(ids, id)
		}
	}
	return nil, some, false
}

// behind is how much there is to do.
func (w *work) behind() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.commits)
	for _, ids := range w.backlog {
		n += len(ids)
	}
	if n == 0 && (w.sweeping || w.recheck) {
		n = 1
	}
	return n
}

// serve notes that the commits up to seq are in effect.
func (w *work) serve(seq uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.served = max(w.served, seq)
	w.tell()
}

// swept notes that the backlog is empty.
func (w *work) swept() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.connected && w.sweeping {
		w.sweeping = false
		w.tell()
	}
}

// inEffect tells whether a commit is. w.mu is held.
func (w *work) inEffect(seq uint64) bool {
	return seq <= w.settled || seq > w.base && seq <= w.served
}

// tell wakes who waits for what is in effect. w.mu is held.
func (w *work) tell() {
	if !w.sweeping {
		w.settled = max(w.settled, w.served)
	}
	w.waiters = slices.DeleteFunc(w.waiters, func(x waiter) bool {
		if w.inEffect(x.seq) {
			close(x.done)
			return true
		}
		return false
	})
}

// settles gives a channel that is closed when a commit is in effect.
func (w *work) settles(seq uint64) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	done := make(chan struct{})
	if w.inEffect(seq) {
		close(done)
		return done
	}
	w.waiters = append(w.waiters, waiter{seq, done})
	return done
}
