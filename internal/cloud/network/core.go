// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package network

import (
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/network/rest"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// serveCore serves networks and what is on them, and who may have how much of it.
func (s *Service) serveCore() {
	s.serveDiscovery()
	rest.Add(s.engine, s.networkResource())
	rest.Add(s.engine, s.subnetResource())
	rest.Add(s.engine, s.subnetPoolResource())
	rest.Add(s.engine, s.addressScopeResource())
	rest.Add(s.engine, s.portResource())
	s.serveBindings()
	rest.Add(s.engine, s.rbacResource())
	s.serveQuotas()
	s.serveAgents()
	s.serveAvailability()
}

// follow sees every commit, with the store locked.
func (s *Service) follow(c store.Commit) {
	for _, change := range c.Changes {
		s.addresses.follow(change)
		s.counts.follow(change)
	}
	s.addresses.committed()
}

// bump counts the revision of a row up that has changed by what belongs to it.
func bump[T any](s *Service, tx *store.Tx, t *store.Table[T], id string, meta func(*T) *model.Meta) {
	old := t.Get(tx, id)
	if old == nil {
		return
	}
	row := new(T)
	*row = *old
	s.engine.Touch(meta(row))
	t.Put(tx, row)
}
