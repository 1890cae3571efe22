// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"net/http"
	"regexp"
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/loadbalancer/wsme"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func (s *Service) servePools() {
	s.handle(http.MethodPost, "/pools", s.createPool)
	s.handle(http.MethodPut, "/pools/{id}", s.updatePool)
	s.handle(http.MethodDelete, "/pools/{id}", s.deletePool)
}

func (s *Service) createPool(r *api.Request) (api.Reply, error) {
	body, err := read(r, "pool_", "pool", poolPOST, "loadbalancer_id")
	if err != nil {
		return api.Reply{}, err
	}
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		lb, d, l, err := s.placePool(tx, r.Caller, body)
		if err != nil {
			return api.Reply{}, err
		}
		if err := checkPersistence(body.Object("session_persistence"), body.String("protocol"), "UDP and SCTP"); err != nil {
			return api.Reply{}, err
		}
		if err := s.withinQuota(tx, lb.ProjectID, "pool", 1); err != nil {
			return api.Reply{}, err
		}
		if body.Text("listener_id") != nil {
			if l = s.Listeners.Get(tx, body.String("listener_id")); l != nil && l.DefaultPoolID != nil {
				return api.Reply{}, conflict("This listener already has a default pool")
			}
		}
		if err := s.lock(tx, lb); err != nil {
			return api.Reply{}, err
		}
		p, err := s.newPool(lb, body)
		if err != nil {
			return api.Reply{}, err
		}
		if err := nested(body, "healthmonitor", "members"); err != nil {
			return api.Reply{}, err
		}
		if err := d.pool(p, body); err != nil {
			return api.Reply{}, err
		}
		d.nextPool(p, true, l != nil)
		s.LBPools.Put(tx, p)
		if l != nil {
			edit(s, tx, s.Listeners, l.ID, func(l *listenerRow) { l.ProvisioningStatus, l.DefaultPoolID = pendingUpdate, &p.ID })
		}
		return created("pool", s.showPool(tx, p))
	})
}

// placePool finds where a new pool shall be: in a load balancer, or at a listener.
func (s *Service) placePool(tx *store.Tx, c api.Caller, body wsme.Object) (*lbRow, driver, *listenerRow, error) {
	var l *listenerRow
	id := body.String("loadbalancer_id")
	if id == "" {
		if body.String("listener_id") == "" {
			return nil, nil, nil, validation("Must provide at least one of: loadbalancer_id, listener_id")
		}
		if l = s.Listeners.Get(tx, body.String("listener_id")); l == nil {
			return nil, nil, nil, serverError("'NoneType' object has no attribute 'load_balancer_id'")
		}
		id = l.LoadBalancerID
	}
	lb, d, err := s.place(tx, c, id, "pool:post")
	if err != nil || l == nil {
		return lb, d, nil, err
	}
	if l.Protocol == prometheus {
		return nil, nil, nil, noChildren()
	}
	return lb, d, l, checkProtocols(l.Protocol, body.String("protocol"))
}

// newPool is a pool as a body describes it, with Octavia's defaults.
func (s *Service) newPool(lb *lbRow, body wsme.Object) (*poolRow, error) {
	meta, err := s.newMeta(body, lb.ProjectID)
	if err != nil {
		return nil, err
	}
	p := &poolRow{LBMeta: meta, LoadBalancerID: lb.ID, Protocol: body.String("protocol")}
	setPool(p, body)
	if p.TLSEnabled {
		defaultTLS(&p.TLSCiphers, &p.TLSVersions, &p.ALPNProtocols)
	}
	if err := checkPool(p); err != nil {
		return nil, err
	}
	return p, complete(p)
}

// complete refuses nulls where Octavia's database does.
func complete(p *poolRow) error {
	if p.Protocol == "" || p.LBAlgorithm == "" || p.SessionPersistence != nil && p.SessionPersistence.Type == "" {
		return unknown()
	}
	return nil
}

