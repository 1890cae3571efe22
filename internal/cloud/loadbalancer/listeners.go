// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"net/http"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/loadbalancer/wsme"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func (s *Service) serveListeners() {
	s.handle(http.MethodPost, "/listeners", s.createListener)
	s.handle(http.MethodPut, "/listeners/{id}", s.updateListener)
	s.handle(http.MethodDelete, "/listeners/{id}", s.deleteListener)
	s.handle(http.MethodGet, "/listeners/{id}/stats", func(r *api.Request) (api.Reply, error) {
		if _, err := readQuery(r); err != nil {
			return api.Reply{}, err
		}
		return s.look(func(v store.Reader) (api.Reply, error) {
			l, err := find(v, s.Listeners, "Listener", r.PathValue("id"))
			if err == nil {
				err = s.demand(r.Caller, "listener:get_stats", l.ProjectID)
			}
			if err != nil {
				return api.Reply{}, err
			}
			return ok("stats", s.statistics(l.ID))
		})
	})
}

// place finds a load balancer and its provider for who may do something in it.
func (s *Service) place(tx *store.Tx, c api.Caller, id, action string) (*lbRow, driver, error) {
	lb, err := s.loadBalancerOf(tx, id)
	if err != nil {
		return nil, nil, err
	}
	if err := s.demand(c, action, lb.ProjectID); err != nil {
		return nil, nil, err
	}
	d, err := s.driver(lb.Provider)
	return lb, d, err
}

// nested is what Octavia stumbles over: its types have parts that only belong
// to the creation of a whole load balancer.
func nested(body wsme.Object, parts ...string) error {
	for _, part := range parts {
		if body.Object(part) != nil || len(body.Objects(part)) > 0 {
			return serverError("'dict' object has no attribute '_sa_instance_state'")
		}
	}
	return nil
}

func (s *Service) createListener(r *api.Request) (api.Reply, error) {
	body, err := read(r, "listener_", "listener", listenerPOST, "loadbalancer_id")
	if err != nil {
		return api.Reply{}, err
	}
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		lb, d, err := s.place(tx, r.Caller, body.String("loadbalancer_id"), "listener:post")
		if err != nil {
			return api.Reply{}, err
		}
		if err := s.withinQuota(tx, lb.ProjectID, "listener", 1); err != nil {
			return api.Reply{}, err
		}
		l, err := s.newListener(lb, body)
		if err != nil {
			return api.Reply{}, err
		}
		if err := s.checkDefaultPool(tx, l.LoadBalancerID, l.Protocol, l.DefaultPoolID); err != nil {
			return api.Reply{}, err
		}
		if err := s.lock(tx, lb); err != nil {
			return api.Reply{}, err
		}
		if err := s.checkListener(tx, lb, l); err != nil {
			return api.Reply{}, err
		}
		if err := nested(body, "default_pool", "l7policies"); err != nil {
			return api.Reply{}, err
		}
		if err := d.listener(l, body); err != nil {
			return api.Reply{}, err
		}
		s.putListener(tx, d, l)
		return created("listener", s.showListener(tx, l))
	})
}

// putListener makes a listener. To give it a pool counts as its first change.
func (s *Service) putListener(tx *store.Tx, d driver, l *listenerRow) {
	if l.DefaultPoolID != nil {
		l.UpdatedAt = &l.CreatedAt
	}
	d.nextListener(l)
	s.Listeners.Put(tx, l)
}

// newListener is a listener as a body describes it, with Octavia's defaults.
func (s *Service) newListener(lb *lbRow, body wsme.Object) (*listenerRow, error) {
	meta, err := s.newMeta(body, lb.ProjectID)
	if err != nil {
		// Octavia's database says only that something is there already.
		return nil, portTaken(body.String("protocol"), body.Int("protocol_port", 0))
	}
	l := &listenerRow{
		LBMeta: meta, LoadBalancerID: lb.ID, Protocol: body.String("protocol"), ProtocolPort: body.Int("protocol_port", 0),
		ClientAuthentication: "NONE", DefaultPoolID: body.Text("default_pool_id"),
	}
	s.setListener(l, body)
	def := func(to **int, otherwise int) {
		if *to == nil {
			*to = &otherwise
		}
	}
	def(&l.TimeoutClientData, timeoutClientData)
	def(&l.TimeoutMemberConnect, timeoutMemberConnect)
	def(&l.TimeoutMemberData, timeoutMemberData)
	def(&l.TimeoutTCPInspect, 0)
	if body.Null("connection_limit") || !body.Has("connection_limit") {
		l.ConnectionLimit = -1
	}
	if body.Null("client_authentication") {
		l.ClientAuthentication = ""
	}
	if l.Protocol == terminatedHTTPS {
		defaultTLS(&l.TLSCiphers, &l.TLSVersions, &l.ALPNProtocols)
	}
	return l, nil
}

