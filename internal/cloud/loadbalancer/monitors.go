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

// minUDPDelay is the least delay of a UDP-CONNECT monitor, in seconds.
const minUDPDelay = 3

func (s *Service) serveMonitors() {
	s.handle(http.MethodPost, "/healthmonitors", s.createMonitor)
	s.handle(http.MethodPut, "/healthmonitors/{id}", s.updateMonitor)
	s.handle(http.MethodDelete, "/healthmonitors/{id}", s.deleteMonitor)
}

func (s *Service) createMonitor(r *api.Request) (api.Reply, error) {
	body, err := read(r, "health_monitor_", "healthmonitor", monitorPOST, "pool_id")
	if err != nil {
		return api.Reply{}, err
	}
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		p, err := find(tx, s.LBPools, "Pool", body.String("pool_id"))
		if err != nil {
			return api.Reply{}, err
		}
		lb, d, err := s.place(tx, r.Caller, p.LoadBalancerID, "healthmonitor:post")
		if err != nil {
			return api.Reply{}, err
		}
		if err := checkMonitorType(body.String("type"), body.Int("delay", 0), p.Protocol); err != nil {
			return api.Reply{}, err
		}
		if err := s.withinQuota(tx, lb.ProjectID, "health_monitor", 1); err != nil {
			return api.Reply{}, err
		}
		if err := s.lockPool(tx, lb, p); err != nil {
			return api.Reply{}, err
		}
		hm, err := s.putMonitor(tx, d, p, body)
		if err != nil {
			return api.Reply{}, err
		}
		return created("healthmonitor", s.showMonitor(tx, hm))
	})
}

// putMonitor makes the health monitor of a pool.
func (s *Service) putMonitor(tx *store.Tx, d driver, p *poolRow, body wsme.Object) (*monitorRow, error) {
	hm, err := s.newMonitor(p, body)
	if err != nil {
		return nil, err
	}
	if s.monitorOf(tx, p.ID) != nil {
		return nil, monitorExists()
	}
	if err := d.monitor(hm); err != nil {
		return nil, err
	}
	edit(s, tx, s.LBPools, p.ID, func(p *poolRow) { d.nextMonitor(tx, p, hm, true) })
	s.HealthMonitors.Put(tx, hm)
	return hm, nil
}

func monitorExists() error { return conflict("This pool already has a health monitor") }

// checkMonitorType checks that a monitor can monitor members of a protocol.
func checkMonitorType(kind string, delay int, protocol string) error {
	if layer4(protocol) == "TCP" {
		if kind == "UDP-CONNECT" || kind == "SCTP" {
			return validation("The %s type is only supported for pools of type UDP/SCTP.", kind)
		}
		return nil
	}
	if !slices.Contains([]string{"UDP-CONNECT", "SCTP", "TCP", "HTTP"}, kind) {
		return validation("The associated pool protocol is %s, so only a UDP-CONNECT/SCTP/TCP/HTTP health monitor is supported.", protocol)
	}
	if kind == "UDP-CONNECT" && delay < minUDPDelay {
		return validation("The request delay value %d should be larger than %d for UDP-CONNECT health monitor type.", delay, minUDPDelay)
	}
	return nil
}

// speaksHTTP tells whether monitors of a type ask by HTTP.
func speaksHTTP(kind string) bool { return kind == "HTTP" || kind == "HTTPS" }

// newMonitor is a health monitor as a body describes it, with Octavia's
// defaults (octavia/api/v2/controllers/health_monitor.py, _validate_create_hm).
func (s *Service) newMonitor(p *poolRow, body wsme.Object) (*monitorRow, error) {
	for _, name := range []string{"type", "delay", "timeout", "max_retries"} {
		if body.Null(name) {
			return nil, invalidOption("None", name)
		}
	}
	meta, err := s.newMeta(body, p.ProjectID)
	if err != nil {
		return nil, monitorExists()
	}
	hm := &monitorRow{LBMeta: meta, PoolID: p.ID, Type: body.String("type"), MaxRetriesDown: 3}
	setMonitor(hm, body)
	for _, http := range []struct {
		name, otherwise string
		value           **string
	}{{"http_method", "GET", &hm.HTTPMethod}, {"url_path", "/", &hm.URLPath}, {"expected_codes", "200", &hm.ExpectedCodes}} {
		switch {
		case speaksHTTP(hm.Type) && !set(*http.value):
			*http.value = &http.otherwise
		case !speaksHTTP(hm.Type) && set(*http.value):
			return nil, invalidOption(http.name, "health monitors of type "+hm.Type)
		}
	}
	return hm, checkDomain(hm)
}