// checkPool checks a new pool (octavia/api/v2/controllers/pool.py, _validate_create_pool).
func checkPool(p *poolRow) error {
	if set(p.CRLRef) && !set(p.CATLSRef) {
		return validation("A CA certificate reference is required to specify a revocation list.")
	}
	if err := retrieve(texts(p.TLSRef)...); err != nil {
		return err
	}
	if set(p.CATLSRef) {
		return retrieve(append(texts(p.CATLSRef), texts(p.CRLRef)...)...)
	}
	if err := checkCiphers(p.TLSCiphers); err != nil || !p.TLSEnabled {
		return err
	}
	if err := checkVersions(p.TLSVersions); err != nil {
		return err
	}
	return checkALPN(p.ALPNProtocols)
}

// setPool takes over what a body says of a pool.
func setPool(p *poolRow, body wsme.Object) {
	if body.Has("lb_algorithm") {
		p.LBAlgorithm = body.String("lb_algorithm")
	}
	if body.Has("session_persistence") {
		p.SessionPersistence = persistence(body.Object("session_persistence"))
	}
	optionalText(body, "tls_container_ref", &p.TLSRef)
	optionalText(body, "ca_tls_container_ref", &p.CATLSRef)
	optionalText(body, "crl_container_ref", &p.CRLRef)
	optionalText(body, "tls_ciphers", &p.TLSCiphers)
	p.TLSEnabled = body.Bool("tls_enabled", p.TLSEnabled)
	if body.Has("tls_versions") {
		p.TLSVersions = body.Strings("tls_versions")
	}
	if body.Has("alpn_protocols") {
		p.ALPNProtocols = body.Strings("alpn_protocols")
	}
}

func persistence(body wsme.Object) *model.SessionPersistence {
	if body == nil {
		return nil
	}
	return &model.SessionPersistence{
		Type: body.String("type"), CookieName: body.Text("cookie_name"),
		Timeout: body.Number("persistence_timeout"), Granularity: body.Text("persistence_granularity"),
	}
}

// badCookie finds what no cookie's name has.
var badCookie = regexp.MustCompile(`[\x00-\x20\x22\x28-\x29\x2c\x2f\x3a-\x40\x5b-\x5d\x7b\x7d\x7f]`)

// checkPersistence checks a session persistence whose type is known. protocols
// are those that errors say can have a timeout.
func checkPersistence(body wsme.Object, protocol, protocols string) error {
	if body == nil {
		return nil
	}
	kind, cookie := body.String("type"), body.String("cookie_name")
	if layer4(protocol) == "TCP" {
		if body.Int("persistence_timeout", 0) != 0 || body.String("persistence_granularity") != "" {
			return validation("persistence_timeout and persistence_granularity is only for %s protocol pools.", protocols)
		}
	} else if err := checkPacketPersistence(kind, cookie); err != nil {
		return err
	}
	switch {
	case !body.Has("type"):
		return validation("Invalid session_persistence provided.")
	case cookie != "" && kind != "APP_COOKIE":
		return validation(`Field "cookie_name" can only be specified with session persistence of type "APP_COOKIE".`)
	case cookie != "" && badCookie.MatchString(cookie):
		return validation(`Supplied "cookie_name" is invalid.`)
	case cookie == "" && kind == "APP_COOKIE":
		return validation(`Field "cookie_name" must be specified when using the "APP_COOKIE" session persistence type.`)
	}
	return nil
}

// checkPacketPersistence checks that of pools of UDP and SCTP.
func checkPacketPersistence(kind, cookie string) error {
	switch {
	case kind == "SOURCE_IP" && cookie != "":
		return validation("session_persistence SOURCE_IP type for UDP and SCTP protocols only accepts: type, persistence_timeout, persistence_granularity.")
	case cookie != "":
		return validation("Cookie names are not supported for UDP/SCTP pools.")
	case slices.Contains([]string{"HTTP_COOKIE", "APP_COOKIE"}, kind):
		return validation("Session persistence of type %s is not supported for UDP/SCTP protocol pools.", kind)
	}
	return nil
}

