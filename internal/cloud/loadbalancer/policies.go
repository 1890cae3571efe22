// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package loadbalancer

import (
	"net/http"
	"slices"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/loadbalancer/wsme"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

// The actions of L7 policies.
const (
	reject         = "REJECT"
	redirectURL    = "REDIRECT_TO_URL"
	redirectPool   = "REDIRECT_TO_POOL"
	redirectPrefix = "REDIRECT_PREFIX"
)

// redirectCode is the HTTP status of a redirection that says no other.
const redirectCode = 302

func (s *Service) servePolicies() {
	s.handle(http.MethodPost, "/l7policies", s.createPolicy)
	s.handle(http.MethodPut, "/l7policies/{id}", s.updatePolicy)
	s.handle(http.MethodDelete, "/l7policies/{id}", s.deletePolicy)
}

func badPolicy(message string) error { return badRequest("Invalid L7 Policy arguments: %s", message) }

// sanitize checks what a body says of where an L7 policy sends requests, and
// completes it: a target brings its action with it, and leaves no other target
// (octavia/common/validate.py, sanitize_l7policy_api_args).
func sanitize(body wsme.Object) error {
	url, prefix, pool := body.String("redirect_url"), body.String("redirect_prefix"), body.String("redirect_pool_id")
	if body.Has("action") {
		switch action := body.String("action"); {
		case action == "":
			return badRequest("Invalid L7 Policy action specified: None")
		case action == redirectURL && url == "":
			return badPolicy("redirect_url must not be None")
		case action == redirectPool && pool == "":
			return badPolicy("redirect_pool_id or redirect_pool must not be None")
		case action == redirectPrefix && prefix == "":
			return badPolicy("redirect_prefix must not be None")
		case action == reject:
			url, pool = "", ""
			body["redirect_url"], body["redirect_pool_id"] = nil, nil
		case action == redirectURL:
			pool = ""
			body["redirect_pool_id"] = nil
		case action == redirectPool:
			url = ""
			body["redirect_url"] = nil
		}
	}
	switch {
	case pool != "" && (url != "" || prefix != ""):
		return badPolicy("Cannot specify redirect_pool_id and redirect_url or redirect_prefix at the same time")
	case url != "":
		body["action"] = redirectURL
	case prefix != "":
		body["action"] = redirectPrefix
	case pool != "":
		body["action"] = redirectPool
	}
	if len(body) == 0 {
		return badPolicy("Invalid update options")
	}
	return nil
}

// setPolicy takes over what a sanitized body says of an L7 policy.
func setPolicy(p *policyRow, body wsme.Object) {
	optionalText(body, "redirect_url", &p.RedirectURL)
	optionalText(body, "redirect_prefix", &p.RedirectPrefix)
	optionalText(body, "redirect_pool_id", &p.RedirectPoolID)
	if body.Has("redirect_http_code") {
		p.RedirectHTTPCode = body.Number("redirect_http_code")
	}
	if !body.Has("action") {
		return
	}
	p.Action = body.String("action")
	if p.Action != redirectURL {
		p.RedirectURL = nil
	}
	if p.Action != redirectPrefix {
		p.RedirectPrefix = nil
	}
	if p.Action != redirectPool {
		p.RedirectPoolID = nil
	}
	switch {
	case p.Action == reject || p.Action == redirectPool:
		p.RedirectHTTPCode = nil
	case body.Number("redirect_http_code") == nil:
		code := redirectCode
		p.RedirectHTTPCode = &code
	}
}

// checkTarget: the pool of a redirection has to be of the same load balancer.
func (s *Service) checkTarget(r store.Reader, l *listenerRow, p *policyRow) error {
	if p.RedirectPoolID == nil {
		return nil
	}
	if pool := s.LBPools.Get(r, *p.RedirectPoolID); pool == nil || pool.LoadBalancerID != l.LoadBalancerID {
		return notFound("Pool", *p.RedirectPoolID)
	}
	return nil
}

// checkRedirect: it has to exist, and to be of a protocol that the listener can send.
func (s *Service) checkRedirect(r store.Reader, l *listenerRow, body wsme.Object) error {
	id := body.String("redirect_pool_id")
	if id == "" {
		return nil
	}
	pool, err := find(r, s.LBPools, "Pool", id)
	if err != nil {
		return err
	}
	return checkProtocols(l.Protocol, pool.Protocol)
}

func (s *Service) createPolicy(r *api.Request) (api.Reply, error) {
	body, err := read(r, "l7policy_", "l7policy", policyPOST, "listener_id")
	if err != nil {
		return api.Reply{}, err
	}
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		l, err := find(tx, s.Listeners, "Listener", body.String("listener_id"))
		if err != nil {
			return api.Reply{}, err
		}
		lb, d, err := s.place(tx, r.Caller, l.LoadBalancerID, "l7policy:post")
		if err != nil {
			return api.Reply{}, err
		}
		if l.Protocol == prometheus {
			return api.Reply{}, noChildren()
		}
		if err := s.checkRedirect(tx, l, body); err != nil {
			return api.Reply{}, err
		}
		if err := s.withinQuota(tx, lb.ProjectID, "l7policy", 1); err != nil {
			return api.Reply{}, err
		}
		if err := s.lockListener(tx, lb, l); err != nil {
			return api.Reply{}, err
		}
		p, err := s.putPolicy(tx, l, body)
		if err != nil {
			return api.Reply{}, err
		}
		if err := nested(body, "rules"); err != nil {
			return api.Reply{}, err
		}
		if err := d.policy(l, "creating"); err != nil {
			return api.Reply{}, err
		}
		return created("l7policy", s.showPolicy(tx, p))
	})
}

