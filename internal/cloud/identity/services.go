// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package identity

import (
	"github.com/kuryr-go/kuryr/internal/cloud/api"
	"github.com/kuryr-go/kuryr/internal/cloud/model"
	"github.com/kuryr-go/kuryr/internal/cloud/store"
)

func (s *Service) listServices(c *call) (api.Reply, error) {
	if err := c.may("list_services", c.access.adminOrSystemReader()); err != nil {
		return api.Reply{}, err
	}
	return s.view(func(r store.Reader) (api.Reply, error) {
		return serviceKind.list(c, s.tables.Identity.Services.All(r), c.filters("type", "name"), serviceKind.ref), nil
	})
}

func (s *Service) service(c *call, r store.Reader) (*model.Service, error) {
	return serviceKind.find(r, s.tables.Identity.Services, c.PathValue("service"))
}

func (s *Service) showService(c *call) (api.Reply, error) {
	if err := c.may("get_service", c.access.adminOrSystemReader()); err != nil {
		return api.Reply{}, err
	}
	return s.view(func(r store.Reader) (api.Reply, error) {
		service, err := s.service(c, r)
		if err != nil {
			return api.Reply{}, err
		}
		return api.Reply{Body: ref{"service": serviceKind.ref(c, service)}}, nil
	})
}

func (s *Service) createService(c *call) (api.Reply, error) {
	if err := c.may("create_service", c.access.admin()); err != nil {
		return api.Reply{}, err
	}
	values, err := c.objectOrNull("service", serviceCreate)
	if err != nil {
		return api.Reply{}, err
	}
	service := &model.Service{ID: newID(), Enabled: true}
	if err := serviceKind.fill(service, values); err != nil {
		return api.Reply{}, err
	}
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		s.tables.Identity.Services.Put(tx, service)
		return created("service", serviceKind.ref(c, service)), nil
	})
}

func (s *Service) updateService(c *call) (api.Reply, error) {
	if err := c.may("update_service", c.access.admin()); err != nil {
		return api.Reply{}, err
	}
	values, err := c.objectOrNull("service", serviceUpdate)
	if err == nil {
		err = sameID(c.PathValue("service"), values)
	}
	if err != nil {
		return api.Reply{}, err
	}
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		old, err := s.service(c, tx)
		if err != nil {
			return api.Reply{}, err
		}
		service := *old
		if err := serviceKind.fill(&service, values); err != nil {
			return api.Reply{}, err
		}
		s.tables.Identity.Services.Put(tx, &service)
		return api.Reply{Body: ref{"service": serviceKind.ref(c, &service)}}, nil
	})
}

// deleteService deletes a service with its endpoints.
func (s *Service) deleteService(c *call) (api.Reply, error) {
	if err := c.may("delete_service", c.access.admin()); err != nil {
		return api.Reply{}, err
	}
	return s.update(func(tx *store.Tx) (api.Reply, error) {
		service, err := s.service(c, tx)
		if err != nil {
			return api.Reply{}, err
		}
		t := &s.tables.Identity
		deleteBy(tx, t.Endpoints, t.EndpointByService, service.ID, func(e *model.Endpoint) string { return e.ID })
		t.Services.Delete(tx, service.ID)
		return noContent, nil
	})
}

// deleteBy deletes all rows with a key.
func deleteBy[T any](tx *store.Tx, t *store.Table[T], ix *store.Index[T], key string, id func(*T) string) {
	var ids []string
	for row := range t.By(tx, ix, key) {
		ids = append(ids, id(row))
	}
	for _, id := range ids {
		t.Delete(tx, id)
	}
}
