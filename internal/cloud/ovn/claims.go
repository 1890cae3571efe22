// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package ovn

import (
	"time"

	"github.com/kuryr-go/kuryr/internal/cloud/ovn/ovsdb"
)

// doubtful is how long the tables may say something else than OVN of whether a
// port is up before they are told again: it is so on the way from one state to
// the next, and for ever after a new binding that OVN finds in effect already.
const doubtful = time.Second

// claimed passes on that a port is up, or no longer.
func (s *session) claimed(row *ovsdb.Row, is *identity) {
	if row.Table.Name != tableSwitchPort || is.unit.kind != kindPort {
		return
	}
	if up := row.Bool("up"); up != is.up {
		is.up = up
		if s.loaded {
			s.events.portUp(is.unit.id, up)
		}
	}
}

// claims tells of the ports that are up, or down, and were not when the cloud last heard.
func (s *session) claims(v view) {
	for row := range s.conn.All() {
		is, _ := row.Mark.(*identity)
		if is == nil || row.Table.Name != tableSwitchPort || is.unit.kind != kindPort {
			continue
		}
		if p := v.Ports.Get(v, is.unit.id); p != nil && p.Claimed != is.up {
			s.events.portUp(p.ID, is.up)
		}
	}
}

// differs tells whether OVN and the tables say different things of whether a
// port is up, and what OVN says. The replica is locked.
func (s *session) differs(v view, id string) (up, differs bool) {
	p, row := v.Ports.Get(v, id), s.ix.row(Ref{tableSwitchPort, id})
	if p == nil || row == nil {
		return false, false
	}
	up = row.Bool("up")
	return up, up != p.Claimed
}

// doubt notes which of units are ports of which OVN says something else than the tables.
func (s *session) doubt(v view, units []unit) {
	s.conn.Lock()
	defer s.conn.Unlock()
	for _, u := range units {
		if u.kind != kindPort {
			continue
		}
		if _, differs := s.differs(v, u.id); differs {
			s.doubts[u.id] = s.options.Now().Add(doubtful)
		}
	}
}

// settleDoubts tells of the ports of which it is so still.
func (s *session) settleDoubts() {
	now := s.options.Now()
	s.view(func(v view) {
		s.conn.Lock()
		defer s.conn.Unlock()
		for id, at := range s.doubts {
			if at.After(now) {
				continue
			}
			delete(s.doubts, id)
			if up, differs := s.differs(v, id); differs {
				s.events.portUp(id, up)
			}
		}
	})
}
