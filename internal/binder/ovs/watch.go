// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"sync"

	"github.com/ovn-kubernetes/libovsdb/model"
)

// watchSwitch watches the Open_vSwitch row; no interface has this name.
const watchSwitch = ""

// watch tells that something about an interface may have changed; the replica
// then tells what. After a reconnect every watch is poked.
type watch struct {
	// C has room for one, so that a change between two looks is not missed.
	C    chan struct{}
	stop func()
}

// watches are the open watches by the name of an interface or a bridge (which
// has an interface of its name).
type watches struct {
	mu sync.Mutex
	by map[string]map[*watch]struct{}
}

// open begins to watch a name; the caller stops it.
func (ws *watches) open(name string) *watch {
	w := &watch{C: make(chan struct{}, 1)}
	w.stop = func() { ws.remove(name, w) }
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.by == nil {
		ws.by = make(map[string]map[*watch]struct{})
	}
	if ws.by[name] == nil {
		ws.by[name] = make(map[*watch]struct{})
	}
	ws.by[name][w] = struct{}{}
	return w
}

func (ws *watches) remove(name string, w *watch) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	delete(ws.by[name], w)
	if len(ws.by[name]) == 0 {
		delete(ws.by, name)
	}
}

func (ws *watches) poke(name string) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.by[name] {
		w.poke()
	}
}

func (ws *watches) pokeAll() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, set := range ws.by {
		for w := range set {
			w.poke()
		}
	}
}

func (w *watch) poke() {
	select {
	case w.C <- struct{}{}:
	default:
	}
}

// event is called by the library, one at a time, after the replica changed.
func (s *session) event(c *conn, table string, row model.Model) {
	switch table {
	case tableInterface:
		if in, ok := row.(*interfaceRow); ok {
			s.watches.poke(in.Name)
		}
	case tableBridge:
		if br, ok := row.(*bridgeRow); ok {
			s.watches.poke(br.Name)
		}
	case tableSwitch:
		s.removals.seen(c.theSwitch().CurCfg)
		s.watches.poke(watchSwitch)
	}
}