// lockListener is lock for a change to something in a listener, which becomes
// PENDING_UPDATE too.
func (s *Service) lockListener(tx *store.Tx, lb *lbRow, l *listenerRow) error {
	if err := s.lock(tx, lb); err != nil {
		return err
	}
	pend(s, tx, s.Listeners, l.ID, pendingUpdate)
	return nil
}

// putPolicy makes an L7 policy, at its position among those of its listener.
func (s *Service) putPolicy(tx *store.Tx, l *listenerRow, body wsme.Object) (*policyRow, error) {
	if err := sanitize(body); err != nil {
		return nil, err
	}
	if err := s.checkRules(body.Objects("rules")); err != nil {
		return nil, err
	}
	meta, err := s.newMeta(body, l.ProjectID)
	if err != nil {
		return nil, err
	}
	p := &policyRow{LBMeta: meta, ListenerID: l.ID}
	setPolicy(p, body)
	if err := s.checkTarget(tx, l, p); err != nil {
		return nil, err
	}
	all := slices.Collect(s.policiesOf(tx, l.ID))
	s.L7Policies.Put(tx, p)
	s.order(tx, slices.Insert(all, min(body.Int("position", maxPosition)-1, len(all)), p))
	return s.L7Policies.Get(tx, p.ID), nil
}

// order gives L7 policies the positions that they have here.
func (s *Service) order(tx *store.Tx, all []*policyRow) {
	for i, p := range all {
		if p.Position == i+1 {
			continue
		}
		moved := *p
		moved.Position = i + 1
		s.L7Policies.Put(tx, &moved)
	}
}

// toChangePolicy finds an L7 policy, its listener, load balancer and provider
// for who may change it.
func (s *Service) toChangePolicy(tx *store.Tx, c api.Caller, id, action string) (*policyRow, *listenerRow, *lbRow, driver, error) {
	p, err := find(tx, s.L7Policies, "L7 Policy", id)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	l, err := find(tx, s.Listeners, "Listener", p.ListenerID)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	lb, d, err := s.place(tx, c, l.LoadBalancerID, action)
	return p, l, lb, d, err
}

func (s *Service) updatePolicy(r *api.Request) (api.Reply, error) {
	body, err := read(r, "l7policy_", "l7policy", policyPUT, "to_dict")
	if err != nil {
		return api.Reply{}, err
	}
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		old, l, lb, d, err := s.toChangePolicy(tx, r.Caller, r.PathValue("id"), "l7policy:put")
		if err != nil {
			return api.Reply{}, err
		}
		if err := sanitize(body); err != nil {
			return api.Reply{}, err
		}
		if err := s.checkRedirect(tx, l, body); err != nil {
			return api.Reply{}, err
		}
		if err := s.lockListener(tx, lb, l); err != nil {
			return api.Reply{}, err
		}
		if err := d.policy(l, "updating"); err != nil {
			return api.Reply{}, err
		}
		p := edit(s, tx, s.L7Policies, old.ID, func(p *policyRow) {
			err = setMeta(&p.LBMeta, body)
			setPolicy(p, body)
			p.ProvisioningStatus = pendingUpdate
		})
		if err != nil {
			return api.Reply{}, err
		}
		if err := s.checkTarget(tx, l, p); err != nil {
			return api.Reply{}, err
		}
		if n := body.Number("position"); n != nil && *n != p.Position {
			rest := slices.DeleteFunc(slices.Collect(s.policiesOf(tx, l.ID)), func(x *policyRow) bool { return x.ID == p.ID })
			s.order(tx, slices.Insert(rest, min(*n-1, len(rest)), p))
		}
		return ok("l7policy", s.showPolicy(tx, s.L7Policies.Get(tx, p.ID)))
	})
}

func (s *Service) deletePolicy(r *api.Request) (api.Reply, error) {
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		p, l, lb, d, err := s.toChangePolicy(tx, r.Caller, r.PathValue("id"), "l7policy:delete")
		if err != nil {
			return api.Reply{}, err
		}
		if err := s.lockListener(tx, lb, l); err != nil {
			return api.Reply{}, err
		}
		if err := d.policy(l, "deleting"); err != nil {
			return api.Reply{}, err
		}
		pend(s, tx, s.L7Policies, p.ID, pendingDelete)
		return done()
	})
}