// toChangePool finds a pool, its load balancer and provider for who may change it.
func (s *Service) toChangePool(tx *store.Tx, r *api.Request, verb string) (*poolRow, *lbRow, driver, error) {
	p, err := find(tx, s.LBPools, "Pool", r.PathValue("id"))
	if err != nil {
		return nil, nil, nil, err
	}
	lb, d, err := s.place(tx, r.Caller, p.LoadBalancerID, "pool:"+verb)
	return p, lb, d, err
}

func (s *Service) updatePool(r *api.Request) (api.Reply, error) {
	body, err := read(r, "pool_", "pool", poolPUT, "tls_versions")
	if err != nil {
		return api.Reply{}, err
	}
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		old, lb, d, err := s.toChangePool(tx, r, "put")
		if err != nil {
			return api.Reply{}, err
		}
		if err := checkPoolUpdate(old, body); err != nil {
			return api.Reply{}, err
		}
		if err := s.lock(tx, lb); err != nil {
			return api.Reply{}, err
		}
		s.lockListeners(tx, s.usersOf(tx, old.ID))
		p := edit(s, tx, s.LBPools, old.ID, func(p *poolRow) {
			err = setMeta(&p.LBMeta, body)
			setPool(p, body)
			alpn := p.ALPNProtocols
			defaultsForNull(body, &p.TLSCiphers, &p.TLSVersions, &p.ALPNProtocols)
			p.ALPNProtocols = alpn // which alone may be null
			p.ProvisioningStatus = pendingUpdate
			if body.Has("admin_state_up") {
				d.nextPool(p, false, false)
			}
		})
		if err != nil {
			return api.Reply{}, err
		}
		if err := d.pool(p, body); err != nil {
			return api.Reply{}, err
		}
		if err := complete(p); err != nil {
			return api.Reply{}, err
		}
		return ok("pool", s.showPool(tx, p))
	})
}

// checkPoolUpdate checks an update (_validate_pool_PUT).
func checkPoolUpdate(old *poolRow, body wsme.Object) error {
	sp := body.Object("session_persistence")
	if sp != nil && !sp.Has("type") && old.SessionPersistence != nil {
		sp["type"] = old.SessionPersistence.Type
	}
	if err := checkPersistence(sp, old.Protocol, "UDP"); err != nil {
		return err
	}
	ca, crl := texts(old.CATLSRef), texts(old.CRLRef)
	if body.Has("crl_container_ref") {
		crl = texts(body.Text("crl_container_ref"))
	}
	if body.Has("ca_tls_container_ref") {
		given := texts(body.Text("ca_tls_container_ref"))
		if given == nil && ca != nil && crl != nil {
			return validation("A CA reference cannot be removed when a certificate revocation list is present.")
		}
		ca = given
	}
	if crl != nil && ca == nil {
		return validation("A CA reference is required to specify a certificate revocation list.")
	}
	if err := retrieve(texts(body.Text("tls_container_ref"))...); err != nil {
		return err
	}
	if ca != nil {
		return retrieve(append(ca, crl...)...)
	}
	return checkTLS(body)
}

func (s *Service) deletePool(r *api.Request) (api.Reply, error) {
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		p, lb, _, err := s.toChangePool(tx, r, "delete")
		if err != nil {
			return api.Reply{}, err
		}
		if policy := s.L7Policies.First(tx, s.Index.L7PolicyByPool, p.ID); policy != nil {
			return api.Reply{}, conflict("Pool %s is in use by L7 policy %s", p.ID, policy.ID)
		}
		if err := s.lock(tx, lb); err != nil {
			return api.Reply{}, err
		}
		s.lockListeners(tx, s.usersOf(tx, p.ID))
		pend(s, tx, s.LBPools, p.ID, pendingDelete)
		return done()
	})
}