// checkDomain: a domain name needs a version of HTTP that has a Host header.
func checkDomain(hm *monitorRow) error {
	if !set(hm.DomainName) {
		return nil
	}
	if hm.HTTPVersion == nil {
		return validation("'http_version' must be specified when 'domain_name' is provided.")
	}
	if *hm.HTTPVersion < 1.1 {
		return invalidOption("http_version "+wsme.Repr(*hm.HTTPVersion), "health monitors HTTP 1.1 domain name health check")
	}
	return nil
}

// setMonitor takes over what a body says of a health monitor.
func setMonitor(hm *monitorRow, body wsme.Object) {
	number := func(name string, to *int) {
		if n := body.Number(name); n != nil {
			*to = *n
		}
	}
	number("delay", &hm.Delay)
	number("timeout", &hm.Timeout)
	number("max_retries", &hm.MaxRetries)
	number("max_retries_down", &hm.MaxRetriesDown)
	optionalText(body, "http_method", &hm.HTTPMethod)
	optionalText(body, "url_path", &hm.URLPath)
	optionalText(body, "expected_codes", &hm.ExpectedCodes)
	optionalText(body, "domain_name", &hm.DomainName)
	if body.Has("http_version") {
		hm.HTTPVersion = body.Float("http_version")
	}
}

// toChangeMonitor finds a health monitor, its pool, load balancer and provider
// for who may change it.
func (s *Service) toChangeMonitor(tx *store.Tx, r *api.Request, verb string) (*monitorRow, *poolRow, *lbRow, driver, error) {
	hm, err := find(tx, s.HealthMonitors, "Health Monitor", r.PathValue("id"))
	if err != nil {
		return nil, nil, nil, nil, err
	}
	p, err := find(tx, s.LBPools, "Pool", hm.PoolID)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	lb, d, err := s.place(tx, r.Caller, p.LoadBalancerID, "healthmonitor:"+verb)
	return hm, p, lb, d, err
}

func (s *Service) updateMonitor(r *api.Request) (api.Reply, error) {
	body, err := read(r, "health_monitor_", "healthmonitor", monitorPUT, "http_method")
	if err != nil {
		return api.Reply{}, err
	}
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		old, p, lb, d, err := s.toChangeMonitor(tx, r, "put")
		if err != nil {
			return api.Reply{}, err
		}
		if err := checkMonitorUpdate(old, p, body); err != nil {
			return api.Reply{}, err
		}
		if err := s.lockPool(tx, lb, p); err != nil {
			return api.Reply{}, err
		}
		hm := edit(s, tx, s.HealthMonitors, old.ID, func(hm *monitorRow) {
			err = setMeta(&hm.LBMeta, body)
			setMonitor(hm, body)
			defaultsOfMonitor(hm, body)
			hm.ProvisioningStatus = pendingUpdate
			d.nextMonitor(tx, p, hm, false)
		})
		if err != nil {
			return api.Reply{}, err
		}
		return ok("healthmonitor", s.showMonitor(tx, hm))
	})
}

// defaultsOfMonitor has what an update sets to null be as by default.
func defaultsOfMonitor(hm *monitorRow, body wsme.Object) {
	def := func(name, otherwise string, to **string) {
		if body.Null(name) {
			*to = &otherwise
		}
	}
	def("http_method", "GET", &hm.HTTPMethod)
	def("url_path", "/", &hm.URLPath)
	def("expected_codes", "200", &hm.ExpectedCodes)
	if body.Null("max_retries_down") {
		hm.MaxRetriesDown = 3
	}
}

// checkMonitorUpdate checks an update (_validate_update_hm).
func checkMonitorUpdate(old *monitorRow, p *poolRow, body wsme.Object) error {
	if !speaksHTTP(old.Type) {
		for _, name := range []string{"http_method", "url_path", "expected_codes"} {
			if body.Has(name) {
				return invalidOption(name, "health monitors of type "+old.Type)
			}
		}
	}
	for _, name := range []string{"delay", "max_retries", "timeout"} {
		if body.Null(name) {
			return invalidOption("None", name)
		}
	}
	changed := *old
	if body.Float("http_version") != nil {
		changed.HTTPVersion = body.Float("http_version")
	}
	if set(body.Text("domain_name")) {
		changed.DomainName = body.Text("domain_name")
	}
	if err := checkDomain(&changed); err != nil {
		return err
	}
	if layer4(p.Protocol) == "TCP" {
		return nil
	}
	return checkMonitorType(old.Type, body.Int("delay", old.Delay), p.Protocol)
}

func (s *Service) deleteMonitor(r *api.Request) (api.Reply, error) {
	return s.change(func(tx *store.Tx) (api.Reply, error) {
		hm, p, lb, _, err := s.toChangeMonitor(tx, r, "delete")
		if err != nil {
			return api.Reply{}, err
		}
		if err := s.lockPool(tx, lb, p); err != nil {
			return api.Reply{}, err
		}
		pend(s, tx, s.HealthMonitors, hm.ID, pendingDelete)
		return done()
	})
}