// Octavia's defaults, in milliseconds.
const (
	timeoutClientData    = 50000
	timeoutMemberConnect = 5000
	timeoutMemberData    = 50000
)

// setListener takes over what a body says of a listener. What it sets to null
// is as by default.
func (s *Service) setListener(l *listenerRow, body wsme.Object) {
	number := func(name string, to **int, otherwise int) {
		if body.Has(name) {
			n := body.Int(name, otherwise)
			*to = &n
		}
	}
	number("timeout_client_data", &l.TimeoutClientData, timeoutClientData)
	number("timeout_member_connect", &l.TimeoutMemberConnect, timeoutMemberConnect)
	number("timeout_member_data", &l.TimeoutMemberData, timeoutMemberData)
	number("timeout_tcp_inspect", &l.TimeoutTCPInspect, 0)
	if body.Has("connection_limit") {
		l.ConnectionLimit = body.Int("connection_limit", -1)
	}
	optionalText(body, "default_tls_container_ref", &l.DefaultTLSRef)
	optionalText(body, "client_ca_tls_container_ref", &l.ClientCATLSRef)
	optionalText(body, "client_crl_container_ref", &l.ClientCRLRef)
	optionalText(body, "tls_ciphers", &l.TLSCiphers)
	if body.Has("client_authentication") {
		if l.ClientAuthentication = body.String("client_authentication"); l.ClientAuthentication == "" {
			l.ClientAuthentication = "NONE"
		}
	}
	if body.Has("sni_container_refs") {
		l.SNIRefs = body.Strings("sni_container_refs")
	}
	if body.Has("insert_headers") {
		l.InsertHeaders = body.Map("insert_headers")
	}
	if body.Has("allowed_cidrs") {
		l.AllowedCIDRs = distinct(body.Strings("allowed_cidrs"))
	}
	if body.Has("tls_versions") {
		l.TLSVersions = body.Strings("tls_versions")
	}
	if body.Has("alpn_protocols") {
		l.ALPNProtocols = body.Strings("alpn_protocols")
	}
}

func optionalText(body wsme.Object, name string, to **string) {
	if body.Has(name) {
		*to = body.Text(name)
	}
}

func (s *Service) updateListener(r *api.Request) (api.Reply, error) {
	body, err := read(r, "listener_", "listener", listenerPUT, "")
	if err != nil {
		return api.Reply{}, err
	}
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		old, err := find(tx, s.Listeners, "Listener", r.PathValue("id"))
		if err != nil {
			return api.Reply{}, err
		}
		lb, d, err := s.place(tx, r.Caller, old.LoadBalancerID, "listener:put")
		if err != nil {
			return api.Reply{}, err
		}
		if err := s.checkListenerUpdate(lb, old, body); err != nil {
			return api.Reply{}, err
		}
		if id := body.Text("default_pool_id"); id != nil {
			if err := s.checkDefaultPool(tx, old.LoadBalancerID, old.Protocol, id); err != nil {
				return api.Reply{}, err
			}
		}
		if err := s.lock(tx, lb); err != nil {
			return api.Reply{}, err
		}
		l := edit(s, tx, s.Listeners, old.ID, func(l *listenerRow) {
			err = setMeta(&l.LBMeta, body)
			s.setListener(l, body)
			defaultsForNull(body, &l.TLSCiphers, &l.TLSVersions, &l.ALPNProtocols)
			optionalText(body, "default_pool_id", &l.DefaultPoolID)
			l.ProvisioningStatus = pendingUpdate
			if body.Has("admin_state_up") {
				d.nextListener(l)
			}
		})
		if err != nil {
			return api.Reply{}, err
		}
		changed := *l
		if !body.Has("allowed_cidrs") {
			changed.AllowedCIDRs = nil // what a provider accepted once it is not asked again
		}
		if err := d.listener(&changed, body); err != nil {
			return api.Reply{}, err
		}
		return ok("listener", s.showListener(tx, l))
	})
}

func (s *Service) deleteListener(r *api.Request) (api.Reply, error) {
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		l, err := find(tx, s.Listeners, "Listener", r.PathValue("id"))
		if err != nil {
			return api.Reply{}, err
		}
		lb, _, err := s.place(tx, r.Caller, l.LoadBalancerID, "listener:delete")
		if err != nil {
			return api.Reply{}, err
		}
		if err := s.lock(tx, lb); err != nil {
			return api.Reply{}, err
		}
		pend(s, tx, s.Listeners, l.ID, pendingDelete)
		return done()
	})
}
