// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package agent

import (
	"context"
	"sync"
)

// keyLocks serialises what is done for one key. A lock exists while somebody
// holds it or waits for it.
type keyLocks struct {
	mu   sync.Mutex
	held map[Key]*keyLock // guarded by mu
}

type keyLock struct {
	users int           // guarded by keyLocks.mu
	token chan struct{} // holds one token while the lock is free
}

// lock waits until k is free or ctx ends. The returned function gives it back.
func (l *keyLocks) lock(ctx context.Context, k Key) (unlock func(), err error) {
	l.mu.Lock()
	kl := l.held[k]
	if kl == nil {
		kl = &keyLock{token: make(chan struct{}, 1)}
		kl.token <- struct{}{}
		l.held[k] = kl
	}
	kl.users++
	l.mu.Unlock()

	select {
	case <-kl.token:
		return func() { kl.token <- struct{}{}; l.leave(k, kl) }, nil
	case <-ctx.Done():
		l.leave(k, kl)
		return nil, ctx.Err()
	}
}

func (l *keyLocks) leave(k Key, kl *keyLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if kl.users--; kl.users == 0 {
		delete(l.held, k)
	}
}
