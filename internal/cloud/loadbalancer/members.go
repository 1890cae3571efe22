// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/loadbalancer/wsme"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func (s *Service) serveMembers() {
	const path = "/pools/{pool}/members"
	s.handle(http.MethodGet, path, s.listMembers)
	s.handle(http.MethodPost, path, s.createMember)
	s.handle(http.MethodPut, path, s.updateMembers, "additive_only")
	s.handle(http.MethodGet, path+"/{id}", s.showOneMember)
	s.handle(http.MethodPut, path+"/{id}", s.updateMember)
	s.handle(http.MethodDelete, path+"/{id}", s.deleteMember)
	s.missing(path, "id", http.MethodDelete)
}

// poolOfPath finds the pool of a path. Octavia's router looks for it, and
// answers in its own form.
func (s *Service) poolOfPath(r store.Reader, hr *api.Request) (*poolRow, error) {
	if p := s.LBPools.Get(r, hr.PathValue("pool")); p != nil {
		return p, nil
	}
	return nil, api.Errorf(http.StatusNotFound, routed, "Pool %s not found.", hr.PathValue("pool"))
}

func (s *Service) listMembers(r *api.Request) (api.Reply, error) {
	q, err := readQuery(r)
	if err != nil {
		return api.Reply{}, err
	}
	return s.look(func(v store.Reader) (api.Reply, error) {
		p, err := s.poolOfPath(v, r)
		if err == nil {
			err = s.demand(r.Caller, "member:get_all", p.ProjectID)
		}
		if err != nil {
			return api.Reply{}, err
		}
		rows := s.Members.By(v, s.Index.MemberByPool, p.ID)
		return list(v, r, members, q, rows, func(id string) *memberRow { return s.Members.Get(v, id) }, s.showMember)
	})
}

// memberOfPath finds the member of a path for who may do something with it.
func (s *Service) memberOfPath(r store.Reader, hr *api.Request, verb string) (*poolRow, *memberRow, error) {
	p, err := s.poolOfPath(r, hr)
	if err != nil {
		return nil, nil, err
	}
	m, err := find(r, s.Members, "Member", hr.PathValue("id"))
	if err != nil {
		return nil, nil, err
	}
	if err := s.demand(hr.Caller, "member:"+verb, m.ProjectID); err != nil {
		return nil, nil, err
	}
	if m.PoolID != p.ID {
		return nil, nil, notFound("Member", m.ID)
	}
	return p, m, nil
}

func (s *Service) showOneMember(r *api.Request) (api.Reply, error) {
	q, err := readQuery(r)
	if err != nil {
		return api.Reply{}, err
	}
	return s.look(func(v store.Reader) (api.Reply, error) {
		_, m, err := s.memberOfPath(v, r, "get_one")
		if err != nil {
			return api.Reply{}, err
		}
		return ok("member", q.choose(s.showMember(v, m)))
	})
}

// checkAddress refuses the address of metadata services.
func checkAddress(address string) error {
	if address == "" {
		return serverError("None does not appear to be an IPv4 or IPv6 address")
	}
	if a, err := netip.ParseAddr(address); err == nil && a == netip.AddrFrom4([4]byte{169, 254, 169, 254}) {
		return invalidOption(strings.ToUpper(a.StringExpanded()), "member address")
	}
	return nil
}

// newMember is a member as a body describes it, with Octavia's defaults.
func (s *Service) newMember(tx *store.Tx, p *poolRow, body wsme.Object) (*memberRow, error) {
	meta, err := s.newMeta(body, p.ProjectID)
	if err != nil {
		return nil, placeTaken(body.String("address"), body.Int("protocol_port", 0))
	}
	m := &memberRow{
		LBMeta: meta, PoolID: p.ID, Address: body.String("address"), ProtocolPort: body.Int("protocol_port", 0),
		SubnetID: body.Text("subnet_id"), Weight: 1,
	}
	m.Description, m.OperatingStatus = "", noMonitor
	if s.monitorOf(tx, p.ID) != nil {
		m.OperatingStatus = offline
	}
	setMember(m, body)
	if m.ProtocolPort == 0 || body.Null("backup") {
		return nil, unknown()
	}
	return m, nil
}

func placeTaken(address string, port int) error {
	return conflict("Another member on this pool is already using ip %s on protocol_port %d", address, port)
}

// setMember takes over what a body says of a member.
func setMember(m *memberRow, body wsme.Object) {
	if body.Has("weight") {
		m.Weight = body.Int("weight", 1)
	}
	m.Backup = body.Bool("backup", m.Backup)
	optionalText(body, "monitor_address", &m.MonitorAddress)
	if body.Has("monitor_port") {
		m.MonitorPort = body.Number("monitor_port")
	}
}

