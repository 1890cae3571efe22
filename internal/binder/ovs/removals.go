// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovs

import (
	"context"
	"maps"
	"sync"
)

// removals are the ports that were, or have to be, removed.
type removals struct {
	mu sync.Mutex
	// unseen holds, by name, the next_cfg of removals that ovs-vswitchd has
	// not yet taken note of.
	unseen map[string]int
	// debts are rows that an undo could not remove because the connection
	// was away: attachment by name.
	debts map[string]string
}

func (r *removals) add(name string, cfg int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unseen == nil {
		r.unseen = make(map[string]int)
	}
	r.unseen[name] = cfg
}

// seen forgets the removals up to cur_cfg: ovs-vswitchd has taken note of them.
func (r *removals) seen(curCfg int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.unseen, func(_ string, cfg int) bool { return cfg <= curCfg })
}

// restart compares with a replica just read: where the database was replaced
// meanwhile its numbers begin again, and nobody will ever reach the old ones.
func (r *removals) restart(sw *switchRow) {
	r.seen(sw.CurCfg)
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.unseen, func(_ string, cfg int) bool { return cfg > sw.NextCfg })
}

func (r *removals) isUnseen(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.unseen[name]
	return ok
}

func (r *removals) owe(name, attachment string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.debts == nil {
		r.debts = make(map[string]string)
	}
	r.debts[name] = attachment
}

func (r *removals) paid(name, attachment string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.debts[name] == attachment {
		delete(r.debts, name)
	}
}

func (r *removals) owed() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.debts)
}

// awaitSeen waits until ovs-vswitchd has seen the removals of names. The
// replica has then forgotten them too: what vswitchd says comes after.
func (s *session) awaitSeen(ctx context.Context, names ...string) error {
	w := s.watches.open(watchSwitch)
	defer w.stop()
	for _, name := range names {
		for s.removals.isUnseen(name) {
			select {
			case <-w.C:
			case <-ctx.Done():
				return notTaken(name, ctx.Err())
			}
		}
	}
	return nil
}

// payDebts removes the rows that undoing could not. What the name was bound
// to since is left alone.
func (s *session) payDebts(ctx context.Context, c *conn) {
	for name, attachment := range s.removals.owed() {
		in, ok := c.iface(name)
		if ok && in.ExternalIDs[keyAttachment] == attachment {
			if port, ok := c.port(name); ok {
				if err := s.removePorts(ctx, *port); err != nil {
					s.log.WarnContext(ctx, "cannot yet remove the row of a failed attach", "interface", name, "error", err)
					continue
				}
			}
		}
		s.removals.paid(name, attachment)
	}
}
