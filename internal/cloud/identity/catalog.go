// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"regexp"
	"slices"
	"strings"

	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func (m routes) catalogue() {
	s := m.s
	m.handle("GET /v3/regions", s.listRegions)
	m.handle("GET /v3/regions/{region}", s.showRegion)
	m.handle("POST /v3/regions", s.createRegion)
	m.handle("PUT /v3/regions/{region}", s.createRegion)
	m.handle("PATCH /v3/regions/{region}", s.updateRegion)
	m.handle("DELETE /v3/regions/{region}", s.deleteRegion)
	m.handle("GET /v3/services", s.listServices)
	m.handle("GET /v3/services/{service}", s.showService)
	m.handle("POST /v3/services", s.createService)
	m.handle("PATCH /v3/services/{service}", s.updateService)
	m.handle("DELETE /v3/services/{service}", s.deleteService)
	m.handle("GET /v3/endpoints", s.listEndpoints)
	m.handle("GET /v3/endpoints/{endpoint}", s.showEndpoint)
	m.handle("POST /v3/endpoints", s.createEndpoint)
	m.handle("PATCH /v3/endpoints/{endpoint}", s.updateEndpoint)
	m.handle("DELETE /v3/endpoints/{endpoint}", s.deleteEndpoint)
}

func (s *Service) showCatalog(c *call) (api.Reply, error) {
	if c.access.project == nil {
		return api.Reply{}, forbidden()
	}
	return s.view(func(r store.Reader) (api.Reply, error) {
		return api.Reply{Body: ref{"catalog": s.catalog(r, c.access), "links": ref{"self": c.url("/auth/catalog")}}}, nil
	})
}

// catalog lists what is where, for a token's bearer.
func (s *Service) catalog(r store.Reader, a *access) []ref {
	t := &s.tables.Identity
	services := []ref{}
	for service := range t.Services.All(r) {
		if !service.Enabled {
			continue
		}
		endpoints := []ref{}
		for e := range t.Endpoints.By(r, t.EndpointByService, service.ID) {
			url, ok := expandURL(e.URL, a)
			if !e.Enabled || !ok {
				continue
			}
			shown := endpointKind.show(e)
			shown["url"], shown["region"] = url, shown["region_id"]
			delete(shown, "service_id")
			delete(shown, "enabled")
			endpoints = append(endpoints, shown)
		}
		services = append(services, ref{"id": service.ID, "name": service.Name, "type": service.Type, "endpoints": endpoints})
	}
	return services
}

// placeholder is what an endpoint's URL has for the bearer's own values.
var placeholder = regexp.MustCompile(`[%$]\((\w+)\)s`)

// placeholders are the values that Keystone knows of. Those of its own
// configuration are none here.
var placeholders = []string{
	"tenant_id", "project_id", "user_id",
	"public_bind_host", "admin_bind_host", "compute_host", "admin_port", "public_port", "public_endpoint",
}

// expandURL fills in the bearer's values; ok is false if there is none for a placeholder.
func expandURL(url string, a *access) (expanded string, ok bool) {
	ok = true
	expanded = placeholder.ReplaceAllStringFunc(url, func(p string) string {
		switch name := p[2 : len(p)-2]; {
		case name == "user_id":
			return a.user.ID
		case a.project != nil && (name == "project_id" || name == "tenant_id"):
			return a.project.ID
		}
		ok = false
		return p
	})
	return strings.ReplaceAll(expanded, "%%", "%"), ok
}

// checkURL is the error of a URL that could not be filled in for anybody.
func checkURL(url string) error {
	rest := placeholder.ReplaceAllStringFunc(url, func(p string) string {
		if slices.Contains(placeholders, p[2:len(p)-2]) {
			return ""
		}
		return p
	})
	rest = strings.ReplaceAll(rest, "%%", "")
	if strings.Contains(rest, "%") || strings.Contains(rest, "$(") {
		return badRequest("Cannot create an endpoint with an invalid URL: %s.", url)
	}
	return nil
}

