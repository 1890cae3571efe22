// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"maps"
	"net/http"
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/loadbalancer/wsme"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// batch is the update of all members of a pool at once.
type batch struct {
	s    *Service
	lb   *lbRow
	d    driver
	pool *poolRow
	// news are new, kept those that are there and are named, by their ids.
	news []wsme.Object
	kept map[string]wsme.Object
	// rest are the members that are not named.
	rest []*memberRow
}

func (s *Service) updateMembers(r *api.Request) (api.Reply, error) {
	root, err := wsme.Parse(r.Body, r.Header.Get("Content-Type"), "members_", wsme.Type{{Name: "members", Kind: wsme.List{Of: memberPOST}}})
	if err != nil {
		return api.Reply{}, err
	}
	if !root.Has("members") || root.Null("members") {
		return api.Reply{}, serverError("'%s' object is not iterable", absence(root, "members"))
	}
	additive := truth(r.URL.Query().Get("additive_only"))
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		pool, err := s.poolOfPath(tx, r)
		if err != nil {
			return api.Reply{}, err
		}
		lb, d, err := s.place(tx, r.Caller, pool.LoadBalancerID, "member:put")
		if err != nil {
			return api.Reply{}, err
		}
		b := &batch{s: s, lb: lb, d: d, pool: pool, kept: map[string]wsme.Object{}}
		return api.Reply{Status: http.StatusAccepted}, b.run(tx, r, root.Objects("members"), additive)
	})
}

func (b *batch) run(tx *store.Tx, r *api.Request, bodies []wsme.Object, additive bool) error {
	s := b.s
	if b.pool.ProvisioningStatus != active {
		return immutable("Pool", b.pool.ID)
	}
	if b.lb.ProvisioningStatus != active {
		return immutable("Load Balancer", b.lb.ID)
	}
	if err := b.sort(tx, bodies); err != nil {
		return err
	}
	if len(b.news)+len(b.kept)+len(b.rest) == 0 {
		return nil
	}
	if err := s.lockPool(tx, b.lb, b.pool); err != nil {
		return err
	}
	more := len(b.news)
	if !additive {
		more -= len(b.rest)
	}
	if more > 0 {
		if err := s.withinQuota(tx, b.pool.ProjectID, "member", more); err != nil {
			return err
		}
	}
	all, err := b.apply(tx, r.Caller, additive)
	if err != nil {
		return err
	}
	if err := b.d.memberBatch(tx, b.lb, b.pool, all); err != nil {
		return err
	}
	for _, m := range all {
		if pending(&m.LBMeta) {
			s.decide(tx, b.d, m)
		}
	}
	edit(s, tx, s.LBPools, b.pool.ID, func(p *poolRow) { b.d.members(p, len(all)) })
	return nil
}

// sort tells new members from those that are there.
func (b *batch) sort(tx *store.Tx, bodies []wsme.Object) error {
	old := slices.Collect(b.s.Members.By(tx, b.s.Index.MemberByPool, b.pool.ID))
	for _, body := range bodies {
		i := slices.IndexFunc(old, func(m *memberRow) bool {
			return m.Address == body.String("address") && m.ProtocolPort == body.Int("protocol_port", 0)
		})
		if i >= 0 {
			b.kept[old[i].ID] = body
			continue
		}
		if err := checkAddress(body.String("address")); err != nil {
			return err
		}
		b.news = append(b.news, body)
	}
	b.rest = slices.DeleteFunc(old, func(m *memberRow) bool { return b.kept[m.ID] != nil })
	return nil
}

// apply makes the changes, and gives the members that there are then.
func (b *batch) apply(tx *store.Tx, c api.Caller, additive bool) (all []*memberRow, err error) {
	s := b.s
	for _, body := range b.news {
		if err := s.checkMemberSubnet(tx, c, body); err != nil {
			return nil, err
		}
		m, err := s.newMember(tx, b.pool, body)
		if err != nil {
			return nil, err
		}
		if err := s.putMember(tx, m); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	for _, id := range slices.Sorted(maps.Keys(b.kept)) {
		var failed error
		body := b.kept[id]
		all = append(all, edit(s, tx, s.Members, id, func(m *memberRow) {
			m.AdminStateUp, m.Weight, m.Backup, m.MonitorAddress, m.MonitorPort = true, 1, false, nil, nil
			failed = setMeta(&m.LBMeta, body)
			setMember(m, body)
			if id := body.Text("subnet_id"); id != nil {
				m.SubnetID = id
			}
			m.ProvisioningStatus = pendingUpdate
		}))
		if failed != nil {
			return nil, failed
		}
	}
	for _, m := range b.rest {
		if additive {
			all = append(all, m)
			continue
		}
		pend(s, tx, s.Members, m.ID, pendingDelete)
	}
	return all, nil
}
