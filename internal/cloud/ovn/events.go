// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"context"
	"sync"
)

// events passes on what OVN reports, in order, and of what is told of one
// thing meanwhile only the last.
type events struct {
	mu    sync.Mutex
	wake  chan struct{}
	order []string
	last  map[string]bool
}

// memberKey begins the keys of members; the others are ports.
const memberKey = "member "

func newEvents() *events {
	return &events{wake: make(chan struct{}, 1), last: map[string]bool{}}
}

func (e *events) portUp(id string, up bool)           { e.add(id, up) }
func (e *events) memberStatus(id string, online bool) { e.add(memberKey+id, online) }

func (e *events) add(key string, state bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, waits := e.last[key]; !waits {
		e.order = append(e.order, key)
	}
	e.last[key] = state
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

func (e *events) take() (key string, state, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.order) == 0 {
		return "", false, false
	}
	key = e.order[0]
	e.order = e.order[1:]
	state = e.last[key]
	delete(e.last, key)
	return key, state, true
}

// run tells to until ctx ends.
func (e *events) run(ctx context.Context, to Events) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.wake:
		}
		for ctx.Err() == nil {
			key, state, ok := e.take()
			if !ok {
				break
			}
			if to != nil {
				deliver(to, key, state)
			}
		}
	}
}

func deliver(to Events, key string, state bool) {
	if len(key) > len(memberKey) && key[:len(memberKey)] == memberKey {
		to.MemberStatus(key[len(memberKey):], state)
		return
	}
	to.PortUp(key, state)
}