func (s *Service) createMember(r *api.Request) (api.Reply, error) {
	body, err := read(r, "member_", "member", memberPOST, "address")
	if err != nil {
		return api.Reply{}, err
	}
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		p, err := s.poolOfPath(tx, r)
		if err != nil {
			return api.Reply{}, err
		}
		lb, d, err := s.place(tx, r.Caller, p.LoadBalancerID, "member:post")
		if err != nil {
			return api.Reply{}, err
		}
		if err := checkAddress(body.String("address")); err != nil {
			return api.Reply{}, err
		}
		if err := s.checkMemberSubnet(tx, r.Caller, body); err != nil {
			return api.Reply{}, err
		}
		if err := s.withinQuota(tx, p.ProjectID, "member", 1); err != nil {
			return api.Reply{}, err
		}
		m, err := s.newMember(tx, p, body)
		if err != nil {
			return api.Reply{}, err
		}
		if err := s.lockPool(tx, lb, p); err != nil {
			return api.Reply{}, err
		}
		if err := s.putMember(tx, m); err != nil {
			return api.Reply{}, err
		}
		if err := d.member(tx, lb, p, m); err != nil {
			return api.Reply{}, err
		}
		s.decide(tx, d, m)
		edit(s, tx, s.LBPools, p.ID, func(p *poolRow) { d.members(p, 1) })
		return created("member", s.showMember(tx, m))
	})
}

func (s *Service) checkMemberSubnet(r store.Reader, c api.Caller, body wsme.Object) error {
	if id := body.Text("subnet_id"); id != nil {
		_, err := s.visibleSubnet(r, c, *id)
		return err
	}
	return nil
}

// putMember stores a new member, unless another one is at the same place.
func (s *Service) putMember(tx *store.Tx, m *memberRow) error {
	for other := range s.Members.By(tx, s.Index.MemberByPool, m.PoolID) {
		if other.Address == m.Address && other.ProtocolPort == m.ProtocolPort {
			return placeTaken(m.Address, m.ProtocolPort)
		}
	}
	s.Members.Put(tx, m)
	return nil
}

// decide has a provider decide on a member's next operating status. updated_at
// of a new member stays null.
func (s *Service) decide(tx *store.Tx, d driver, m *memberRow) {
	decided := *m
	d.nextMember(tx, s.LBPools.Get(tx, m.PoolID), &decided)
	if decided.Next == decided.OperatingStatus {
		decided.Next = ""
	}
	s.Members.Put(tx, &decided)
}

func (s *Service) updateMember(r *api.Request) (api.Reply, error) {
	body, err := read(r, "member_", "member", memberPUT, "backup")
	if err != nil {
		return api.Reply{}, err
	}
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		p, old, err := s.memberOfPath(tx, r, "put")
		if err != nil {
			return api.Reply{}, err
		}
		lb, d, err := s.place(tx, r.Caller, p.LoadBalancerID, "member:put")
		if err != nil {
			return api.Reply{}, err
		}
		if err := s.lockPool(tx, lb, p); err != nil {
			return api.Reply{}, err
		}
		m := edit(s, tx, s.Members, old.ID, func(m *memberRow) {
			err = setMeta(&m.LBMeta, body)
			setMember(m, body)
			m.ProvisioningStatus = pendingUpdate
		})
		if err != nil {
			return api.Reply{}, err
		}
		if err := d.memberUpdate(lb, m); err != nil {
			return api.Reply{}, err
		}
		if body.Has("admin_state_up") {
			s.decide(tx, d, m)
		}
		return ok("member", s.showMember(tx, m))
	})
}

func (s *Service) deleteMember(r *api.Request) (api.Reply, error) {
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		p, m, err := s.memberOfPath(tx, r, "delete")
		if err != nil {
			return api.Reply{}, err
		}
		lb, d, err := s.place(tx, r.Caller, p.LoadBalancerID, "member:delete")
		if err != nil {
			return api.Reply{}, err
		}
		if err := s.lockPool(tx, lb, p); err != nil {
			return api.Reply{}, err
		}
		pend(s, tx, s.Members, m.ID, pendingDelete)
		left := s.Members.Count(tx, s.Index.MemberByPool, p.ID) - 1
		edit(s, tx, s.LBPools, p.ID, func(p *poolRow) { d.members(p, left) })
		return done()
	})
}
