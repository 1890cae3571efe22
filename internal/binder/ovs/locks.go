// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"sync"
)

// locks let one at a time work on a host device's name, and different names
// side by side.
type locks struct {
	mu   sync.Mutex
	held map[string]*lock
}

type lock struct {
	// turn holds a token while the lock is free.
	turn chan struct{}
	// users hold it or wait for it; the last one drops it. Guarded by locks.mu.
	users int
}

// lock waits for name's turn; the caller calls unlock when done. A name that
// is free is given even when ctx has ended: to clean up needs no patience.
func (ls *locks) lock(ctx context.Context, name string) (unlock func(), err error) {
	ls.mu.Lock()
	l := ls.held[name]
	if l == nil {
		l = &lock{turn: make(chan struct{}, 1)}
		l.turn <- struct{}{}
		if ls.held == nil {
			ls.held = make(map[string]*lock)
		}
		ls.held[name] = l
	}
	l.users++
	ls.mu.Unlock()
	unlock = func() { l.turn <- struct{}{}; ls.leave(name, l) }
	select {
	case <-l.turn:
		return unlock, nil
	default:
	}
	select {
	case <-l.turn:
		return unlock, nil
	case <-ctx.Done():
		ls.leave(name, l)
		return nil, ctx.Err()
	}
}

func (ls *locks) leave(name string, l *lock) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(ls.held, name)
	}
}