func (s *Service) listEndpoints(c *call) (api.Reply, error) {
	if err := c.may("list_endpoints", c.access.adminOrSystemReader()); err != nil {
		return api.Reply{}, err
	}
	f := c.filters("interface", "service_id", "region_id")
	return s.view(func(r store.Reader) (api.Reply, error) {
		t := &s.tables.Identity
		rows := t.Endpoints.All(r)
		if id, ok := f.value("service_id"); ok {
			rows = t.Endpoints.By(r, t.EndpointByService, id)
		}
		return endpointKind.list(c, rows, f, endpointRef), nil
	})
}

// endpointRef shows the region under both its names.
func endpointRef(c *call, e *model.Endpoint) ref {
	shown := endpointKind.ref(c, e)
	shown["region"] = shown["region_id"]
	return shown
}

// endpoint finds the path's endpoint; Keystone looks for it before it looks who asks.
func (s *Service) endpoint(c *call, r store.Reader) (*model.Endpoint, error) {
	return endpointKind.find(r, s.tables.Identity.Endpoints, c.PathValue("endpoint"))
}

func (s *Service) showEndpoint(c *call) (api.Reply, error) {
	return s.view(func(r store.Reader) (api.Reply, error) {
		e, err := s.endpoint(c, r)
		if err == nil {
			err = c.may("get_endpoint", c.access.adminOrSystemReader())
		}
		if err != nil {
			return api.Reply{}, err
		}
		return api.Reply{Body: ref{"endpoint": endpointRef(c, e)}}, nil
	})
}

func (s *Service) createEndpoint(c *call) (api.Reply, error) {
	if err := c.may("create_endpoint", c.access.admin()); err != nil {
		return api.Reply{}, err
	}
	values, err := c.objectOrNull("endpoint", endpointCreate)
	if err == nil {
		err = checkURL(text(values, "url"))
	}
	if err != nil {
		return api.Reply{}, err
	}
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		e := &model.Endpoint{ID: newID(), Enabled: true}
		if err := s.putEndpoint(tx, e, values); err != nil {
			return api.Reply{}, err
		}
		return created("endpoint", endpointRef(c, e)), nil
	})
}

func (s *Service) updateEndpoint(c *call) (api.Reply, error) {
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		old, err := s.endpoint(c, tx)
		if err == nil {
			err = c.may("update_endpoint", c.access.admin())
		}
		var values ref
		if err == nil {
			values, err = c.objectOrNull("endpoint", endpointUpdate)
		}
		if err == nil {
			err = sameID(old.ID, values)
		}
		if err != nil {
			return api.Reply{}, err
		}
		e := *old
		if err := s.putEndpoint(tx, &e, values); err != nil {
			return api.Reply{}, err
		}
		return api.Reply{Body: ref{"endpoint": endpointRef(c, &e)}}, nil
	})
}

// putEndpoint fills and stores an endpoint. A "region" that does not exist is
// made, a "region_id" must exist.
func (s *Service) putEndpoint(tx *store.Tx, e *model.Endpoint, values ref) error {
	t := &s.tables.Identity
	if region, given := values["region"]; given && values["region_id"] == nil {
		delete(values, "region")
		values["region_id"] = region
		if id := region.(string); t.Regions.Get(tx, id) == nil {
			t.Regions.Put(tx, &model.Region{ID: id})
		}
	}
	if id, given := values["region_id"].(string); given && t.Regions.Get(tx, id) == nil {
		return expecting("endpoint region_id", "region table")
	}
	if id, given := values["service_id"].(string); given && t.Services.Get(tx, id) == nil {
		return expecting("endpoint service_id", "service table")
	}
	if err := endpointKind.fill(e, values); err != nil {
		return err
	}
	t.Endpoints.Put(tx, e)
	return nil
}

func (s *Service) deleteEndpoint(c *call) (api.Reply, error) {
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		e, err := s.endpoint(c, tx)
		if err == nil {
			err = c.may("delete_endpoint", c.access.admin())
		}
		if err != nil {
			return api.Reply{}, err
		}
		s.tables.Identity.Endpoints.Delete(tx, e.ID)
		return noContent, nil
	})
}
