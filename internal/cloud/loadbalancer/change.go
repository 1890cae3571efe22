// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"iter"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/kuryr-go/kuryr/internal/cloud/loadbalancer/wsme"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// The rows, by short names.
type (
	lbRow       = model.LoadBalancer
	listenerRow = model.Listener
	poolRow     = model.LBPool
	memberRow   = model.Member
	monitorRow  = model.HealthMonitor
	policyRow   = model.L7Policy
	ruleRow     = model.L7Rule
)

// edit changes a row, and says so in its updated_at, unless it is still being made.
func edit[T any, P row[T]](s *Service, tx *store.Tx, table *store.Table[T], id string, change func(*T)) *T {
	changed := new(T)
	*changed = *table.Get(tx, id)
	change(changed)
	if m := P(changed).LB(); m.ProvisioningStatus != pendingCreate {
		now := s.o.Now().UTC()
		m.UpdatedAt = &now
	}
	table.Put(tx, changed)
	return changed
}

// pend gives a row a provisioning status.
func pend[T any, P row[T]](s *Service, tx *store.Tx, table *store.Table[T], id, status string) {
	edit[T, P](s, tx, table, id, func(r *T) { P(r).LB().ProvisioningStatus = status })
}

// operate gives a row an operating status, if it has another.
func operate[T any, P row[T]](s *Service, tx *store.Tx, table *store.Table[T], id, status string) {
	if m := P(table.Get(tx, id)).LB(); m.OperatingStatus == status && m.Next == "" {
		return
	}
	edit[T, P](s, tx, table, id, func(r *T) { P(r).LB().OperatingStatus, P(r).LB().Next = status, "" })
}

// newMeta is that of a new resource. Tags that are there twice are what Octavia
// takes for an id that is there already.
func (s *Service) newMeta(body wsme.Object, project string) (model.LBMeta, error) {
	m := model.LBMeta{
		ID: uuid.NewString(), ProjectID: project, Name: body.String("name"), Description: body.String("description"),
		AdminStateUp: body.Bool("admin_state_up", true), ProvisioningStatus: pendingCreate, OperatingStatus: offline,
		CreatedAt: s.o.Now().UTC(),
	}
	return m, setTags(&m, body)
}

func setTags(m *model.LBMeta, body wsme.Object) error {
	tags := body.Strings("tags")
	slices.Sort(tags)
	if len(slices.Compact(slices.Clone(tags))) < len(tags) {
		return idExists()
	}
	m.Tags = tags
	return nil
}

// setMeta takes over what an update says of what all resources have.
func setMeta(m *model.LBMeta, body wsme.Object) error {
	if body.Has("name") {
		m.Name = body.String("name")
	}
	if body.Has("description") {
		m.Description = body.String("description")
	}
	if body.Has("admin_state_up") {
		m.AdminStateUp = body.Bool("admin_state_up", true)
	}
	if body.Has("tags") && !body.Null("tags") {
		return setTags(m, body)
	}
	return nil
}

// lock makes a load balancer PENDING_UPDATE for a change to something in it.
func (s *Service) lock(tx *store.Tx, lb *lbRow) error {
	if lb.ProvisioningStatus != active {
		return immutable("Load Balancer", lb.ID)
	}
	pend(s, tx, s.LoadBalancers, lb.ID, pendingUpdate)
	s.begin(tx, lb.ID)
	return nil
}

// lockListeners makes listeners PENDING_UPDATE.
func (s *Service) lockListeners(tx *store.Tx, listeners iter.Seq[*listenerRow]) {
	for l := range listeners {
		pend(s, tx, s.Listeners, l.ID, pendingUpdate)
	}
}

// lockPool is lock for a change to something in a pool: it and the listeners
// that send to it become PENDING_UPDATE too.
func (s *Service) lockPool(tx *store.Tx, lb *lbRow, pool *poolRow) error {
	if pool.ProvisioningStatus != active {
		return immutable("Pool", pool.ID)
	}
	if err := s.lock(tx, lb); err != nil {
		return err
	}
	s.lockListeners(tx, s.usersOf(tx, pool.ID))
	pend(s, tx, s.LBPools, pool.ID, pendingUpdate)
	return nil
}

// begin has the change to a load balancer come to its end once it is committed.
func (s *Service) begin(tx *store.Tx, id string) {
	seq, delay := tx.Seq(), s.delayOf(s.LoadBalancers.Get(tx, id))
	tx.AfterCommit(func() { s.work.add(id, seq, delay) })
}

// delayOf is how long a load balancer is PENDING at least.
func (s *Service) delayOf(lb *lbRow) (delay time.Duration) {
	if s.o.Delay != nil {
		delay = s.o.Delay()
	}
	if d := s.drivers[lb.Provider]; d != nil {
		delay += d.delay(lb.ProvisioningStatus == pendingCreate)
	}
	return delay
}
